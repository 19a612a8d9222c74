//! The embedded log: one SQLite file, one process, the guarantees of the port.
//!
//! A single thread (`writer`) changes the file; what waits in its `queue` is committed together with one fsync.
//! Live consumers are served from the `tail` of each partition in memory, older records by a few `readers`.
//! `groups` share partitions among the consumers of this process. It forgets what it is told to and expires
//! nothing by itself; it does not replicate, and a second process cannot open it.

mod checkpoint;
mod consumer;
mod error;
mod file;
mod group;
mod groups;
mod insert;
mod lock;
mod owner;
mod partition;
mod queue;
mod readers;
mod shared;
mod tail;
#[cfg(test)]
mod tests;
mod writer;

pub use error::OpenError;

use crate::{Append, Consumer, Durability, Log, LogError, Offset, Record, Source, Timeline, Transactional, meters::Meters};
use checkpoint::Checkpoints;
use consumer::Member;
use futures::future::BoxFuture;
use lock::DirectoryLock;
use owner::Owner;
use parking_lot::Mutex;
use partition::View;
use queue::{Entered, Request};
use readers::Wanted;
use shared::{Shared, answered, far};
use std::{path::Path, sync::Arc, thread::JoinHandle, time::Duration};
use tokio::{task::spawn_blocking, time::timeout_at};
use writer::Writer;

/// Partitions of a log for which nobody asked for another number.
const DEFAULT_PARTITIONS: u32 = 4;

/// An event log in a directory. Dropping it commits what waits and closes the file.
pub struct SqliteLog {
    shared: Arc<Shared>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl SqliteLog {
    /// Opens the log in `dir`, or makes one there with so many partitions; an existing log keeps its own number.
    /// Install the recorder of metrics before.
    pub fn open(dir: &Path, partitions: u32) -> Result<Self, OpenError> {
        Self::open_prepared(dir, partitions, |_| Ok(()))
    }

    /// As [`open`](Self::open), with four partitions when new.
    pub fn open_default(dir: &Path) -> Result<Self, OpenError> {
        Self::open(dir, DEFAULT_PARTITIONS)
    }

    /// Commits what waits and closes the file; afterwards every call is refused. An error says why the log had failed.
    pub async fn close(&self) -> Result<(), LogError> {
        self.shared.queue.close();
        self.shared.ended().await;
        let writer = self.writer.lock().take();
        if let Some(writer) = writer {
            // It has ended but for its last instructions.
            let _ = spawn_blocking(move || writer.join()).await;
        }
        self.shared.failure().map_or(Ok(()), |reason| Err(LogError::Fatal(reason)))
    }

    fn open_prepared(
        dir: &Path,
        partitions: u32,
        prepare: impl FnOnce(&rusqlite::Connection) -> rusqlite::Result<()>,
    ) -> Result<Self, OpenError> {
        let unusable = |source| OpenError::Directory { dir: dir.to_owned(), source };
        let broken = |source| OpenError::Database { dir: dir.to_owned(), source };
        std::fs::create_dir_all(dir).map_err(unusable)?;
        let lock = DirectoryLock::take(dir)?;
        let file::Contents { connection, timeline, partitions, topics, owners } = file::open(dir, partitions)?;
        prepare(&connection).map_err(broken)?;
        let shared = Arc::new(Shared::new(dir, timeline, partitions, topics));
        let checkpoints = Checkpoints::default();
        let writer = Writer { shared: shared.clone(), connection, owners, checkpoints, meters: Meters::new(), lock };
        let thread = std::thread::Builder::new().name("log-writer".to_owned()).spawn(move || writer.run()).map_err(unusable)?;
        Ok(Self { shared, writer: Mutex::new(Some(thread)) })
    }
}

impl Drop for SqliteLog {
    fn drop(&mut self) {
        self.shared.queue.close();
        if let Some(writer) = self.writer.lock().take() {
            // A panic of the writer was reported when it happened.
            let _ = writer.join();
        }
    }
}

impl Log for SqliteLog {
    fn timeline(&self) -> Timeline {
        self.shared.timeline
    }

    fn partitions(&self) -> u32 {
        self.shared.partitions
    }

    fn create_topics<'a>(&'a self, topics: &'a [&'a str]) -> BoxFuture<'a, Result<(), LogError>> {
        Box::pin(async move {
            if topics.iter().all(|topic| self.shared.has_topic(topic)) {
                return Ok(());
            }
            let names = topics.iter().map(ToString::to_string).collect();
            answered(self.shared.queue.ask(|answer| Request::CreateTopics { names, answer })?).await
        })
    }

    fn append(&self, records: Vec<Append>, durability: Durability) -> BoxFuture<'_, Result<Vec<Offset>, LogError>> {
        Box::pin(async move {
            let rows = self.shared.address(records)?;
            if rows.is_empty() {
                return Ok(Vec::new());
            }
            match self.shared.queue.append(rows, durability)? {
                Entered::Published(offsets) => Ok(offsets),
                Entered::Waiting(outcome) => answered(outcome).await,
            }
        })
    }

    fn transactional<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Box<dyn Transactional>, LogError>> {
        Box::pin(async move {
            let own = |answer| Request::Own { name: name.to_owned(), answer };
            let epoch = answered(self.shared.queue.ask(own)?).await?;
            Ok(Box::new(Owner::new(self.shared.clone(), name.into(), epoch)) as Box<dyn Transactional>)
        })
    }

    fn read<'a>(&'a self, source: &'a Source, from: Offset, max: usize) -> BoxFuture<'a, Result<Vec<Record>, LogError>> {
        Box::pin(async move {
            self.shared.check()?;
            let wanted = Wanted { from, max, most_bytes: usize::MAX };
            self.shared.read(&self.shared.partition(source)?, wanted, View::Committed).await
        })
    }

    fn end<'a>(&'a self, source: &'a Source) -> BoxFuture<'a, Result<Offset, LogError>> {
        Box::pin(async move {
            self.shared.check()?;
            Ok(self.shared.partition(source)?.end())
        })
    }

    fn offset_at<'a>(&'a self, source: &'a Source, time: i64) -> BoxFuture<'a, Result<Offset, LogError>> {
        Box::pin(async move {
            self.shared.check()?;
            let partition = self.shared.partition(source)?;
            match partition.offset_at(time) {
                Ok(offset) => Ok(offset),
                Err(until) => self.shared.readers.offset_at(&partition, time, until).await,
            }
        })
    }

    fn wait<'a>(&'a self, source: &'a Source, from: Offset, wait: Duration) -> BoxFuture<'a, Result<bool, LogError>> {
        Box::pin(async move {
            let partition = self.shared.partition(source)?;
            let mut end = partition.follow();
            let reached = end.wait_for(|end| *end > from || self.shared.check().is_err());
            let reached = timeout_at(far(wait), reached).await.is_ok();
            self.shared.check()?;
            Ok(reached)
        })
    }

    fn committed<'a>(&'a self, group: &'a str, source: &'a Source) -> BoxFuture<'a, Result<Option<Offset>, LogError>> {
        Box::pin(async move {
            self.shared.check()?;
            Ok(self.shared.partition(source)?.consumed(group))
        })
    }

    fn trim<'a>(&'a self, source: &'a Source, before: Offset) -> BoxFuture<'a, Result<bool, LogError>> {
        Box::pin(async move {
            let partition = self.shared.partition(source)?;
            // The last record stays: it says where the partition ends.
            let before = before.min(partition.end().saturating_sub(1));
            answered(self.shared.queue.ask(|answer| Request::Trim { partition, before, answer })?).await
        })
    }

    fn consume<'a>(&'a self, group: &'a str, topics: &'a [&'a str]) -> BoxFuture<'a, Result<Box<dyn Consumer>, LogError>> {
        Box::pin(async move {
            self.shared.check()?;
            Ok(Box::new(Member::join(self.shared.clone(), group, topics)?) as Box<dyn Consumer>)
        })
    }
}
