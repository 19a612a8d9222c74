//! `registry.lock`: every version of every schema, with its number. It only grows.

use crate::SchemaId;
use serde_json::Value;
use std::sync::LazyLock;

/// One locked schema version.
#[derive(Debug, Clone, PartialEq)]
pub struct Locked {
    /// Its number.
    pub id: SchemaId,
    /// Full name of the schema: `work.SubmitJob`.
    pub subject: String,
    /// From 1, per subject.
    pub version: u32,
    /// The document.
    pub schema: Value,
}

/// Every locked schema version, in the order of the numbers.
pub fn locked() -> &'static [Locked] {
    static LOCKED: LazyLock<Vec<Locked>> = LazyLock::new(|| {
        // The build has read the same file, so there is nothing left to fail.
        let lock = gate::Lock::parse(include_str!("../registry.lock")).unwrap_or_default();
        let locked = lock.versions.into_iter();
        locked
            .map(|gate::Version { id, subject, version, schema }| Locked { id: SchemaId(id), subject, version, schema })
            .collect()
    });
    &LOCKED
}

/// Number and document of every locked schema version.
pub fn locked_schemas() -> impl Iterator<Item = (SchemaId, Value)> {
    locked().iter().map(|locked| (locked.id, locked.schema.clone()))
}
