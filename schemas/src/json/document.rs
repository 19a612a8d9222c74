//! The JSON Schema (2020-12) of a message's JSON, as OpenAPI 3.1 takes it.

use super::MAX_TEXT_BYTES;
use crate::{SchemaInfo, codec};
use gate::model::{Form, Record, Type};
use serde_json::{Map, Value, json};

/// The JSON Schema of what [`check`](super::check) takes: an object without unknown fields, with the example of the
/// schema. It says what the schema says; the size of free JSON and equal precision of numbers are the check's alone.
pub fn json_schema(info: &SchemaInfo) -> Value {
    let Ok(known) = codec::known(info.id) else { return json!({ "type": "object" }) };
    let mut schema = record(&known.schema.record);
    schema["title"] = info.name.into();
    if let Ok(example) = serde_json::from_str::<Value>(info.example) {
        schema["examples"] = json!([example]);
    }
    schema
}

fn record(record: &Record) -> Value {
    let mut properties = Map::new();
    for field in &record.fields {
        let mut property = of(&field.ty);
        property["description"] = field.doc.as_str().into();
        if let Some(default) = &field.default {
            let is_json = *field.ty.inner() == Type::Text(Form::Json) && !default.is_null();
            property["default"] = if is_json { json!({}) } else { default.clone() };
        }
        if field.secret {
            property["writeOnly"] = true.into();
        }
        properties.insert(field.name.clone(), property);
    }
    let required: Vec<&str> = record.fields.iter().filter(|f| !f.may_be_absent()).map(|f| f.name.as_str()).collect();
    json!({
        "type": "object",
        "description": record.doc,
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

fn of(ty: &Type) -> Value {
    match ty {
        Type::Boolean => json!({ "type": "boolean" }),
        Type::Int(limits) => json!({
            "type": "integer", "format": "int32",
            "minimum": limits.minimum.unwrap_or(i32::MIN.into()), "maximum": limits.maximum.unwrap_or(i32::MAX.into()),
        }),
        Type::Long(limits) => json!({
            "type": "integer", "format": "int64",
            "minimum": limits.minimum.unwrap_or(i64::MIN), "maximum": limits.maximum.unwrap_or(i64::MAX),
        }),
        Type::Double(limits) => {
            let mut number = json!({ "type": "number", "format": "double" });
            for (key, limit) in [("minimum", limits.minimum), ("maximum", limits.maximum)] {
                if let Some(limit) = limit {
                    number[key] = limit.into();
                }
            }
            number
        }
        Type::Text(Form::Free) => json!({ "type": "string", "maxLength": MAX_TEXT_BYTES }),
        Type::Text(Form::Name) => {
            json!({ "type": "string", "pattern": "^[A-Za-z0-9._-]{1,128}$", "not": { "enum": [".", ".."] } })
        }
        Type::Text(Form::Sha256) => json!({ "type": "string", "pattern": "^[0-9a-f]{64}$" }),
        Type::Text(Form::Uuid) | Type::Uuid => json!({ "type": "string", "format": "uuid" }),
        Type::Text(Form::Json) => json!({ "type": "object" }),
        Type::Bytes => json!({
            "type": "string", "contentEncoding": "base64", "maxLength": MAX_TEXT_BYTES,
            "pattern": "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$",
        }),
        Type::Time => json!({ "type": ["string", "integer"], "format": "date-time" }),
        Type::Enum(symbols) => json!({ "type": "string", "enum": symbols.symbols }),
        Type::Record(inner) => record(inner),
        Type::Array(items) => json!({ "type": "array", "items": of(items) }),
        Type::Optional(inner) => or_null(of(inner)),
    }
}

fn or_null(mut schema: Value) -> Value {
    let mut types = match &schema["type"] {
        Value::Array(types) => types.clone(),
        one => vec![one.clone()],
    };
    types.push("null".into());
    schema["type"] = types.into();
    if let Some(symbols) = schema.get_mut("enum").and_then(Value::as_array_mut) {
        symbols.push(Value::Null);
    }
    schema
}
