//! Connections that only read, each with its prepared statements.
//!
//! Brief work runs on the thread that asks: a look-up costs less than handing it over. It is stopped after a number of
//! steps of SQLite's machine, and is then done anew where it may take long: on a thread for blocking work, a few at a
//! time. So no shape of a question, and no size of a table, holds up the runtime.

use super::{failure, open};
use crate::StoreError;
use parking_lot::Mutex;
use rusqlite::Connection;
use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::sync::Semaphore;

/// Steps between two looks at the allowance. A step takes about 20 to 50 ns.
const STEPS: i32 = 4_000;
/// Brief work ends at the second look, so after between one and two times that many steps.
const BRIEF: u32 = 2;
/// So many long readings run at the same time.
const LONG_READINGS: usize = 4;
/// So long a long reading waits for its turn.
const TURN: Duration = Duration::from_secs(10);
/// So many connections are kept when nobody needs them.
const IDLE: usize = 32;

pub(super) struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Reader>>,
    turns: Semaphore,
}

struct Reader {
    connection: Connection,
    looks: Arc<Looks>,
}

#[derive(Default)]
struct Looks {
    taken: AtomicU32,
    allowed: AtomicU32,
}

impl Readers {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, idle: Mutex::default(), turns: Semaphore::new(LONG_READINGS) }
    }

    /// Work that is brief whatever the table holds, here and now.
    pub(super) fn point<T>(&self, doing: &str, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        self.run(doing, u32::MAX, work)?.map_err(|error| failure::failed(doing, &error))
    }

    /// Work that should be brief, here and now; `None` if it turned out to be long.
    pub(super) fn brief<T>(
        &self,
        doing: &str,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, StoreError> {
        match self.run(doing, BRIEF, work)? {
            Ok(done) => Ok(Some(done)),
            Err(error) if failure::interrupted(&error) => Ok(None),
            Err(error) => Err(failure::failed(doing, &error)),
        }
    }

    /// Work that may take long, on a thread where that is no harm.
    pub(super) async fn long<T: Send + 'static>(
        self: &Arc<Self>,
        doing: &'static str,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let turn = tokio::time::timeout(TURN, self.turns.acquire()).await;
        let Ok(Ok(_turn)) = turn else {
            return Err(StoreError::Transient(format!("{doing}: too many long readings at once; try again later")));
        };
        let readers = Arc::clone(self);
        let done = tokio::task::spawn_blocking(move || {
            readers.run(doing, u32::MAX, work)?.map_err(|error| failure::failed(doing, &error))
        });
        done.await.map_err(|error| StoreError::Fatal(format!("{doing}: {error}")))?
    }

    fn run<T>(
        &self,
        doing: &str,
        allowed: u32,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<rusqlite::Result<T>, StoreError> {
        let idle = self.idle.lock().pop();
        let reader = match idle {
            Some(reader) => reader,
            None => Reader::open(&self.path).map_err(|error| failure::failed(doing, &error))?,
        };
        reader.looks.allowed.store(allowed, Relaxed);
        reader.looks.taken.store(0, Relaxed);
        let done = work(&reader.connection);
        let mut idle = self.idle.lock();
        if idle.len() < IDLE {
            idle.push(reader);
        }
        Ok(done)
    }

    /// The file that is read.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Closes the connections that nobody uses.
    pub(super) fn close(&self) {
        self.idle.lock().clear();
    }
}

impl Reader {
    fn open(path: &Path) -> rusqlite::Result<Self> {
        let connection = open::reader(path)?;
        let looks = Arc::new(Looks::default());
        let look = Arc::clone(&looks);
        connection.progress_handler(
            STEPS,
            Some(move || look.taken.fetch_add(1, Relaxed).saturating_add(1) >= look.allowed.load(Relaxed)),
        )?;
        Ok(Self { connection, looks })
    }
}
