//! The payload of a result: `envelope.CommandResult`, written from borrowed parts.

use schemas::{CodecError, RefusalKind, SchemaId, codec};
use serde::Serialize;

/// Name of the record type.
pub(crate) const NAME: &str = "envelope.CommandResult";

/// Codes of the writer's own refusals.
pub(crate) mod code {
    pub(crate) const SEQ_MISMATCH: &str = "seq_mismatch";
    pub(crate) const KEY_REUSED: &str = "idempotency_key_reused";
    pub(crate) const KEYS_FULL: &str = "idempotency_full";
    pub(crate) const ANSWER_GONE: &str = "idempotency_answer_gone";
    pub(crate) const UNDECODABLE: &str = "undecodable";
    pub(crate) const UNWRITABLE: &str = "event_unwritable";
}

/// An answer; its fields are those of the schema, in order.
#[derive(Debug, Serialize)]
#[serde(rename = "CommandResult")]
pub(crate) struct Answer<'a> {
    pub(crate) status: i32,
    pub(crate) events: &'a [&'a str],
    pub(crate) position: i64,
    pub(crate) code: Option<&'a str>,
    pub(crate) detail: Option<&'a str>,
}

impl Answer<'_> {
    /// Appends the wire format.
    pub(crate) fn encode(&self, schema: SchemaId, out: &mut Vec<u8>) -> Result<(), CodecError> {
        codec::encode(schema, self, out)
    }
}

/// Number of the schema of answers.
pub(crate) fn schema() -> SchemaId {
    schemas::schema(NAME).map_or(SchemaId(0), |schema| schema.id)
}

/// Status of an accepted command by the aggregate's seq before and after it.
pub(crate) fn accepted(before: i64, after: i64) -> i32 {
    if before == 0 && after > 0 { 201 } else { 200 }
}

/// Status of a refusal.
pub(crate) fn refused(kind: RefusalKind) -> i32 {
    match kind {
        RefusalKind::Absent => 404,
        RefusalKind::Conflict => 409,
        RefusalKind::Forbidden => 403,
    }
}

/// Whether an answer with this code is the one that a repeat of its command gets: the writer's refusals below were given
/// before the command was decided.
pub fn is_first(code: Option<&str>) -> bool {
    !matches!(code, Some(code::KEY_REUSED | code::KEYS_FULL | code::ANSWER_GONE | code::UNDECODABLE | code::UNWRITABLE))
}
