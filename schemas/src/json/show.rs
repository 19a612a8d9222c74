//! The JSON of an encoded record, for people who look at a history.

use crate::{CodecError, codec};
use base64::{Engine, engine::general_purpose::STANDARD};
use gate::model::{Field, Form, Record, Type};
use jiff::{Timestamp, fmt::temporal::DateTimePrinter};
use serde::de::{Deserialize, DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, VariantAccess, Visitor};
use serde_json::Value;
use std::fmt;
use uuid::Uuid;

/// Decodes a record of any known schema: times as RFC 3339 in UTC, free JSON as JSON, bytes as base64, and what the
/// schema calls secret as `[secret]`.
pub fn payload(wire: &[u8]) -> Result<Value, CodecError> {
    let (id, datum) = codec::split(wire)?;
    let Record { fields, .. } = &codec::known(id)?.schema.record;
    Ok(record(fields, codec::decode_datum(id, datum)?))
}

/// A time in microseconds as RFC 3339 in UTC with six decimals; the number itself beyond the year 9999.
pub fn time(micros: i64) -> Value {
    const PRINTER: DateTimePrinter = DateTimePrinter::new().precision(Some(6));
    Timestamp::from_microsecond(micros).map_or(micros.into(), |time| PRINTER.timestamp_to_string(&time).into())
}

/// A decoded datum, before the schema says what it means. Records are the values of their fields, in order.
enum Datum {
    Null,
    Bool(bool),
    Integer(i64),
    Double(f64),
    Text(String),
    Bytes(Vec<u8>),
    Many(Vec<Datum>),
}

fn record(fields: &[Field], datum: Datum) -> Value {
    let Datum::Many(values) = datum else { return Value::Null };
    let shown = fields.iter().zip(values).map(|(field, value)| {
        let value = match (field.secret, value) {
            (_, Datum::Null) => Value::Null,
            (true, _) => "[secret]".into(),
            (false, value) => show(&field.ty, value),
        };
        (field.name.clone(), value)
    });
    Value::Object(shown.collect())
}

fn show(ty: &Type, datum: Datum) -> Value {
    match (ty.inner(), datum) {
        (_, Datum::Null) => Value::Null,
        (_, Datum::Bool(value)) => value.into(),
        (Type::Time, Datum::Integer(micros)) => time(micros),
        (_, Datum::Integer(value)) => value.into(),
        (_, Datum::Double(value)) if value.is_finite() => value.into(),
        (_, Datum::Double(value)) => value.to_string().into(),
        (Type::Text(Form::Json), Datum::Text(text)) => serde_json::from_str(&text).unwrap_or(Value::String(text)),
        (_, Datum::Text(text)) => text.into(),
        (Type::Uuid, Datum::Bytes(bytes)) => Uuid::from_slice(&bytes).map_or(Value::Null, |uuid| uuid.to_string().into()),
        (_, Datum::Bytes(bytes)) => STANDARD.encode(bytes).into(),
        (Type::Record(inner), values) => record(&inner.fields, values),
        (Type::Array(items), Datum::Many(values)) => values.into_iter().map(|value| show(items, value)).collect(),
        (_, Datum::Many(_)) => Value::Null,
    }
}

impl<'de> Deserialize<'de> for Datum {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Datum;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a datum")
    }

    fn visit_unit<E: Error>(self) -> Result<Datum, E> {
        Ok(Datum::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Datum, E> {
        Ok(Datum::Bool(value))
    }

    fn visit_i32<E: Error>(self, value: i32) -> Result<Datum, E> {
        Ok(Datum::Integer(value.into()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Datum, E> {
        Ok(Datum::Integer(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Datum, E> {
        Ok(Datum::Double(value))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Datum, E> {
        Ok(Datum::Text(text.into()))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Datum, E> {
        Ok(Datum::Text(text))
    }

    fn visit_byte_buf<E: Error>(self, bytes: Vec<u8>) -> Result<Datum, E> {
        Ok(Datum::Bytes(bytes))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Datum, A::Error> {
        let mut out = Vec::new();
        while let Some(item) = items.next_element()? {
            out.push(item);
        }
        Ok(Datum::Many(out))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Datum, A::Error> {
        let mut out = Vec::with_capacity(fields.size_hint().unwrap_or(0).min(64));
        while fields.next_key_seed(Name)?.is_some() {
            out.push(fields.next_value()?);
        }
        Ok(Datum::Many(out))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, access: A) -> Result<Datum, A::Error> {
        let (symbol, rest) = access.variant_seed(Name)?;
        rest.unit_variant()?;
        Ok(symbol)
    }
}

/// The name of a field or a symbol, which the decoder gives only to those who ask for an identifier.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Datum;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Datum, D::Error> {
        from.deserialize_identifier(Reader)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_secret_is_not_shown_and_what_is_absent_is_no_secret() {
        let field = |name: &str, secret: bool| Field {
            name: name.into(),
            doc: String::new(),
            aliases: Vec::new(),
            ty: Type::Optional(Box::new(Type::Text(Form::Free))),
            default: None,
            generated: false,
            secret,
        };
        let fields = [field("password", true), field("hint", false), field("token", true)];
        let datum = Datum::Many(vec![Datum::Text("hunter2".into()), Datum::Text("a number".into()), Datum::Null]);
        let shown = serde_json::json!({"password": "[secret]", "hint": "a number", "token": null});
        assert_eq!(record(&fields, datum), shown);
    }
}
