//! Why a log cannot be opened, and what a failed SQLite transaction means for those who wait for it.

use crate::LogError;
use rusqlite::ErrorCode;
use std::path::PathBuf;

/// Why a log cannot be opened; the message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process, or another part of this one, has it open.
    #[error("log in {dir} is in use by process {holder}: stop that process, or choose another directory")]
    Held {
        /// The directory.
        dir: PathBuf,
        /// The process id that the holder wrote down, or `unknown`.
        holder: String,
    },
    /// A newer program wrote it.
    #[error("log in {dir} has format {found}, this program knows formats up to {known}: use the newer program that wrote it")]
    Newer {
        /// The directory.
        dir: PathBuf,
        /// Its format.
        found: i64,
        /// The newest format that this program knows.
        known: i64,
    },
    /// The file is a database of something else.
    #[error("{dir}/log.db is not an event log: choose another directory")]
    Foreign {
        /// The directory.
        dir: PathBuf,
    },
    /// A log cannot have so many partitions.
    #[error("a log has 1 to {most} partitions, not {asked}: ask for fewer or more")]
    Partitions {
        /// What was asked for.
        asked: u32,
        /// The most there can be.
        most: u32,
    },
    /// The directory cannot be used.
    #[error("directory {dir} of the log cannot be used: {source}; check that it exists and may be written")]
    Directory {
        /// The directory.
        dir: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// SQLite cannot read or write the file.
    #[error("file {dir}/log.db cannot be opened: {source}; check the disk, or restore the log from a backup")]
    Database {
        /// The directory.
        dir: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
}

/// What became of a transaction that SQLite did not commit.
#[derive(Debug)]
pub(super) enum Failure {
    /// It was rolled back and the file is sound: the disk is full, or another program holds the file.
    Refused(String),
    /// It was not committed, and the file can no longer be trusted.
    Broken(String),
    /// The commit itself failed: after a restart the transaction may be there or not.
    Unknown(String),
}

impl Failure {
    /// What those who wait for the transaction are told.
    pub(super) fn answer(&self) -> LogError {
        match self {
            Self::Refused(why) => LogError::Transient(why.clone()),
            Self::Broken(why) => LogError::Fatal(why.clone()),
            Self::Unknown(why) => LogError::Ambiguous(why.clone()),
        }
    }

    /// Whether the log goes on; otherwise why not. It cannot if consumers have `seen` records that are not stored now.
    pub(super) fn verdict(self, seen: bool) -> Result<(), String> {
        match self {
            Self::Refused(why) if seen => Err(format!("records that consumers had already seen could not be stored: {why}")),
            Self::Refused(_) => Ok(()),
            Self::Broken(why) | Self::Unknown(why) => Err(why),
        }
    }
}

/// Whether SQLite refused without damage: the same transaction may succeed later, or a smaller one now.
pub(super) fn is_refusal(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::DiskFull
                | ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::OutOfMemory
                | ErrorCode::TooBig
        )
    )
}

/// What a reader is told about an error of SQLite.
pub(super) fn read_error(error: &rusqlite::Error) -> LogError {
    if is_refusal(error) { LogError::Transient(error.to_string()) } else { LogError::Fatal(error.to_string()) }
}
