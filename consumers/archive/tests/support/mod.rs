//! A scripted log, and what the tests of the archive share.
#![allow(clippy::unwrap_used, clippy::expect_used, dead_code, reason = "tests; not every test uses everything")]

use bytes::Bytes;
use futures::future::BoxFuture;
use log::{
    Append, Consumer, Durability, Log, LogError, Offset, Record, Source, Timeline, Transactional, conformance::Everything,
};
use objects::Objects;
use schemas::envelope::Envelope;
use service::{Lifecycle, Status};
use std::{
    collections::BTreeMap,
    future::Future,
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use swarmlog_consumer_archive::{ArchiveError, Archiver, Roll};
use tokio::{sync::Notify, task::JoinHandle};
use uuid::Uuid;

pub const TIMELINE: Uuid = Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0007);
pub const TOPIC: &str = "work.events";
/// No file ever waits for its age.
pub const PATIENT: Duration = Duration::from_secs(3600);

pub fn source(partition: u32) -> Source {
    Source { topic: TOPIC.into(), partition }
}

/// A log whose records the test decides. Only what the archive uses works.
#[derive(Debug)]
pub struct Scripted {
    partitions: u32,
    records: Mutex<BTreeMap<Source, Vec<Record>>>,
    appended: Notify,
}

impl Scripted {
    pub fn new(partitions: u32) -> Arc<Self> {
        Arc::new(Self { partitions, records: Mutex::default(), appended: Notify::new() })
    }

    /// Adds numbered records until the partition ends with `position`.
    pub fn fill_to(&self, partition: u32, position: u64) {
        let from = self.of(partition).iter().rev().find_map(position_of).unwrap_or(0);
        for position in from + 1..=position {
            self.push(partition, numbered(partition, position));
        }
    }

    /// Adds a record at the next offset but one: offsets have holes.
    pub fn push(&self, partition: u32, (envelope, payload): (Bytes, Bytes)) {
        let mut records = self.records.lock().unwrap();
        let records = records.entry(source(partition)).or_default();
        let offset = records.last().map_or(3, |last| last.offset + 2);
        let time = 1_760_000_000_000_000 + records.len() as i64;
        records.push(Record { offset, time, key: Bytes::from_static(b"default/job/1"), envelope, payload });
        self.appended.notify_waiters();
    }

    pub fn of(&self, partition: u32) -> Vec<Record> {
        self.records.lock().unwrap().get(&source(partition)).cloned().unwrap_or_default()
    }

    /// Changes the records behind the archive's back.
    pub fn rewrite(&self, partition: u32, change: impl FnOnce(&mut Vec<Record>)) {
        change(self.records.lock().unwrap().entry(source(partition)).or_default());
        self.appended.notify_waiters();
    }
}

pub fn position_of(record: &Record) -> Option<u64> {
    Envelope::decode(&record.envelope).ok().map(|envelope| envelope.position as u64)
}

/// Envelope and payload of the event with this position.
pub fn numbered(partition: u32, position: u64) -> (Bytes, Bytes) {
    let id = Uuid::from_u128(u128::from(partition) << 64 | u128::from(position));
    let envelope = Envelope {
        id,
        tenant: "default".to_owned(),
        aggregate_type: "job".to_owned(),
        aggregate_id: id.to_string(),
        seq: 1,
        position: position as i64,
        timeline: TIMELINE,
        r#type: "work.JobSubmitted".to_owned(),
        schema_id: 15,
        command_id: id,
        causation_id: id,
        correlation_id: id,
        traceparent: None,
        actor: "test".to_owned(),
        occurred_at: None,
        recorded_at: 0,
        expected_seq: -2,
        idempotent: false,
        body_hash: None,
    };
    let mut bytes = Vec::new();
    envelope.encode(&mut bytes).unwrap();
    (bytes.into(), Bytes::from(format!("payload {position} of partition {partition}")))
}

/// A record that nobody can read.
pub fn garbage() -> (Bytes, Bytes) {
    (Bytes::from_static(b"\xff\x00no envelope"), Bytes::from_static(b"\x00\x01"))
}

fn unscripted<T: Send + 'static>() -> BoxFuture<'static, Result<T, LogError>> {
    Box::pin(async { Err(LogError::Fatal("not in the script".to_owned())) })
}

impl Log for Scripted {
    fn timeline(&self) -> Timeline {
        Timeline(TIMELINE)
    }

    fn partitions(&self) -> u32 {
        self.partitions
    }

    fn create_topics<'a>(&'a self, _: &'a [&'a str]) -> BoxFuture<'a, Result<(), LogError>> {
        Box::pin(async { Ok(()) })
    }

    fn append(&self, _: Vec<Append>, _: Durability) -> BoxFuture<'_, Result<Vec<Offset>, LogError>> {
        unscripted()
    }

    fn transactional<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Box<dyn Transactional>, LogError>> {
        unscripted()
    }

    fn read<'a>(&'a self, source: &'a Source, from: Offset, max: usize) -> BoxFuture<'a, Result<Vec<Record>, LogError>> {
        let records = self.records.lock().unwrap();
        let records = records.get(source).map_or(&[][..], Vec::as_slice);
        let start = records.partition_point(|record| record.offset < from);
        let found = records[start..].iter().take(max).cloned().collect();
        Box::pin(async { Ok(found) })
    }

    fn end<'a>(&'a self, source: &'a Source) -> BoxFuture<'a, Result<Offset, LogError>> {
        let end = self.records.lock().unwrap().get(source).and_then(|r| r.last()).map_or(0, |last| last.offset + 1);
        Box::pin(async move { Ok(end) })
    }

    fn offset_at<'a>(&'a self, _: &'a Source, _: i64) -> BoxFuture<'a, Result<Offset, LogError>> {
        unscripted()
    }

    fn wait<'a>(&'a self, source: &'a Source, from: Offset, wait: Duration) -> BoxFuture<'a, Result<bool, LogError>> {
        Box::pin(async move {
            let appended = self.appended.notified();
            tokio::pin!(appended);
            appended.as_mut().enable();
            if self.end(source).await? <= from {
                let _ = tokio::time::timeout(wait, appended).await;
            }
            Ok(self.end(source).await? > from)
        })
    }

    fn committed<'a>(&'a self, _: &'a str, _: &'a Source) -> BoxFuture<'a, Result<Option<Offset>, LogError>> {
        unscripted()
    }

    fn consume<'a>(&'a self, _: &'a str, topics: &'a [&'a str]) -> BoxFuture<'a, Result<Box<dyn Consumer>, LogError>> {
        let everything = Everything::of(topics, self.partitions);
        Box::pin(async { Ok(Box::new(everything) as Box<dyn Consumer>) })
    }
}

/// An archiver that runs.
pub struct Running {
    pub lifecycle: Lifecycle,
    task: JoinHandle<Result<(), ArchiveError>>,
}

impl Running {
    pub fn start<L: Log>(log: &Arc<L>, objects: &Objects, roll: Roll) -> Self {
        let lifecycle = Lifecycle::new();
        let archiver = Archiver { log: log.clone(), objects: objects.clone(), roll };
        let task = tokio::spawn(archiver.run(lifecycle.clone()));
        Self { lifecycle, task }
    }

    /// Ends it in order, once it knows its partitions.
    pub async fn stop(self) {
        eventually("it has its partitions", || async { self.says("group archive") == Some(Status::Ready) }).await;
        self.lifecycle.shutdown().cancel();
        let ended = tokio::time::timeout(Duration::from_secs(30), self.task).await.expect("the archiver ends when asked to");
        assert_eq!(ended.unwrap(), Ok(()));
    }

    /// Ends it in the middle of whatever it does.
    pub async fn kill(self) {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
    }

    pub fn status(&self) -> Status {
        self.says("archive").unwrap_or(Status::Starting)
    }

    /// Whether it has any.
    pub fn has_partitions(&self) -> bool {
        self.says("archive").is_some()
    }

    fn says(&self, component: &str) -> Option<Status> {
        self.lifecycle.health().statuses().into_iter().find_map(|(name, status)| (name == component).then_some(status))
    }
}

pub fn directory(path: &Path) -> Objects {
    Objects::directory(&path.join("objects")).unwrap()
}

/// Waits until `condition` holds.
pub async fn eventually<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) {
    let until = Instant::now() + Duration::from_secs(30);
    while !condition().await {
        assert!(Instant::now() < until, "waited 30 s until {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Everything in the archive of a partition is what the log has, byte by byte; answers the positions and file sizes.
pub async fn read_back(log: &Scripted, objects: &Objects, partition: u32) -> (Vec<u64>, Vec<u64>) {
    let source = source(partition);
    let expected = log.of(partition);
    let mut positions = Vec::new();
    let mut sizes = Vec::new();
    for file in swarmlog_consumer_archive::files(objects, TIMELINE, &source).await.unwrap() {
        let records = swarmlog_consumer_archive::records(objects, &file).await.unwrap();
        sizes.push(records.len() as u64);
        for record in records {
            let original = &expected[positions.len()];
            assert_eq!(
                (record.offset, record.time, &record.key, &record.envelope, &record.payload),
                (original.offset, original.time, &original.key, &original.envelope, &original.payload)
            );
            positions.push(record.position);
        }
    }
    (positions, sizes)
}
