//! The write-ahead log of the database: how long it is, and when it is carried into the database file.
//!
//! SQLite would do it inside a commit and hide a failure. Here the writer does it between two commits, after the
//! callers have their answers, and sees what goes wrong.

use rusqlite::Connection;
use std::cell::Cell;

/// From so many pages of 4 KiB on, the log is carried over. A page that changes again before then is carried once, which
/// halves the work where keys are scattered.
const PAGES: i32 = 16_384;
/// From so many pages on, readers have kept it from starting anew for long: wait for them.
const TOO_MANY: i32 = 4 * PAGES;

thread_local! {
    /// Pages in the log after the last commit of this thread, which is the only one that commits.
    static LENGTH: Cell<i32> = const { Cell::new(0) };
}

/// Notes the length of the log at every commit, instead of carrying it over there.
pub(super) fn watch(connection: &Connection) {
    connection.wal_hook(Some(|_, pages| {
        LENGTH.set(pages);
        Ok(())
    }));
}

/// Carries the log over if it has become long.
pub(super) fn tend(connection: &Connection) -> rusqlite::Result<()> {
    let length = LENGTH.get();
    if length < PAGES {
        return Ok(());
    }
    LENGTH.set(0);
    let mode = if length < TOO_MANY { "PASSIVE" } else { "RESTART" };
    let mut statement = connection.prepare_cached(&format!("PRAGMA wal_checkpoint({mode})"))?;
    statement.query_row([], |_| Ok(()))
}
