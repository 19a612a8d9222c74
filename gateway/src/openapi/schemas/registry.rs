//! The schema registry.

use super::{items_of, object, one_of, text, texts};
use serde_json::{Value, json};

/// Names of subjects, or of types of schemas.
pub(crate) fn names() -> Value {
    texts()
}

/// Numbers of versions.
pub(crate) fn versions() -> Value {
    items_of(json!({ "type": "integer" }))
}

/// A version of a subject.
pub(crate) fn registered() -> Value {
    let number = || json!({ "type": "integer" });
    object(&[("subject", text()), ("id", number()), ("version", number()), ("schema", avro())])
}

/// A schema by its number.
pub(crate) fn schema_only() -> Value {
    object(&[("schema", avro())])
}

/// The number of a schema.
pub(crate) fn schema_id() -> Value {
    object(&[("id", json!({ "type": "integer" }))])
}

/// Where a schema is used.
pub(crate) fn usages() -> Value {
    items_of(object(&[("subject", text()), ("version", json!({ "type": "integer" }))]))
}

/// A schema to look for.
pub(crate) fn offered() -> Value {
    json!({
        "type": "object",
        "required": ["schema"],
        "properties": { "schema": avro(), "schemaType": { "type": ["string", "null"], "enum": ["AVRO", null] } },
        "examples": [{ "schema": "{\"type\": \"record\", \"namespace\": \"work\", \"name\": \"JobNoted\", \"fields\": []}" }],
    })
}

/// Whether a schema fits.
pub(crate) fn fits() -> Value {
    json!({
        "type": "object",
        "required": ["is_compatible"],
        "properties": { "is_compatible": { "type": "boolean" }, "messages": texts() },
    })
}

/// The level, as it is told.
pub(crate) fn level_kept() -> Value {
    object(&[("compatibilityLevel", level())])
}

/// The level, as it is set.
pub(crate) fn level_set() -> Value {
    object(&[("compatibility", level())])
}

fn level() -> Value {
    one_of(vec!["BACKWARD_TRANSITIVE".to_owned()])
}

/// The mode.
pub(crate) fn mode() -> Value {
    object(&[("mode", one_of(vec!["READONLY".to_owned()]))])
}

/// The shape of the registry's errors.
pub(crate) fn registry_error() -> Value {
    let code = json!({ "type": "integer", "description": "The status, or more exactly what is wrong.", "examples": [40401, 40402, 40403, 409, 42201, 42202, 42203, 42205] });
    object(&[("error_code", code), ("message", text())])
}

fn avro() -> Value {
    json!({ "type": "string", "description": "The Avro schema, as text." })
}
