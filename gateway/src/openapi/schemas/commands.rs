//! Answers to commands, and histories.

use super::{moment, object, one_of, text, texts, uuid};
use serde_json::{Value, json};

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

/// Several commands.
pub(crate) fn batch(most: usize) -> Value {
    let key = json!({ "type": ["string", "null"], "minLength": 1, "maxLength": 255, "description": "Like Idempotency-Key." });
    let expected = "The sequence number that the aggregate must be at; 0 if it must not exist, -1 if it must.";
    json!({
        "type": "array",
        "maxItems": most,
        "items": {
            "type": "object",
            "required": ["type", "body"],
            "additionalProperties": false,
            "properties": {
                "type": text(),
                "key": key,
                "expected_seq": { "type": ["integer", "null"], "minimum": -1, "description": expected },
                "body": { "type": "object", "description": "As for the command alone." },
            },
        },
        "examples": [[
            { "type": "work.SubmitJob", "key": "sweep-7/1", "body": { "queue": "train", "kind": "train.wine" } },
            { "type": "work.CancelJob", "expected_seq": 3, "body": { "job_id": "0197c0de-0000-7000-8000-000000000001" } },
        ]],
    })
}

/// What became of each of several commands.
pub(crate) fn batch_results() -> Value {
    let status = || json!({ "type": "integer", "description": "What the command alone would be answered with." });
    let with_status = |mut schema: Value| {
        schema["properties"]["status"] = status();
        schema
    };
    let problem = json!({ "$ref": "#/components/schemas/Problem" });
    let result = json!({ "anyOf": [with_status(decided()), with_status(accepted()), problem] });
    object(&[("results", json!({ "type": "array", "items": result }))])
}

/// The state of an aggregate.
pub(crate) fn state() -> Value {
    let seq = json!({ "type": "integer", "description": "The last event that is in it." });
    object(&[("aggregate", aggregate()), ("seq", seq), ("recorded_at", moment()), ("state", json!({ "type": "object" }))])
}

/// The status of a command.
pub(crate) fn command_status() -> Value {
    let or_null = |kind: &str| json!({ "type": [kind, "null"] });
    object(&[
        ("command_id", uuid()),
        ("type", text()),
        ("state", one_of(["accepted", "done", "refused", "undecodable", "expired"].map(str::to_owned).to_vec())),
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

fn aggregate() -> Value {
    object(&[("type", text()), ("id", text())])
}
