//! A lane: one partition of every context, one owner, one batch at a time.
//!
//! It takes ownership of its transactional name (which fences whoever had it), catches up with the log, and says where
//! commands go on. Then: gather what has come, decide, commit. While a commit is under way the next commands gather in
//! the feed, so batches grow with the load and nothing waits for company.
//!
//! A definite commit makes the overlay the state; a definite failure drops it and decides anew. After an unknown
//! outcome the overlay is dropped too: the lane takes a new epoch, which settles what was committed, and replays the log
//! from where its state stands; what was committed comes back as records, what was not is decided again.

use crate::{
    Config, WriterError,
    batch::{Batch, decide_batch},
    clock::Ids,
    command::{Command, Taken},
    patience::{Interrupt, Patience, Pause},
    recovery::catch_up,
    repeat::{self, Answers},
    snapshots::Snapshots,
    state::LaneState,
    telemetry::Meters,
};
use log::{Log, LogError, Offset, Record, Source, Transactional};
use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::{
    mpsc::{self, error::TryRecvError},
    oneshot,
};

/// After this long without an answer the outcome of a commit counts as unknown.
const COMMIT_TIMEOUT: Duration = Duration::from_secs(30);

/// Records for a lane.
#[derive(Debug)]
pub(crate) struct Feed {
    /// Number of the context.
    pub(crate) context: usize,
    /// Its commands.
    pub(crate) records: Vec<Record>,
}

/// Where the commands of a lane go on.
pub(crate) type Starts = Vec<(Source, Offset)>;

/// What a lane that ended leaves behind.
pub(crate) struct Left {
    /// Its state, good to catch up from.
    pub(crate) state: LaneState,
    /// Why, if a newer owner took it.
    pub(crate) fenced: Option<String>,
}

pub(crate) struct Lane {
    pub(crate) log: Arc<dyn Log>,
    pub(crate) config: Config,
    pub(crate) state: LaneState,
    pub(crate) feed: mpsc::Receiver<Feed>,
    pub(crate) patience: Patience,
    pub(crate) meters: Meters,
    pub(crate) ids: Ids,
    pub(crate) backlog: VecDeque<Taken>,
    /// Once it has caught up.
    pub(crate) snapshots: Option<Snapshots>,
}

impl Lane {
    /// Works until the feed is closed and empty, or until it has to go.
    pub(crate) async fn run(mut self, ready: oneshot::Sender<Starts>) -> Result<Left, WriterError> {
        let end = self.work(ready).await;
        self.state.discard();
        let fenced = match end {
            Ok(()) | Err(Interrupt::Leave) => None,
            Err(Interrupt::Fenced(why)) => {
                self.meters.fenced();
                Some(why)
            }
            Err(Interrupt::Stop(error)) => return Err(error),
        };
        Ok(Left { state: self.state, fenced })
    }

    async fn work(&mut self, ready: oneshot::Sender<Starts>) -> Result<(), Interrupt> {
        let mut owner = self.own().await?;
        let starts = self.state.contexts.iter().map(|context| (context.commands.clone(), context.next_command)).collect();
        if ready.send(starts).is_err() {
            return Err(Interrupt::Leave);
        }
        while let Some(taken) = self.gather().await? {
            self.settle(&mut owner, taken).await?;
        }
        Ok(())
    }

    /// Takes a new epoch, then catches up.
    async fn own(&mut self) -> Result<Box<dyn Transactional>, Interrupt> {
        let started = Instant::now();
        let partition = self.state.address.partition;
        let name = format!("writer-{partition}");
        let owner = self.patience.until(|| self.log.transactional(&name)).await?;
        let marks = catch_up(self.log.as_ref(), &mut self.state, &mut self.patience, (self.config.clock)()).await?;
        let (log, after) = (&self.log, self.config.snapshot_after);
        self.snapshots.get_or_insert_with(|| Snapshots::new(log.clone(), marks, after)).step(&mut self.state);
        let took = started.elapsed();
        self.meters.recovered(took, self.state.keys.len());
        let positions = &self.state.frontier.positions;
        tracing::info!(lane.partition = partition, lane.epoch = owner.epoch(), ?positions, ?took, "a lane has caught up");
        Ok(owner)
    }

    /// The next batch; none once the feed is closed and empty.
    async fn gather(&mut self) -> Result<Option<Vec<Taken>>, Interrupt> {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        loop {
            self.patience.check()?;
            while let Some(taken) = self.backlog.pop_front() {
                if self.is_consumed(&taken) {
                    continue;
                }
                bytes += taken.bytes();
                batch.push(taken);
                if batch.len() >= self.config.max_batch_commands || bytes >= self.config.max_batch_bytes {
                    return Ok(Some(batch));
                }
            }
            let Feed { context, records } = match self.feed.try_recv() {
                Ok(feed) => feed,
                Err(_) if !batch.is_empty() => return Ok(Some(batch)),
                Err(TryRecvError::Disconnected) => return Ok(None),
                Err(TryRecvError::Empty) => tokio::select! {
                    biased;
                    () = self.patience.left() => return Err(Interrupt::Leave),
                    () = progress(&mut self.snapshots) => {
                        self.snapshot();
                        continue;
                    }
                    feed = self.feed.recv() => match feed {
                        Some(feed) => feed,
                        None => return Ok(None),
                    },
                },
            };
            self.backlog.extend(records.into_iter().map(|record| Taken { context, record }));
        }
    }

    /// Decides and commits a batch, however often that takes.
    async fn settle(&mut self, owner: &mut Box<dyn Transactional>, mut taken: Vec<Taken>) -> Result<(), Interrupt> {
        let mut pause = Pause::new();
        while !taken.is_empty() {
            self.patience.check()?;
            let batch = self.decide(&taken).await?;
            let started = Instant::now();
            let committed = tokio::time::timeout(COMMIT_TIMEOUT, owner.commit(batch.transaction)).await;
            let error = match committed {
                Ok(Ok(offsets)) => {
                    if offsets.len() != batch.decided.appended.len() {
                        let (is, should) = (offsets.len(), batch.decided.appended.len());
                        return Err(WriterError::Defect(format!("a commit of {should} records gave {is} offsets")).into());
                    }
                    self.state.merge(&batch.decided, &offsets);
                    self.meters.committed(&batch.tally, taken.len(), started.elapsed(), self.state.keys.len());
                    self.snapshot();
                    return Ok(());
                }
                Ok(Err(error)) => error,
                Err(_) => LogError::Ambiguous(format!("no answer within {COMMIT_TIMEOUT:?}")),
            };
            self.state.discard();
            match error {
                LogError::Transient(_) => {
                    tracing::warn!(%error, "a batch was not committed, deciding it anew");
                    self.meters.retried();
                    self.patience.pause(&mut pause).await?;
                }
                LogError::Ambiguous(_) => {
                    tracing::warn!(%error, "asking the log whether a batch was committed");
                    self.meters.retried();
                    self.patience.pause(&mut pause).await?;
                    *owner = self.own().await?;
                    taken.retain(|taken| !self.is_consumed(taken));
                }
                LogError::Fenced { .. } => return Err(Interrupt::Fenced(error.to_string())),
                LogError::Absent(_) | LogError::Fatal(_) => return Err(WriterError::Fatal(error).into()),
            }
        }
        Ok(())
    }

    fn snapshot(&mut self) {
        if let Some(snapshots) = &mut self.snapshots {
            snapshots.step(&mut self.state);
        }
    }

    async fn decide(&mut self, taken: &[Taken]) -> Result<Batch, Interrupt> {
        let commands: Vec<Command<'_>> = taken.iter().map(Command::read).collect();
        let wanted = repeat::wanted(&self.state, &commands);
        let answers = if wanted.is_empty() {
            Answers::default()
        } else {
            let (log, schema) = (self.log.as_ref(), self.state.answer_schema);
            self.patience.until(|| Box::pin(repeat::read(log, &wanted, schema))).await?
        };
        let now = (self.config.clock)();
        let batch = decide_batch(&mut self.state, commands, &answers, &mut self.ids, now);
        batch.map_err(|error| WriterError::Defect(format!("an envelope cannot be written: {error}")).into())
    }

    fn is_consumed(&self, taken: &Taken) -> bool {
        self.state.contexts.get(taken.context).is_some_and(|context| taken.record.offset < context.next_command)
    }
}

/// Returns when it is time for the next step of the snapshots.
async fn progress(snapshots: &mut Option<Snapshots>) {
    match snapshots {
        Some(snapshots) => snapshots.progress().await,
        None => std::future::pending().await,
    }
}
