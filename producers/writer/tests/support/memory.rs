//! A log in memory. Like Kafka's, its transactions leave gaps in the offsets; commits and assignments go wrong on demand.

use futures::future::BoxFuture;
use log::{Append, Consumer, Delivery, Durability, Log, LogError, Offset, Record, Source, Timeline, Transaction, Transactional};
use parking_lot::Mutex;
use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};
use tokio::sync::watch;
use uuid::Uuid;

/// What the next commit meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing happens, and the writer is told so.
    Transient,
    /// It is committed, but nobody is told.
    LostAnswer,
    /// It is not committed, and nobody is told.
    LostRequest,
    /// A newer owner shows up.
    Fenced,
}

#[derive(Default)]
struct Inner {
    records: HashMap<Source, (Offset, Vec<Record>)>,
    committed: HashMap<(String, Source), Offset>,
    epochs: HashMap<String, u64>,
    faults: VecDeque<Fault>,
    read_faults: usize,
    commits: u64,
}

/// The log. Clones share it.
#[derive(Clone)]
pub struct MemoryLog {
    inner: Arc<Mutex<Inner>>,
    changed: Arc<watch::Sender<u64>>,
    partitions: u32,
}

impl MemoryLog {
    pub fn new(partitions: u32) -> Self {
        Self { inner: Arc::default(), changed: Arc::new(watch::channel(0).0), partitions }
    }

    /// The next commits meet these, in order.
    pub fn fail(&self, faults: impl IntoIterator<Item = Fault>) {
        self.inner.lock().faults.extend(faults);
    }

    /// So many reads fail first.
    pub fn fail_reads(&self, count: usize) {
        self.inner.lock().read_faults = count;
    }

    pub fn faults_left(&self) -> usize {
        self.inner.lock().faults.len()
    }

    pub fn commits(&self) -> u64 {
        self.inner.lock().commits
    }

    pub fn epoch(&self, name: &str) -> u64 {
        self.inner.lock().epochs.get(name).copied().unwrap_or(0)
    }

    /// Everything in a partition.
    pub fn all(&self, topic: &str, partition: u32) -> Vec<Record> {
        let source = Source { topic: topic.into(), partition };
        self.inner.lock().records.get(&source).map(|(_, records)| records.clone()).unwrap_or_default()
    }

    /// Forgets what a group committed.
    pub fn forget_committed(&self) {
        self.inner.lock().committed.clear();
    }

    /// Empties a topic; its offsets go on.
    pub fn truncate(&self, topic: &str) {
        for (source, (_, records)) in &mut self.inner.lock().records {
            if &*source.topic == topic {
                records.clear();
            }
        }
    }

    /// Loses the last records of a partition, as a broker may that crashed.
    pub fn lose(&self, topic: &str, partition: u32, count: usize) {
        let source = Source { topic: topic.into(), partition };
        if let Some((next, records)) = self.inner.lock().records.get_mut(&source) {
            records.truncate(records.len().saturating_sub(count));
            *next = records.last().map_or(0, |last| last.offset + 1);
        }
    }

    /// Changes what is stored.
    pub fn tamper(&self, topic: &str, partition: u32, change: impl FnOnce(&mut Vec<Record>)) {
        let source = Source { topic: topic.into(), partition };
        if let Some((_, records)) = self.inner.lock().records.get_mut(&source) {
            change(records);
        }
    }

    pub fn append_now(&self, records: Vec<Append>) -> Vec<Offset> {
        let offsets = self.inner.lock().append(records);
        self.changed.send_modify(|version| *version += 1);
        offsets
    }
}

impl Inner {
    fn append(&mut self, records: Vec<Append>) -> Vec<Offset> {
        let mut offsets = Vec::new();
        for Append { source, key, envelope, payload, time } in records {
            let (next, stored) = self.records.entry(source).or_default();
            let time = stored.last().map_or(time, |last: &Record| last.time.max(time));
            stored.push(Record { offset: *next, time, key, envelope, payload });
            offsets.push(*next);
            *next += 1;
        }
        offsets
    }

    fn read(&self, source: &Source, from: Offset, max: usize) -> Vec<Record> {
        let Some((_, records)) = self.records.get(source) else { return Vec::new() };
        let start = records.partition_point(|record| record.offset < from);
        records.iter().skip(start).take(max).cloned().collect()
    }

    fn commit(&mut self, transaction: Transaction) -> Vec<Offset> {
        let mut touched: Vec<Source> = transaction.append.iter().map(|append| append.source.clone()).collect();
        let offsets = self.append(transaction.append);
        touched.sort();
        touched.dedup();
        for source in touched {
            // The mark of a transaction takes an offset too.
            self.records.entry(source).or_default().0 += 1;
        }
        for consumed in transaction.consumed {
            self.committed.insert((consumed.group.to_string(), consumed.source), consumed.next);
        }
        self.commits += 1;
        offsets
    }
}

impl Log for MemoryLog {
    fn timeline(&self) -> Timeline {
        Timeline(Uuid::from_u128(1))
    }

    fn partitions(&self) -> u32 {
        self.partitions
    }

    fn create_topics<'a>(&'a self, _: &'a [&'a str]) -> BoxFuture<'a, Result<(), LogError>> {
        Box::pin(async { Ok(()) })
    }

    fn append(&self, records: Vec<Append>, _: Durability) -> BoxFuture<'_, Result<Vec<Offset>, LogError>> {
        Box::pin(async { Ok(self.append_now(records)) })
    }

    fn transactional<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Box<dyn Transactional>, LogError>> {
        Box::pin(async move {
            let mut inner = self.inner.lock();
            let epoch = inner.epochs.entry(name.to_owned()).or_default();
            *epoch += 1;
            Ok(Box::new(Owner { log: self.clone(), name: name.to_owned(), epoch: *epoch }) as Box<dyn Transactional>)
        })
    }

    fn read<'a>(&'a self, source: &'a Source, from: Offset, max: usize) -> BoxFuture<'a, Result<Vec<Record>, LogError>> {
        Box::pin(async move {
            let mut inner = self.inner.lock();
            if inner.read_faults > 0 {
                inner.read_faults -= 1;
                return Err(LogError::Transient("reads fail for now".into()));
            }
            Ok(inner.read(source, from, max))
        })
    }

    fn end<'a>(&'a self, source: &'a Source) -> BoxFuture<'a, Result<Offset, LogError>> {
        Box::pin(async move { Ok(self.inner.lock().records.get(source).map_or(0, |(next, _)| *next)) })
    }

    fn offset_at<'a>(&'a self, source: &'a Source, time: i64) -> BoxFuture<'a, Result<Offset, LogError>> {
        Box::pin(async move {
            let inner = self.inner.lock();
            let Some((next, records)) = inner.records.get(source) else { return Ok(0) };
            Ok(records.iter().find(|record| record.time >= time).map_or(*next, |record| record.offset))
        })
    }

    fn wait<'a>(&'a self, source: &'a Source, from: Offset, wait: Duration) -> BoxFuture<'a, Result<bool, LogError>> {
        Box::pin(async move {
            let mut changed = self.changed.subscribe();
            let has = || self.inner.lock().records.get(source).is_some_and(|(next, _)| *next > from);
            Ok(tokio::time::timeout(wait, changed.wait_for(|_| has())).await.is_ok())
        })
    }

    fn committed<'a>(&'a self, group: &'a str, source: &'a Source) -> BoxFuture<'a, Result<Option<Offset>, LogError>> {
        Box::pin(async move { Ok(self.inner.lock().committed.get(&(group.to_owned(), source.clone())).copied()) })
    }

    fn trim<'a>(&'a self, source: &'a Source, before: Offset) -> BoxFuture<'a, Result<bool, LogError>> {
        Box::pin(async move {
            self.tamper(&source.topic, source.partition, |records| records.retain(|record| record.offset >= before));
            Ok(true)
        })
    }

    /// Every consumer gets every partition, whoever else has it: a group that cannot be trusted.
    fn consume<'a>(&'a self, _: &'a str, topics: &'a [&'a str]) -> BoxFuture<'a, Result<Box<dyn Consumer>, LogError>> {
        Box::pin(async move {
            let sources = topics
                .iter()
                .flat_map(|topic| (0..self.partitions).map(move |partition| Source { topic: (*topic).into(), partition }));
            let assigned = VecDeque::from([Delivery::Assigned(sources.collect())]);
            let consumer = Member { log: self.clone(), told: assigned, places: Vec::new() };
            Ok(Box::new(consumer) as Box<dyn Consumer>)
        })
    }
}

struct Owner {
    log: MemoryLog,
    name: String,
    epoch: u64,
}

impl Transactional for Owner {
    fn epoch(&self) -> u64 {
        self.epoch
    }

    fn commit(&mut self, transaction: Transaction) -> BoxFuture<'_, Result<Vec<Offset>, LogError>> {
        Box::pin(async move {
            let answer = {
                let mut inner = self.log.inner.lock();
                let newest = inner.epochs.get(&self.name).copied().unwrap_or(0);
                let fenced = |epoch| Err(LogError::Fenced { name: self.name.clone(), epoch });
                if newest != self.epoch {
                    return fenced(newest);
                }
                match inner.faults.pop_front() {
                    None => Ok(inner.commit(transaction)),
                    Some(Fault::Transient) => Err(LogError::Transient("a fault was ordered".into())),
                    Some(Fault::LostRequest) => Err(LogError::Ambiguous("the request was lost".into())),
                    Some(Fault::LostAnswer) => {
                        inner.commit(transaction);
                        Err(LogError::Ambiguous("the answer was lost".into()))
                    }
                    Some(Fault::Fenced) => fenced(newest),
                }
            };
            self.log.changed.send_modify(|version| *version += 1);
            answer
        })
    }
}

struct Member {
    log: MemoryLog,
    told: VecDeque<Delivery>,
    places: Vec<(Source, Offset)>,
}

impl Consumer for Member {
    fn next(&mut self, max: usize, wait: Duration) -> BoxFuture<'_, Result<Delivery, LogError>> {
        Box::pin(async move {
            if let Some(delivery) = self.told.pop_front() {
                return Ok(delivery);
            }
            let mut changed = self.log.changed.subscribe();
            let end = tokio::time::Instant::now() + wait;
            loop {
                changed.mark_unchanged();
                // Whoever was served last comes last.
                for place in 0..self.places.len() {
                    let (source, from) = self.places[place].clone();
                    let records = self.log.inner.lock().read(&source, from, max);
                    if let Some(last) = records.last() {
                        self.places.remove(place);
                        self.places.push((source.clone(), last.offset + 1));
                        return Ok(Delivery::Records(source, records));
                    }
                }
                if tokio::time::timeout_at(end, changed.changed()).await.is_err() {
                    return Ok(Delivery::Idle);
                }
            }
        })
    }

    fn seek(&mut self, source: &Source, from: Offset) {
        self.places.retain(|(known, _)| known != source);
        self.places.push((source.clone(), from));
    }
}
