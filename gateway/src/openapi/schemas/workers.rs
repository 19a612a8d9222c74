//! Leases and telemetry.

use super::{integer, moment, object, one_of, text, uuid};
use serde_json::{Value, json};

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
