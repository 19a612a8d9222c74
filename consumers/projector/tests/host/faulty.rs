//! The log and the store with errors put in between. Everything that is not told to fail is passed on.

use futures::future::BoxFuture;
use log::{Append, Consumer, Durability, Log, LogError, Offset, Record, Source, Timeline, Transactional};
use schemas::row::{Table, Value};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};
use stores::{Answer, Generation, ParkedRecord, Query, Scan, Snapshot, Store, StoreError, Write};
use tokio::sync::RwLock;

/// What becomes of a write.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fault {
    /// It does not happen.
    Away,
    /// It happens, and nobody hears of it.
    Unanswered,
    /// Somebody says that the position was moved.
    Stale,
}

pub struct FaultyStore {
    inner: Arc<dyn Store>,
    writes: Mutex<VecDeque<Fault>>,
    /// Stored offsets are answered as 0.
    pub forgets_offsets: AtomicBool,
    /// Where a test makes calls wait.
    pub writing: Gate,
    pub scanning: Gate,
}

/// Lets calls through, unless a test holds it.
#[derive(Default)]
pub struct Gate {
    pub hold: RwLock<()>,
    /// Calls that have come to it.
    pub come: AtomicUsize,
}

impl Gate {
    async fn pass(&self) {
        self.come.fetch_add(1, Ordering::SeqCst);
        drop(self.hold.read().await);
    }
}

impl FaultyStore {
    pub fn new(inner: Arc<dyn Store>) -> Self {
        let (writes, forgets_offsets) = Default::default();
        Self { inner, writes, forgets_offsets, writing: Gate::default(), scanning: Gate::default() }
    }

    /// Faults of the next writes.
    pub fn fail(&self, faults: impl IntoIterator<Item = Fault>) {
        self.writes.lock().unwrap().extend(faults);
    }

    pub fn faults_left(&self) -> usize {
        self.writes.lock().unwrap().len()
    }
}

impl Store for FaultyStore {
    fn generations<'a>(&'a self, name: &'a str) -> Answer<'a, Vec<Generation>> {
        self.inner.generations(name)
    }
    fn create<'a>(&'a self, table: &'a Table, version: u32) -> Answer<'a, Generation> {
        self.inner.create(table, version)
    }
    fn switch<'a>(&'a self, generation: u64, note: &'a str) -> Answer<'a, ()> {
        self.inner.switch(generation, note)
    }
    fn discard(&self, generation: u64) -> Answer<'_, ()> {
        self.inner.discard(generation)
    }
    fn positions(&self, generation: u64) -> Answer<'_, BTreeMap<(String, u32), (u64, u64)>> {
        Box::pin(async move {
            let mut positions = self.inner.positions(generation).await?;
            if self.forgets_offsets.load(Ordering::SeqCst) {
                positions.values_mut().for_each(|(_, next)| *next = 0);
            }
            Ok(positions)
        })
    }
    fn load<'a>(&'a self, generation: u64, keys: &'a [Vec<Value>]) -> Answer<'a, Vec<Option<Vec<Value>>>> {
        self.inner.load(generation, keys)
    }
    fn write(&self, write: Write) -> Answer<'_, ()> {
        Box::pin(async move {
            self.writing.pass().await;
            let fault = self.writes.lock().unwrap().pop_front();
            match fault {
                None => self.inner.write(write).await,
                Some(Fault::Away) => Err(StoreError::Transient("the store is away".into())),
                Some(Fault::Unanswered) => {
                    self.inner.write(write).await?;
                    Err(StoreError::Transient("the answer was lost".into()))
                }
                Some(Fault::Stale) => {
                    let (generation, source_name) = (write.generation, "work.events/0".into());
                    Err(StoreError::Stale { generation, source_name, stored: 2, expected: 1 })
                }
            }
        })
    }
    fn parked_aggregates(&self, generation: u64) -> Answer<'_, Vec<String>> {
        self.inner.parked_aggregates(generation)
    }
    fn parked(&self, limit: usize) -> Answer<'_, Vec<(String, ParkedRecord)>> {
        self.inner.parked(limit)
    }
    fn get<'a>(&'a self, table: &'a Table, tenant: &'a str, key: &'a [Value]) -> Answer<'a, Option<Vec<Value>>> {
        self.inner.get(table, tenant, key)
    }
    fn query<'a>(&'a self, query: &'a Query) -> Answer<'a, Vec<Vec<Value>>> {
        self.inner.query(query)
    }
    fn scan(&self, generation: u64) -> Answer<'_, Scan> {
        Box::pin(async move {
            self.scanning.pass().await;
            self.inner.scan(generation).await
        })
    }
    fn snapshot(&self, generation: u64) -> Answer<'_, Box<dyn Snapshot>> {
        self.inner.snapshot(generation)
    }
    fn reached<'a>(&'a self, name: &'a str, topic: &'a str, partition: u32, position: u64, wait: Duration) -> Answer<'a, bool> {
        self.inner.reached(name, topic, partition, position, wait)
    }
}

pub struct FaultyLog {
    inner: Arc<dyn Log>,
    /// So many reads fail.
    pub reads_to_fail: AtomicUsize,
    /// Whoever reads this topic finds nothing.
    pub hides: Mutex<Option<&'static str>>,
}

impl FaultyLog {
    pub fn new(inner: Arc<dyn Log>) -> Self {
        Self { inner, reads_to_fail: AtomicUsize::new(0), hides: Mutex::new(None) }
    }

    fn is_hidden(&self, source: &Source) -> bool {
        *self.hides.lock().unwrap() == Some(&*source.topic)
    }
}

impl Log for FaultyLog {
    fn timeline(&self) -> Timeline {
        self.inner.timeline()
    }
    fn partitions(&self) -> u32 {
        self.inner.partitions()
    }
    fn create_topics<'a>(&'a self, topics: &'a [&'a str]) -> BoxFuture<'a, Result<(), LogError>> {
        self.inner.create_topics(topics)
    }
    fn append(&self, records: Vec<Append>, durability: Durability) -> BoxFuture<'_, Result<Vec<Offset>, LogError>> {
        self.inner.append(records, durability)
    }
    fn transactional<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Box<dyn Transactional>, LogError>> {
        self.inner.transactional(name)
    }
    fn read<'a>(&'a self, source: &'a Source, from: Offset, max: usize) -> BoxFuture<'a, Result<Vec<Record>, LogError>> {
        let fails = self.reads_to_fail.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        if fails {
            return Box::pin(async { Err(LogError::Transient("the log is away".into())) });
        }
        if self.is_hidden(source) {
            return Box::pin(async { Ok(Vec::new()) });
        }
        self.inner.read(source, from, max)
    }
    fn end<'a>(&'a self, source: &'a Source) -> BoxFuture<'a, Result<Offset, LogError>> {
        self.inner.end(source)
    }
    fn offset_at<'a>(&'a self, source: &'a Source, time: i64) -> BoxFuture<'a, Result<Offset, LogError>> {
        self.inner.offset_at(source, time)
    }
    fn wait<'a>(&'a self, source: &'a Source, from: Offset, wait: Duration) -> BoxFuture<'a, Result<bool, LogError>> {
        if self.is_hidden(source) {
            return Box::pin(async move {
                tokio::time::sleep(wait).await;
                Ok(false)
            });
        }
        self.inner.wait(source, from, wait)
    }
    fn committed<'a>(&'a self, group: &'a str, source: &'a Source) -> BoxFuture<'a, Result<Option<Offset>, LogError>> {
        self.inner.committed(group, source)
    }
    fn consume<'a>(&'a self, group: &'a str, topics: &'a [&'a str]) -> BoxFuture<'a, Result<Box<dyn Consumer>, LogError>> {
        self.inner.consume(group, topics)
    }
}
