//! JSON Schemas of what is not described by an `.avsc`: parameters and answers of the gateway's own.

mod commands;
mod operations;
mod registry;
mod workers;

pub(crate) use commands::*;
pub(crate) use operations::*;
pub(crate) use registry::*;
pub(crate) use workers::*;

use schemas::row::{Column, Kind};
use serde_json::{Map, Value, json};

/// Text.
pub(crate) fn text() -> Value {
    json!({ "type": "string" })
}

/// A UUID.
pub(crate) fn uuid() -> Value {
    json!({ "type": "string", "format": "uuid" })
}

/// A moment.
pub(crate) fn moment() -> Value {
    json!({ "type": "string", "format": "date-time" })
}

/// Raw bytes.
pub(crate) fn bytes() -> Value {
    json!({ "type": "string", "format": "binary" })
}

/// A whole number.
pub(crate) fn integer(minimum: usize, maximum: usize, default: usize) -> Value {
    json!({ "type": "integer", "minimum": minimum, "maximum": maximum, "default": default })
}

/// One of a few texts.
pub(crate) fn one_of(texts: Vec<String>) -> Value {
    json!({ "type": "string", "enum": texts })
}

/// The values of a column.
pub(crate) fn column(column: &Column) -> Value {
    let mut schema = match column.kind {
        Kind::Text => json!({ "type": "string" }),
        Kind::I64 => json!({ "type": "integer", "format": "int64" }),
        Kind::F64 => json!({ "type": "number" }),
        Kind::Bool => json!({ "type": "boolean" }),
        Kind::Time => moment(),
        Kind::Json | Kind::Bytes => json!({}),
    };
    if column.nullable && column.kind != Kind::Json {
        schema["type"] = json!([schema["type"], "null"]);
    }
    schema
}

/// A row.
pub(crate) fn row(columns: &[Column]) -> Value {
    let shown = columns.iter().filter(|column| column.kind != Kind::Bytes);
    let properties: Map<_, _> = shown.clone().map(|known| (known.name.to_owned(), column(known))).collect();
    json!({ "type": "object", "properties": properties, "required": shown.map(|column| column.name).collect::<Vec<_>>() })
}

/// A page of a list.
pub(crate) fn page(item: Value) -> Value {
    object(&[("items", json!({ "type": "array", "items": item })), ("next_cursor", json!({ "type": ["string", "null"] }))])
}

/// A whole list.
pub(crate) fn items(item: Value) -> Value {
    object(&[("items", json!({ "type": "array", "items": item }))])
}

fn texts() -> Value {
    items_of(text())
}

fn items_of(item: Value) -> Value {
    json!({ "type": "array", "items": item })
}

/// An object all of whose properties are always there.
fn object(properties: &[(&str, Value)]) -> Value {
    let required: Vec<_> = properties.iter().map(|(name, _)| *name).collect();
    let properties: Map<_, _> = properties.iter().map(|(name, schema)| ((*name).to_owned(), schema.clone())).collect();
    json!({ "type": "object", "required": required, "properties": properties })
}
