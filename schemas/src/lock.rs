//! `registry.lock`: every version of every schema, with its number. It only grows.

use crate::SchemaId;
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Lock {
    schemas: Vec<Locked>,
}

#[derive(Deserialize)]
struct Locked {
    id: u32,
    schema: Value,
}

/// Number and document of every locked schema version.
pub fn locked_schemas() -> impl Iterator<Item = (SchemaId, Value)> {
    let lock: Lock = serde_json::from_str(include_str!("../registry.lock")).unwrap_or(Lock { schemas: Vec::new() });
    lock.schemas.into_iter().map(|locked| (SchemaId(locked.id), locked.schema))
}
