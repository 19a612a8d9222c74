//! What can go wrong for good; everything else is tried again.

use log::{ShareError, Source};

/// What the caller can do nothing about but stop.
#[derive(Debug, thiserror::Error)]
pub enum ConsumerError {
    /// Positions of a partition are not dense.
    #[error("{at}: position {expected} is missing, {found} follows: the log is damaged, see `swarmlog verify`")]
    Hole {
        /// The partition.
        at: Source,
        /// The position that should follow.
        expected: u64,
        /// The position that does.
        found: i64,
    },
    /// The table was filled from another history than the log's.
    #[error(
        "table `events` holds another history of {at} than this log: {detail}; stop, remove the analytics folder, and start: it is filled again from the log"
    )]
    Foreign {
        /// The partition.
        at: Source,
        /// How they differ.
        detail: String,
    },
    /// The log or a task failed.
    #[error("{0}")]
    Fatal(String),
}

impl From<ShareError<Self>> for ConsumerError {
    fn from(error: ShareError<Self>) -> Self {
        match error {
            ShareError::Work(error) => error,
            other => Self::Fatal(other.to_string()),
        }
    }
}
