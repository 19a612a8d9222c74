//! Why the writer stops. Whatever a retry or a new epoch can cure never gets this far.

use log::{LogError, Source};
use schemas::CodecError;

/// The writer cannot go on, and the process must stop.
#[derive(Debug, thiserror::Error)]
pub enum WriterError {
    /// The log failed.
    #[error("the writer lost its log: {0}")]
    Fatal(#[source] LogError),
    /// The log does not hold what a writer wrote. Nothing is decided on top of it.
    #[error("{place} is damaged at offset {offset}: {detail}; run verify, then restore from a backup")]
    Damaged {
        /// The partition.
        place: Source,
        /// The record.
        offset: u64,
        /// What is wrong with it.
        detail: String,
    },
    /// A record was written by a newer program.
    #[error("{place}, offset {offset}: {detail}; upgrade the writer")]
    Outdated {
        /// The partition.
        place: Source,
        /// The record.
        offset: u64,
        /// What cannot be read.
        detail: String,
    },
    /// A defect of this program.
    #[error("{0}; this is a defect of the writer: report it")]
    Defect(String),
}

/// What is wrong with bytes, without the whole schema that the Avro library would print.
pub(crate) fn in_short(error: &CodecError) -> String {
    match error {
        CodecError::Avro { schema, .. } => format!("the bytes are not what schema id {schema} describes"),
        other => other.to_string(),
    }
}
