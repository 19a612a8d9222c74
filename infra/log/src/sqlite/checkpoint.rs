//! Checkpoints: from the WAL into the database.
//!
//! SQLite would run one inside a commit, whoever waits for it. The writer runs them itself, after it has answered:
//! early when nobody waits, late when somebody does. A thread of its own for them was tried on a busy machine; what
//! it gained, if anything, was less than the noise of the disk. The WAL keeps its length, so that later commits
//! overwrite it. A reader that holds on to the WAL lets it grow; then a checkpoint waits a moment for readers.

use super::{error::is_refusal, file};
use rusqlite::Connection;
use std::time::Duration;

/// Pages committed before a checkpoint when nobody waits: four mebibytes.
const EARLY_PAGES: u64 = 1024;
/// Pages committed before a checkpoint in any case.
const LATE_PAGES: u64 = 4 * EARLY_PAGES;
/// Pages in the WAL from which a checkpoint waits for readers, so that the WAL starts over.
const LONG_PAGES: u64 = 16 * EARLY_PAGES;
/// How long it waits for them; each reads for a moment only.
const READERS: Duration = Duration::from_millis(50);

/// What there is to copy.
#[derive(Default)]
pub(super) struct Checkpoints {
    /// Pages committed since the last checkpoint.
    committed: u64,
    /// Pages in the WAL at the last checkpoint.
    in_wal: u64,
}

impl Checkpoints {
    /// Called after each commit of about so many pages. An error is the end of the log.
    pub(super) fn committed(&mut self, connection: &Connection, pages: u64, idle: bool) -> Result<(), String> {
        self.committed += pages;
        if self.committed < if idle { EARLY_PAGES } else { LATE_PAGES } {
            return Ok(());
        }
        self.committed = 0;
        if self.in_wal < LONG_PAGES {
            self.in_wal = run(connection, "PASSIVE")?;
            return Ok(());
        }
        let patient = |patience| connection.busy_timeout(patience).map_err(|error| error.to_string());
        patient(READERS)?;
        self.in_wal = run(connection, "RESTART")?;
        patient(file::BUSY)
    }

    /// Empties the WAL.
    pub(super) fn finish(connection: &Connection) {
        if let Err(reason) = run(connection, "TRUNCATE") {
            tracing::warn!(log.reason = reason, "the last checkpoint failed; the next opening will recover");
        }
    }
}

/// Runs a checkpoint and answers the pages in the WAL. A full disk is no error: the WAL keeps what was not copied.
fn run(connection: &Connection, mode: &str) -> Result<u64, String> {
    match connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| row.get::<_, i64>(1)) {
        Ok(pages) => Ok(pages.max(0).cast_unsigned()),
        Err(error) if is_refusal(&error) => {
            tracing::warn!(log.reason = %error, "a checkpoint has to wait");
            Ok(0)
        }
        Err(error) => Err(format!("checkpoint failed: {error}")),
    }
}
