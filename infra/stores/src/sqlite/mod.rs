//! The embedded store: one SQLite file, one thread that writes, readers that never wait for it.
//!
//! Enters: writes with the positions they come from. Leaves: rows. Promised: rows, parked records and positions of a
//! write are stored together or not at all, whatever kills the process; who reads sees whole writes only. The file is
//! not flushed at every commit: after a loss of power it may stand a little behind, rows and positions together, and
//! is carried on from the log. Not done: anything for a second process; the directory belongs to one.

mod apply;
mod catalog;
mod failure;
mod life;
mod meta;
mod open;
mod readers;
mod reading;
mod snapshot;
mod statements;
mod values;
mod wal;
mod writer;

#[cfg(test)]
mod tests;

pub use open::OpenError;

use crate::{Answer, Generation, ParkedRecord, Query, Scan, Snapshot, Store, StoreError, Write};
use catalog::Catalog;
use readers::Readers;
use schemas::row::{Table, Value};
use std::{
    collections::BTreeMap,
    fs::File,
    path::Path,
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant},
};
use tokio::sync::{mpsc, oneshot};
use writer::{Job, QUEUE, Reply, Writer};

/// So long a write waits for a place in the queue.
const PLACE: Duration = Duration::from_secs(10);
/// So long it may take once it has one.
const OUTCOME: Duration = Duration::from_secs(120);
/// So often a wait for a position looks again.
const RECHECK: Duration = Duration::from_millis(250);

/// The embedded store. One per directory.
pub struct SqliteStore {
    catalog: Arc<Catalog>,
    readers: Arc<Readers>,
    jobs: Option<mpsc::Sender<Job>>,
    writer: Option<JoinHandle<()>>,
    /// Held until everything else is closed.
    _lock: File,
}

impl SqliteStore {
    /// Opens the store in `dir`, which is made if there is none.
    pub fn open(dir: &Path) -> Result<Self, OpenError> {
        let lock = open::lock(dir)?;
        let path = dir.join("store.db");
        let connection = open::writer(&path)?;
        let known = meta::generations(&connection)
            .map_err(|error| OpenError::Unreadable { path: path.clone(), reason: error.to_string() })?;
        let catalog = Arc::new(Catalog::default());
        for held in known {
            catalog.add(held);
        }
        let (jobs, queue) = mpsc::channel(QUEUE);
        let writer = Writer::new(connection, Arc::clone(&catalog));
        let writer = std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || writer.run(queue))
            .map_err(|source| OpenError::Io { path: path.clone(), source })?;
        let readers = Arc::new(Readers::new(path));
        Ok(Self { catalog, readers, jobs: Some(jobs), writer: Some(writer), _lock: lock })
    }

    /// Has the writer do something; whether the caller still waits makes no difference to it.
    async fn order<T>(&self, job: impl FnOnce(Reply<T>) -> Job) -> Result<T, StoreError> {
        let ended = || StoreError::Fatal("the store's writer has ended".to_owned());
        let jobs = self.jobs.as_ref().ok_or_else(ended)?;
        let place = tokio::time::timeout(PLACE, jobs.reserve()).await;
        let Ok(place) = place else {
            return Err(StoreError::Transient("the queue of the writer stayed full; try again later".to_owned()));
        };
        let (reply, outcome) = oneshot::channel();
        place.map_err(|_| ended())?.send(job(reply));
        match tokio::time::timeout(OUTCOME, outcome).await {
            Ok(outcome) => outcome.map_err(|_| ended())?,
            Err(_) => Err(StoreError::Fatal(format!(
                "a transaction took longer than {} s; the positions say whether it was committed",
                OUTCOME.as_secs()
            ))),
        }
    }

    async fn reach(&self, name: &str, topic: &str, partition: u32, position: u64, wait: Duration) -> Result<bool, StoreError> {
        let deadline = Instant::now() + wait;
        loop {
            let held = self.catalog.live(name)?;
            let mut moved = held.watch();
            if held.position(topic, partition).0 >= position {
                return Ok(true);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(false);
            }
            // A notification that never comes costs one round.
            let _ = tokio::time::timeout(left.min(RECHECK), moved.changed()).await;
        }
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        // The writer closes last: whoever closes last tidies the files.
        self.readers.close();
        self.jobs = None;
        if let Some(writer) = self.writer.take()
            && writer.join().is_err()
        {
            tracing::error!("the store's writer panicked");
        }
    }
}

impl Store for SqliteStore {
    fn generations<'a>(&'a self, name: &'a str) -> Answer<'a, Vec<Generation>> {
        Box::pin(async move { Ok(self.catalog.named(name).iter().map(|held| held.describe()).collect()) })
    }

    fn create<'a>(&'a self, table: &'a Table, version: u32) -> Answer<'a, Generation> {
        Box::pin(self.order(move |reply| Job::Create(*table, version, reply)))
    }

    fn switch<'a>(&'a self, generation: u64, note: &'a str) -> Answer<'a, ()> {
        Box::pin(self.order(move |reply| Job::Switch(generation, note.to_owned(), reply)))
    }

    fn discard(&self, generation: u64) -> Answer<'_, ()> {
        Box::pin(self.order(move |reply| Job::Discard(generation, reply)))
    }

    fn positions(&self, generation: u64) -> Answer<'_, BTreeMap<(String, u32), (u64, u64)>> {
        Box::pin(async move { Ok(self.catalog.get(generation)?.positions()) })
    }

    fn load<'a>(&'a self, generation: u64, keys: &'a [Vec<Value>]) -> Answer<'a, Vec<Option<Vec<Value>>>> {
        Box::pin(self.load_rows(generation, keys))
    }

    fn write(&self, write: Write) -> Answer<'_, ()> {
        Box::pin(self.order(move |reply| Job::Write(write, reply)))
    }

    fn parked_aggregates(&self, generation: u64) -> Answer<'_, Vec<String>> {
        Box::pin(self.parked_aggregates_of(generation))
    }

    fn parked(&self, limit: usize) -> Answer<'_, Vec<(String, ParkedRecord)>> {
        Box::pin(self.parked_records(limit))
    }

    fn get<'a>(&'a self, table: &'a Table, tenant: &'a str, key: &'a [Value]) -> Answer<'a, Option<Vec<Value>>> {
        Box::pin(async move { self.get_row(table, tenant, key) })
    }

    fn query<'a>(&'a self, query: &'a Query) -> Answer<'a, Vec<Vec<Value>>> {
        Box::pin(self.query_rows(query))
    }

    fn scan(&self, generation: u64) -> Answer<'_, Scan> {
        Box::pin(self.scan_rows(generation))
    }

    fn snapshot(&self, generation: u64) -> Answer<'_, Box<dyn Snapshot>> {
        Box::pin(async move { Ok(Box::new(self.snapshot_of(generation).await?) as Box<dyn Snapshot>) })
    }

    fn reached<'a>(&'a self, name: &'a str, topic: &'a str, partition: u32, position: u64, wait: Duration) -> Answer<'a, bool> {
        Box::pin(self.reach(name, topic, partition, position, wait))
    }
}
