//! What callers, the writer thread and consumers share.

use super::{
    groups::Groups,
    partition::{Addressed, Partition, Partitions, Span, Standing, View},
    queue::Queue,
    readers::{Readers, Wanted},
};
use crate::{Append, LogError, Record, Source, Timeline};
use parking_lot::RwLock;
use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, OnceLock},
    time::Duration,
};
use tokio::{
    sync::{oneshot, watch},
    time::{Instant, timeout},
};

/// How long a caller waits for the writer: far longer than any sound disk takes.
const ANSWER: Duration = Duration::from_secs(30);

type Topics = HashMap<Arc<str>, Partitions>;

/// The log as all threads see it.
pub(super) struct Shared {
    pub timeline: Timeline,
    pub partitions: u32,
    pub queue: Queue,
    pub readers: Readers,
    pub groups: Groups,
    topics: RwLock<Topics>,
    /// Why the log failed.
    failure: OnceLock<String>,
    /// Whether the writer thread has ended.
    ended: watch::Sender<bool>,
}

impl Shared {
    pub(super) fn new(dir: &Path, timeline: Timeline, partitions: u32, topics: Vec<(Arc<str>, Partitions)>) -> Self {
        Self {
            timeline,
            partitions,
            queue: Queue::new(),
            readers: Readers::new(dir.to_owned()),
            groups: Groups::default(),
            topics: RwLock::new(topics.into_iter().collect()),
            failure: OnceLock::new(),
            ended: watch::Sender::new(false),
        }
    }

    /// Fails if the log is closed or has failed.
    pub(super) fn check(&self) -> Result<(), LogError> {
        match self.failure.get() {
            Some(reason) => Err(LogError::Fatal(reason.clone())),
            None if *self.ended.borrow() => Err(LogError::Fatal("the log is closed".to_owned())),
            None => Ok(()),
        }
    }

    /// Why the log failed, if it did.
    pub(super) fn failure(&self) -> Option<String> {
        self.failure.get().cloned()
    }

    /// From now on everything is refused with this reason.
    pub(super) fn fail(&self, reason: &str) {
        // The first reason is the one to tell.
        let reason = self.failure.get_or_init(|| reason.to_owned());
        self.queue.fail(reason.clone());
        self.rouse();
    }

    /// The writer thread has ended.
    pub(super) fn end(&self) {
        self.ended.send_replace(true);
        self.rouse();
    }

    /// Waits until the writer thread has ended.
    pub(super) async fn ended(&self) {
        // The sender lives as long as `self`, so the wait cannot fail.
        let _ = self.ended.subscribe().wait_for(|ended| *ended).await;
    }

    /// All partitions of a topic.
    pub(super) fn topic(&self, topic: &str) -> Option<Partitions> {
        self.topics.read().get(topic).cloned()
    }

    /// Whether there is such a topic.
    pub(super) fn has_topic(&self, topic: &str) -> bool {
        self.topics.read().contains_key(topic)
    }

    /// Adds a topic that was just made.
    pub(super) fn add_topic(&self, name: Arc<str>, topic: i64) {
        let partitions = (0..self.partitions).map(|partition| {
            let standing = Standing { end: 0, last_time: i64::MIN, consumed: HashMap::new() };
            Arc::new(Partition::new(Source { topic: name.clone(), partition }, topic, self.partitions, standing))
        });
        let partitions = partitions.collect();
        self.topics.write().insert(name, partitions);
    }

    /// One partition.
    pub(super) fn partition(&self, source: &Source) -> Result<Arc<Partition>, LogError> {
        find(&self.topics.read(), source).cloned()
    }

    /// Finds the partition of each record; all of them exist or none is appended.
    pub(super) fn address(&self, records: Vec<Append>) -> Result<Vec<Addressed>, LogError> {
        let topics = self.topics.read();
        let address = |append: Append| Ok(Addressed { partition: find(&topics, &append.source)?.clone(), append });
        records.into_iter().map(address).collect()
    }

    /// Records of a partition, from memory or from the file.
    pub(super) async fn read(&self, partition: &Arc<Partition>, wanted: Wanted, view: View) -> Result<Vec<Record>, LogError> {
        match partition.look(wanted, view) {
            Span::Nothing => Ok(Vec::new()),
            Span::Here(records) => Ok(records),
            Span::Older(until) => self.readers.read(partition, wanted, until).await,
        }
    }

    /// Wakes everybody who waits, to look at what happened.
    fn rouse(&self) {
        for partition in self.topics.read().values().flat_map(|partitions| partitions.iter()) {
            partition.rouse();
        }
        self.groups.rouse();
    }
}

fn find<'a>(topics: &'a Topics, source: &Source) -> Result<&'a Arc<Partition>, LogError> {
    let partitions = topics.get(&source.topic);
    let partition = partitions.and_then(|partitions| partitions.get(source.partition as usize));
    partition.ok_or_else(|| LogError::Absent(source.clone()))
}

/// What the writer answers, waited for as long as a sound disk could take.
pub(super) async fn answered<T>(outcome: oneshot::Receiver<Result<T, LogError>>) -> Result<T, LogError> {
    match timeout(ANSWER, outcome).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => Err(LogError::Ambiguous("the writer of the log ended without an answer".to_owned())),
        Err(_) => Err(LogError::Ambiguous(format!("the log did not answer within {} s", ANSWER.as_secs()))),
    }
}

/// The moment after `wait`; a day at most, since an instant has an end.
pub(super) fn far(wait: Duration) -> Instant {
    Instant::now() + wait.min(Duration::from_secs(24 * 60 * 60))
}
