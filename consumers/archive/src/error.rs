//! What can go wrong, named for what the caller does next.

use log::{LogError, ShareError, Source};
use objects::ObjectError;
use std::fmt;

/// Something in the archive that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// The object.
    pub file: String,
    /// The first position that it concerns, where that can be told.
    pub position: Option<u64>,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.position {
            Some(position) => write!(f, "{} is damaged from position {position} on: {}", self.file, self.what),
            None => write!(f, "{} is damaged: {}", self.file, self.what),
        }
    }
}

/// Why the archive could not be written or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArchiveError {
    /// The log or the object store is away; try again after a pause.
    #[error("{0}")]
    Transient(String),
    /// A file is not as it was written. Put a good copy in its place, or, while the log still has its records, remove
    /// it with its sidecar and all files after it.
    #[error("{0}")]
    Damaged(Flaw),
    /// Log and archive contradict each other; nothing is written until somebody finds out why.
    #[error("{source_partition}: {what}")]
    Diverged {
        /// The partition.
        source_partition: Source,
        /// How they differ.
        what: String,
    },
    /// The log cannot go on: the process must stop.
    #[error("{0}")]
    Fatal(String),
}

impl ArchiveError {
    pub(crate) fn diverged(source: &Source, what: impl Into<String>) -> Self {
        Self::Diverged { source_partition: source.clone(), what: what.into() }
    }
}

impl From<ObjectError> for ArchiveError {
    /// No trouble of the object store stops the program: it lasts until somebody mends the store.
    fn from(error: ObjectError) -> Self {
        Self::Transient(error.to_string())
    }
}

impl From<LogError> for ArchiveError {
    fn from(error: LogError) -> Self {
        match error {
            LogError::Fatal(_) => Self::Fatal(error.to_string()),
            _ => Self::Transient(error.to_string()),
        }
    }
}

impl From<ShareError<Self>> for ArchiveError {
    fn from(error: ShareError<Self>) -> Self {
        match error {
            ShareError::Work(error) => error,
            other => Self::Fatal(other.to_string()),
        }
    }
}
