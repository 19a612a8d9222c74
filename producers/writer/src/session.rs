//! From joining the group to leaving it: gives each assigned partition a lane, and feeds it.
//!
//! One consumer feeds all lanes through bounded queues; a full queue holds the consumer back, since all lanes share one
//! log. Nothing flows into a lane before it has caught up and said where its commands go on.

use crate::{
    WriterError,
    clock::Ids,
    lane::{Feed, Lane, Left, Starts},
    patience::Patience,
    telemetry::Meters,
    writer::Writer,
};
use log::{Consumer, Delivery, LogError, Record, Source};
use service::Status;
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::Instant,
};
use tokio_util::task::AbortOnDropHandle;

/// How many deliveries wait for a lane.
const QUEUE: usize = 4;
/// How long a look for records takes while nothing comes, and while a lane is about to be ready.
const IDLE_WAIT: Duration = Duration::from_millis(100);
const STARTING_WAIT: Duration = Duration::from_millis(10);
/// How long lanes may take to finish what they have in hand.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(10);

/// A lane at work.
struct Running {
    feed: mpsc::Sender<Feed>,
    leave: watch::Sender<bool>,
    sources: BTreeSet<Source>,
    /// Where its commands go on, once it has caught up.
    starts: Result<Starts, oneshot::Receiver<Starts>>,
    task: AbortOnDropHandle<Result<Left, WriterError>>,
}

/// A membership in the group.
pub(crate) struct Session<'w> {
    consumer: Box<dyn Consumer>,
    lanes: BTreeMap<u32, Running>,
    was_assigned: bool,
    writer: &'w mut Writer,
}

impl<'w> Session<'w> {
    pub(crate) fn new(consumer: Box<dyn Consumer>, writer: &'w mut Writer) -> Self {
        Self { consumer, lanes: BTreeMap::new(), was_assigned: false, writer }
    }

    /// Works until the shutdown, then answers `None`, or until it has to join anew, then says why.
    pub(crate) async fn run(&mut self, commands: &[String]) -> Result<Option<String>, WriterError> {
        let mut drained_at: Option<Instant> = None;
        loop {
            if let Some(why) = self.reap().await? {
                return Ok(Some(why));
            }
            let is_starting = self.start_ready();
            if drained_at.is_none() && self.writer.is_shutting_down() {
                drained_at = Some(Instant::now() + self.writer.config.drain_timeout);
            }
            if drained_at.is_some_and(|end| Instant::now() >= end) {
                return Ok(None);
            }
            let wait = if is_starting { STARTING_WAIT } else { IDLE_WAIT };
            let max = self.writer.config.max_batch_commands;
            match self.consumer.next(max, wait).await {
                Ok(Delivery::Records(source, records)) => {
                    if let Some(context) = commands.iter().position(|topic| **topic == *source.topic)
                        && !self.feed(source.partition, context, records).await
                    {
                        return Ok(None);
                    }
                }
                Ok(Delivery::Idle) if drained_at.is_some() => return Ok(None),
                Ok(Delivery::Idle) => {}
                Ok(Delivery::Assigned(sources)) => self.assigned(sources).await?,
                Ok(Delivery::Revoked(sources)) => self.revoked(sources).await?,
                Err(LogError::Transient(why)) => {
                    tracing::warn!(why, "no commands can be read, trying again");
                    self.writer.rest(IDLE_WAIT).await;
                }
                Err(error @ (LogError::Fenced { .. } | LogError::Ambiguous(_))) => return Ok(Some(error.to_string())),
                Err(error) => return Err(WriterError::Fatal(error)),
            }
        }
    }

    /// Hands records to a lane and waits while its queue is full. Not handed over only in a shutdown; nothing may be
    /// handed to a lane after that, for the lane would take the gap for done.
    async fn feed(&mut self, partition: u32, context: usize, records: Vec<Record>) -> bool {
        let Some(lane) = self.lanes.get(&partition) else { return true };
        let mut feed = Feed { context, records };
        loop {
            match lane.feed.send_timeout(feed, IDLE_WAIT).await {
                // A lane that is gone is noticed by `reap`; its records were not consumed.
                Ok(()) | Err(mpsc::error::SendTimeoutError::Closed(_)) => return true,
                Err(mpsc::error::SendTimeoutError::Timeout(back)) => feed = back,
            }
            if self.writer.is_shutting_down() {
                return false;
            }
        }
    }

    async fn assigned(&mut self, sources: Vec<Source>) -> Result<(), WriterError> {
        self.was_assigned = true;
        for source in sources {
            let partition = source.partition;
            // A source that is assigned twice is to be read anew from what was committed.
            if self.lanes.get(&partition).is_some_and(|lane| lane.sources.contains(&source)) {
                let others = self.lanes.get(&partition).map(|lane| lane.sources.clone()).unwrap_or_default();
                self.retire(BTreeSet::from([partition]), true).await?;
                self.start(partition, others);
                continue;
            }
            match self.lanes.get_mut(&partition) {
                None => self.start(partition, BTreeSet::from([source])),
                Some(lane) => {
                    let start = lane.starts.as_ref().ok().and_then(|starts| starts.iter().find(|(known, _)| *known == source));
                    if let Some((source, from)) = start {
                        self.consumer.seek(source, *from);
                    }
                    lane.sources.insert(source);
                }
            }
        }
        Ok(())
    }

    async fn revoked(&mut self, sources: Vec<Source>) -> Result<(), WriterError> {
        let partitions: BTreeSet<u32> = sources.iter().map(|source| source.partition).collect();
        self.retire(partitions, true).await.map(drop)
    }

    fn start(&mut self, partition: u32, sources: BTreeSet<Source>) {
        let (feed, inlet) = mpsc::channel(QUEUE);
        let (leave, left) = watch::channel(false);
        let (ready, starts) = oneshot::channel();
        let lane = Lane {
            log: self.writer.log.clone(),
            config: self.writer.config.clone(),
            state: self.writer.state(partition),
            feed: inlet,
            patience: Patience::new(left),
            meters: Meters::new(partition),
            ids: Ids::new(),
            backlog: VecDeque::new(),
            snapshots: None,
        };
        let task = AbortOnDropHandle::new(tokio::spawn(lane.run(ready)));
        self.lanes.insert(partition, Running { feed, leave, sources, starts: Err(starts), task });
    }

    /// Lets commands flow into lanes that have caught up; whether some have not.
    fn start_ready(&mut self) -> bool {
        let mut is_starting = false;
        for lane in self.lanes.values_mut() {
            let Err(waiting) = &mut lane.starts else { continue };
            let Ok(starts) = waiting.try_recv() else {
                is_starting = true;
                continue;
            };
            for (source, from) in starts.iter().filter(|(source, _)| lane.sources.contains(source)) {
                self.consumer.seek(source, *from);
            }
            lane.starts = Ok(starts);
        }
        if is_starting {
            self.writer.report(Status::Starting);
        } else if !self.lanes.is_empty() {
            self.writer.report(Status::Ready);
        } else if self.was_assigned {
            self.writer.report(Status::Degraded("other writers own every partition; this one stands by".to_owned()));
        }
        is_starting
    }

    /// Looks for lanes that ended by themselves; says why the group has to be joined anew, if it has.
    async fn reap(&mut self) -> Result<Option<String>, WriterError> {
        let ended = self.lanes.iter().filter(|(_, lane)| lane.task.is_finished()).map(|(partition, _)| *partition);
        let ended: BTreeSet<u32> = ended.collect();
        if ended.is_empty() { Ok(None) } else { self.retire(ended, true).await }
    }

    /// Ends lanes and keeps their states; those that may not finish what is fed to them end after the batch in hand.
    async fn retire(&mut self, partitions: BTreeSet<u32>, at_once: bool) -> Result<Option<String>, WriterError> {
        let mut ending = Vec::new();
        for partition in partitions {
            if let Some(Running { feed, leave, starts, task, .. }) = self.lanes.remove(&partition) {
                drop(feed);
                if at_once || starts.is_err() {
                    leave.send_replace(true);
                }
                ending.push((partition, leave, task));
            }
        }
        let (mut why, mut failed) = (None, Ok(()));
        for (partition, _leave, task) in ending {
            match tokio::time::timeout(LEAVE_TIMEOUT, task).await {
                Ok(Ok(Ok(Left { state, fenced }))) => {
                    self.writer.states.insert(partition, state);
                    why = why.or(fenced);
                }
                Ok(Ok(Err(error))) => failed = Err(error),
                Ok(Err(error)) => {
                    failed = Err(WriterError::Defect(format!("the lane of partition {partition} broke off: {error}")))
                }
                Err(_) => tracing::error!(lane.partition = partition, "a lane did not end in time and was aborted"),
            }
        }
        failed.map(|()| why)
    }

    /// Ends all lanes, after they have finished what was fed to them if `drain`.
    pub(crate) async fn close(mut self, drain: bool) -> Result<(), WriterError> {
        let all = self.lanes.keys().copied().collect();
        self.retire(all, !drain).await.map(drop)
    }
}
