//! JSON Schemas of what is not described by an `.avsc`: parameters and answers of the gateway's own.

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

/// The answer to a decided command.
pub(crate) fn decided() -> Value {
    let seq = json!({ "type": "integer", "description": "The aggregate's sequence number afterwards; also the ETag." });
    let token = json!({ "type": "string", "description": "Send it as X-Consistency-Token to see the effect." });
    object(&[("command_id", uuid()), ("aggregate", aggregate()), ("seq", seq), ("events", texts()), ("token", token)])
}

/// The answer to a command that is on record.
pub(crate) fn accepted() -> Value {
    let state = json!({ "const": "accepted" });
    object(&[("command_id", uuid()), ("aggregate", aggregate()), ("state", state), ("status_url", text())])
}

/// The status of a command.
pub(crate) fn command_status() -> Value {
    let or_null = |kind: &str| json!({ "type": [kind, "null"] });
    object(&[
        ("command_id", uuid()),
        ("type", text()),
        ("state", one_of(["accepted", "done", "refused"].map(str::to_owned).to_vec())),
        ("status", or_null("integer")),
        ("aggregate", aggregate()),
        ("seq", or_null("integer")),
        ("events", json!({ "type": ["array", "null"], "items": text() })),
        ("code", or_null("string")),
        ("detail", or_null("string")),
        ("token", or_null("string")),
        ("actor", or_null("string")),
        ("accepted_at", or_null("string")),
        ("finished_at", or_null("string")),
    ])
}

/// A page of a history.
pub(crate) fn history() -> Value {
    let event = json!({
        "type": "object",
        "properties": {
            "seq": { "type": "integer" }, "type": text(), "position": { "type": "integer" }, "partition": { "type": "integer" },
            "event_id": uuid(), "command_id": uuid(), "causation_id": uuid(), "correlation_id": uuid(), "actor": text(),
            "occurred_at": { "type": ["string", "null"] }, "recorded_at": moment(), "schema_id": { "type": "integer" },
            "payload": { "type": ["object", "null"] }, "payload_error": text(),
        },
    });
    let next = json!({ "type": ["integer", "null"] });
    object(&[("aggregate", aggregate()), ("items", json!({ "type": "array", "items": event })), ("next_after_seq", next)])
}

/// A request for leases.
pub(crate) fn lease_request() -> Value {
    json!({
        "type": "object",
        "required": ["worker"],
        "additionalProperties": false,
        "properties": {
            "worker": text(), "n": integer(1, 64, 1), "duration_ms": integer(1000, 3_600_000, 30_000),
            "wait_ms": integer(0, 30_000, 0),
        },
        "examples": [{ "worker": "worker-1", "n": 1, "duration_ms": 30_000, "wait_ms": 10_000 }],
    })
}

/// Leases.
pub(crate) fn leases() -> Value {
    let checkpoint = json!({
        "type": ["object", "null"],
        "properties": { "step": { "type": "integer" }, "uri": text(), "sha256": text(), "size_bytes": { "type": "integer" } },
    });
    let number = || json!({ "type": "integer" });
    let lease = object(&[
        ("lease_id", text()),
        ("job_id", text()),
        ("fence", number()),
        ("until", moment()),
        ("kind", text()),
        ("queue", text()),
        ("config", json!({})),
        ("attempt", number()),
        ("max_attempts", number()),
        ("checkpoint", checkpoint),
    ]);
    object(&[("leases", json!({ "type": "array", "items": lease }))])
}

/// The answer to a renewal.
pub(crate) fn renewed() -> Value {
    let truth = || json!({ "type": "boolean" });
    object(&[("ok", truth()), ("cancel", truth()), ("lost", truth()), ("until", json!({ "type": ["string", "null"] }))])
}

/// The answer to what a worker said.
pub(crate) fn said() -> Value {
    object(&[("ok", json!({ "const": true }))])
}

/// A batch of telemetry.
pub(crate) fn telemetry(most: usize) -> Value {
    let levels = one_of(["trace", "debug", "info", "warn", "error"].map(str::to_owned).to_vec());
    let point = json!({
        "type": "object", "required": ["job_id", "name", "step", "value"], "additionalProperties": false,
        "properties": { "job_id": text(), "name": text(), "step": { "type": "integer" }, "value": { "type": "number" }, "at": moment() },
    });
    let line = json!({
        "type": "object", "required": ["job_id", "level", "message"], "additionalProperties": false,
        "properties": { "job_id": text(), "level": levels, "message": text(), "at": moment() },
    });
    json!({
        "type": "object",
        "required": ["source"],
        "additionalProperties": false,
        "properties": {
            "source": text(),
            "batch_id": { "type": "string", "format": "uuid", "description": "The same batch again counts once." },
            "points": { "type": "array", "maxItems": most, "items": point },
            "lines": { "type": "array", "maxItems": most, "items": line },
        },
        "examples": [{
            "source": "worker-1",
            "points": [{ "job_id": "0197c0de-0000-7000-8000-000000000001", "name": "loss", "step": 1, "value": 0.5 }],
        }],
    })
}

/// The answer to a batch of telemetry.
pub(crate) fn telemetry_accepted() -> Value {
    object(&[("accepted", json!({ "type": "integer" })), ("batch_id", uuid())])
}

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

fn aggregate() -> Value {
    object(&[("type", text()), ("id", text())])
}

fn texts() -> Value {
    json!({ "type": "array", "items": text() })
}

/// An object all of whose properties are always there.
fn object(properties: &[(&str, Value)]) -> Value {
    let required: Vec<_> = properties.iter().map(|(name, _)| *name).collect();
    let properties: Map<_, _> = properties.iter().map(|(name, schema)| ((*name).to_owned(), schema.clone())).collect();
    json!({ "type": "object", "required": required, "properties": properties })
}
