//! Analytics, blobs, and what operators see.

use super::{moment, object, one_of, text};
use serde_json::{Value, json};

/// A statement.
pub(crate) fn statement() -> Value {
    json!({
        "type": "object", "required": ["sql"], "additionalProperties": false, "properties": { "sql": text() },
        "examples": [{ "sql": "SELECT type, count() FROM events GROUP BY type" }],
    })
}

/// Rows of a statement.
pub(crate) fn rows() -> Value {
    json!({
        "type": "object",
        "properties": { "meta": { "type": "array" }, "data": { "type": "array" }, "rows": { "type": "integer" }, "elapsed": { "type": "number" } },
    })
}

/// A stored blob.
pub(crate) fn blob() -> Value {
    object(&[("uri", text()), ("size_bytes", json!({ "type": "integer" }))])
}

/// A read model.
pub(crate) fn projection() -> Value {
    let number = || json!({ "type": "integer" });
    let position = object(&[
        ("topic", text()),
        ("partition", number()),
        ("position", number()),
        ("next_offset", number()),
        ("end_offset", number()),
        ("lag", number()),
    ]);
    let generation = object(&[
        ("generation", number()),
        ("version", number()),
        ("state", one_of(["building", "live", "retired"].map(str::to_owned).to_vec())),
        ("table", text()),
        ("note", text()),
        ("lag", number()),
        ("records_done", number()),
        ("records_total", number()),
        ("positions", json!({ "type": "array", "items": position })),
    ]);
    object(&[
        ("name", text()),
        ("version", number()),
        ("live", json!({ "type": ["integer", "null"] })),
        ("lag", number()),
        ("parked", number()),
        ("generations", json!({ "type": "array", "items": generation })),
    ])
}

/// A generation that was asked for.
pub(crate) fn rebuild() -> Value {
    let number = || json!({ "type": "integer" });
    object(&[("generation", number()), ("name", text()), ("version", number()), ("state", text())])
}

/// A parked record.
pub(crate) fn parked() -> Value {
    let number = || json!({ "type": "integer" });
    object(&[
        ("projection", text()),
        ("topic", text()),
        ("partition", number()),
        ("position", number()),
        ("offset", number()),
        ("aggregate", text()),
        ("reason", text()),
        ("envelope_bytes", number()),
        ("payload_bytes", number()),
    ])
}

/// How the program is.
pub(crate) fn health() -> Value {
    object(&[
        ("status", one_of(["healthy", "degraded", "unhealthy"].map(str::to_owned).to_vec())),
        ("timestamp", moment()),
        ("service", text()),
        ("version", text()),
        ("dependencies", json!({ "type": "object", "additionalProperties": text() })),
    ])
}
