//! What a generation's table looks like, as it was when it was made.
//!
//! Kept in the store beside the generation: the program that reads or writes it may be newer than its table.

use schemas::row::{Kind, Table, Value};
use serde_json::json;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Definition {
    /// Without the tenant.
    pub(crate) columns: Vec<StoredColumn>,
    pub(crate) key: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredColumn {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) nullable: bool,
}

const KINDS: [(Kind, &str); 7] = [
    (Kind::Text, "text"),
    (Kind::I64, "i64"),
    (Kind::F64, "f64"),
    (Kind::Bool, "bool"),
    (Kind::Time, "time"),
    (Kind::Json, "json"),
    (Kind::Bytes, "bytes"),
];

impl Definition {
    pub(crate) fn of(table: &Table) -> Self {
        let columns = table.columns.iter();
        let columns = columns.map(|c| StoredColumn { name: c.name.to_owned(), kind: c.kind, nullable: c.nullable });
        Self { columns: columns.collect(), key: table.key }
    }

    pub(crate) fn to_json(&self) -> String {
        let columns: Vec<_> = self.columns.iter().map(|c| json!([c.name, kind_name(c.kind), c.nullable])).collect();
        json!({ "key": self.key, "columns": columns }).to_string()
    }

    pub(crate) fn from_json(text: &str) -> Option<Self> {
        let stored: serde_json::Value = serde_json::from_str(text).ok()?;
        let key = usize::try_from(stored["key"].as_u64()?).ok()?;
        let columns = stored["columns"].as_array()?.iter().map(|column| {
            let kind = column[1].as_str()?;
            let (kind, _) = KINDS.into_iter().find(|(_, name)| *name == kind)?;
            Some(StoredColumn { name: column[0].as_str()?.to_owned(), kind, nullable: column[2].as_bool()? })
        });
        Some(Self { columns: columns.collect::<Option<_>>()?, key })
    }

    pub(crate) fn column(&self, name: &str) -> Option<&StoredColumn> {
        self.columns.iter().find(|column| column.name == name)
    }

    pub(crate) fn key_columns(&self) -> &[StoredColumn] {
        &self.columns[..self.key.min(self.columns.len())]
    }

    /// The kinds of a whole row, which starts with the tenant.
    pub(crate) fn kinds_with_tenant(&self) -> Vec<Kind> {
        std::iter::once(Kind::Text).chain(self.columns.iter().map(|column| column.kind)).collect()
    }

    /// Whether a row, which starts with the tenant, can be stored; if not, why.
    pub(crate) fn check_row(&self, row: &[Value]) -> Result<(), String> {
        fits(&self.columns, row)
    }

    /// The same of a key, which starts with the tenant.
    pub(crate) fn check_key(&self, key: &[Value]) -> Result<(), String> {
        fits(self.key_columns(), key)
    }
}

fn fits(columns: &[StoredColumn], values: &[Value]) -> Result<(), String> {
    let [Value::Text(tenant), values @ ..] = values else { return Err("the first value is no tenant".to_owned()) };
    if tenant.contains('\0') {
        return Err("the tenant contains U+0000".to_owned());
    }
    if columns.len() != values.len() {
        return Err(format!("{} values for {} columns", values.len(), columns.len()));
    }
    for (column, value) in columns.iter().zip(values) {
        let wrong = match value {
            Value::Null if column.nullable => continue,
            Value::Null => "is never absent",
            _ if !is_of(column.kind, value) => "holds values of another kind",
            Value::F64(number) if number.is_nan() => "cannot hold NaN",
            value if holds_nul(value) => "cannot hold U+0000",
            _ => continue,
        };
        return Err(format!("column {} {wrong}", column.name));
    }
    Ok(())
}

/// Whether `value` holds U+0000, which no stored text does.
pub(crate) fn holds_nul(value: &Value) -> bool {
    matches!(value, Value::Text(text) | Value::Json(text) if text.contains('\0'))
}

/// Whether `value` is of `kind`.
pub(crate) fn is_of(kind: Kind, value: &Value) -> bool {
    matches!(
        (kind, value),
        (Kind::Text, Value::Text(_))
            | (Kind::I64, Value::I64(_))
            | (Kind::F64, Value::F64(_))
            | (Kind::Bool, Value::Bool(_))
            | (Kind::Time, Value::Time(_))
            | (Kind::Json, Value::Json(_))
            | (Kind::Bytes, Value::Bytes(_))
    )
}

pub(crate) fn kind_name(kind: Kind) -> &'static str {
    KINDS.iter().find(|(known, _)| *known == kind).map_or("unknown", |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::row::Column;

    #[test]
    fn a_definition_survives_its_text_form() {
        const COLUMNS: &[Column] = &[
            Column { name: "id", kind: Kind::Text, nullable: false },
            Column { name: "a\"b", kind: Kind::Bytes, nullable: true },
            Column { name: "at", kind: Kind::Time, nullable: false },
        ];
        let definition = Definition::of(&Table { name: "t", columns: COLUMNS, key: 1, indexes: &[] });
        assert_eq!(Definition::from_json(&definition.to_json()), Some(definition));
    }

    #[test]
    fn what_is_no_definition_is_not_read_as_one() {
        for text in ["", "{}", r#"{"key":1,"columns":[["a","colour",true]]}"#] {
            assert_eq!(Definition::from_json(text), None, "{text}");
        }
    }
}
