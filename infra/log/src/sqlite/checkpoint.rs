//! Checkpoints: from the WAL into the database, beside the writer.
//!
//! SQLite would run them inside a commit, which then takes as long as two fsyncs of megabytes. Here a thread with a
//! connection of its own copies what is committed while the writer goes on (a passive checkpoint). Only the writer can
//! make the WAL start over, because under load it is never quite copied: when the WAL has become long, the writer
//! copies the little that came since the last passive checkpoint and starts over (a restart checkpoint). The file of
//! the WAL keeps its length, so that commits overwrite and the file system has no growth to record.

use super::{Shared, error::is_refusal, file};
use rusqlite::Connection;
use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::JoinHandle,
    time::Duration,
};

/// Pages that the writer commits before a passive checkpoint.
const PASSIVE_PAGES: u64 = 1024;
/// Pages in the WAL from which the writer starts it over.
const RESTART_PAGES: u64 = 12 * 1024;
/// How long starting over waits for readers of the WAL, each of which takes a moment.
const READERS: Duration = Duration::from_millis(50);

/// The writer's side of the thread.
pub(super) struct Checkpoints {
    bell: SyncSender<()>,
    thread: JoinHandle<()>,
    progress: Arc<Progress>,
    pages: u64,
}

/// What the thread reports.
#[derive(Default)]
struct Progress {
    busy: AtomicBool,
    /// Pages in the WAL at the last passive checkpoint.
    pages: AtomicU64,
}

impl Checkpoints {
    /// Starts the thread.
    pub(super) fn start(dir: &Path, shared: Arc<Shared>) -> Result<Self, rusqlite::Error> {
        let connection = file::connect(dir)?;
        let progress = Arc::new(Progress::default());
        let (bell, rings) = sync_channel(1);
        let reports = progress.clone();
        let thread = std::thread::Builder::new()
            .name("log-checkpoints".to_owned())
            .spawn(move || copy(&connection, &rings, &reports, &shared))
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
        Ok(Self { bell, thread, progress, pages: 0 })
    }

    /// Called after each commit of about so many pages. An error is the end of the log.
    pub(super) fn committed(&mut self, connection: &Connection, pages: u64) -> Result<(), String> {
        self.pages += pages;
        if self.progress.busy.load(Ordering::Acquire) {
            return Ok(());
        }
        if self.progress.pages.load(Ordering::Acquire) >= RESTART_PAGES {
            self.progress.pages.store(0, Ordering::Release);
            self.pages = 0;
            let _ = connection.busy_timeout(READERS);
            let outcome = checkpoint(connection, "PRAGMA wal_checkpoint(RESTART)");
            let _ = connection.busy_timeout(file::BUSY);
            outcome?;
        } else if self.pages >= PASSIVE_PAGES {
            self.pages = 0;
            self.progress.busy.store(true, Ordering::Release);
            // The bell has room for one ring and the thread is idle. If it is gone, the log has failed already.
            let _ = self.bell.try_send(());
        }
        Ok(())
    }

    /// Ends the thread and empties the WAL.
    pub(super) fn finish(self, connection: &Connection) {
        self.abandon();
        if let Err(reason) = checkpoint(connection, "PRAGMA wal_checkpoint(TRUNCATE)") {
            tracing::warn!(log.reason = reason, "the last checkpoint failed; the next opening will recover");
        }
    }

    /// Ends the thread.
    pub(super) fn abandon(self) {
        drop(self.bell);
        if self.thread.join().is_err() {
            tracing::warn!("the thread of the checkpoints had panicked");
        }
    }
}

fn copy(connection: &Connection, rings: &Receiver<()>, progress: &Progress, shared: &Shared) {
    while rings.recv().is_ok() {
        match checkpoint(connection, "PRAGMA wal_checkpoint(PASSIVE)") {
            Ok(pages) => progress.pages.store(pages, Ordering::Release),
            Err(reason) => shared.fail(&reason),
        }
        progress.busy.store(false, Ordering::Release);
    }
}

/// Runs a checkpoint and answers the pages in the WAL. A full disk is no error: the WAL keeps what was not copied.
fn checkpoint(connection: &Connection, statement: &str) -> Result<u64, String> {
    match connection.query_row(statement, [], |row| row.get::<_, i64>(1)) {
        Ok(pages) => Ok(pages.max(0).cast_unsigned()),
        Err(error) if is_refusal(&error) => {
            tracing::warn!(log.reason = %error, "a checkpoint has to wait");
            Ok(0)
        }
        Err(error) => Err(format!("checkpoint failed: {error}")),
    }
}
