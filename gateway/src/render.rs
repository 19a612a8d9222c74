//! Rows as JSON: in the order of their columns, moments as RFC 3339, JSON columns embedded, bytes left out.

use crate::clock;
use schemas::row::{Column, Kind, Value};
use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::value::RawValue;

/// A row, borrowed from a store's answer.
pub(crate) struct RowJson<'a> {
    /// Its columns.
    pub columns: &'a [Column],
    /// Its values, in the order of the columns.
    pub values: &'a [Value],
}

impl Serialize for RowJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (column, value) in self.columns.iter().zip(self.values) {
            if column.kind != Kind::Bytes {
                map.serialize_entry(column.name, &ValueJson(value))?;
            }
        }
        map.end()
    }
}

/// One value.
pub(crate) struct ValueJson<'a>(pub &'a Value);

impl Serialize for ValueJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Null | Value::Bytes(_) => serializer.serialize_unit(),
            Value::Text(text) => serializer.serialize_str(text),
            Value::I64(number) => serializer.serialize_i64(*number),
            Value::F64(number) => serializer.serialize_f64(*number),
            Value::Bool(truth) => serializer.serialize_bool(*truth),
            Value::Time(micros) => serializer.serialize_str(&clock::rfc3339(*micros)),
            // What is no JSON after all is shown as the text that it is.
            Value::Json(text) => match serde_json::from_str::<&RawValue>(text) {
                Ok(json) => json.serialize(serializer),
                Err(_) => serializer.serialize_str(text),
            },
        }
    }
}

/// The value of the column `name`.
pub(crate) fn column<'a>(columns: &[Column], values: &'a [Value], name: &str) -> Option<&'a Value> {
    values.get(columns.iter().position(|column| column.name == name)?)
}

/// The text of the column `name`.
pub(crate) fn text<'a>(columns: &[Column], values: &'a [Value], name: &str) -> Option<&'a str> {
    match column(columns, values, name)? {
        Value::Text(text) | Value::Json(text) => Some(text),
        _ => None,
    }
}

/// The number or the microseconds of the column `name`.
pub(crate) fn number(columns: &[Column], values: &[Value], name: &str) -> Option<i64> {
    match column(columns, values, name)? {
        Value::I64(number) | Value::Time(number) => Some(*number),
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_row_becomes_the_json_that_people_read() {
        let kinds = [Kind::Text, Kind::Time, Kind::Json, Kind::Bytes, Kind::Bool, Kind::F64, Kind::I64, Kind::Text];
        let names = ["id", "at", "config", "raw", "on", "share", "seq", "worker"];
        let columns: Vec<_> = names.into_iter().zip(kinds).map(|(name, kind)| Column { name, kind, nullable: true }).collect();
        let values = [
            Value::Text("a\"b".to_owned()),
            Value::Time(1),
            Value::Json(r#"{"b":1,"a":[1e3]}"#.to_owned()),
            Value::Bytes(vec![1, 2, 3]),
            Value::Bool(true),
            Value::F64(0.5),
            Value::I64(7),
            Value::Null,
        ];
        let json = serde_json::to_string(&RowJson { columns: &columns, values: &values }).unwrap();
        assert_eq!(
            json,
            r#"{"id":"a\"b","at":"1970-01-01T00:00:00.000001Z","config":{"b":1,"a":[1e3]},"on":true,"share":0.5,"seq":7,"worker":null}"#
        );
        assert_eq!(number(&columns, &values, "seq"), Some(7));
        assert_eq!(text(&columns, &values, "id"), Some("a\"b"));
        assert_eq!(text(&columns, &values, "none"), None);
    }
}
