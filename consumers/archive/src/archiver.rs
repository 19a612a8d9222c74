//! The loop: one task per partition of this process that reads the log, fills a file, adds it to the chain, and begins again.
//!
//! Nothing is remembered between attempts: after any error the task pauses and finds the end of the chain anew. So an
//! answer that got lost, a second archiver, one that was stopped while its partition went to another, and a restart are
//! all the same case.

use crate::{
    ArchiveError, Roll,
    chain::{Chain, Grown},
    meters,
    trouble::{State, Troubles},
    waiting::Waiting,
};
use log::{Log, Share, Source};
use objects::Objects;
use schemas::{SchemaKind, Stream};
use service::Lifecycle;
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// The consumer group among whose members the partitions are shared out.
const GROUP: &str = "archive";
/// How many records are read at once.
const BATCH: usize = 1_000;
/// How long a task waits for new records before it looks at the clock again.
const WAIT: Duration = Duration::from_secs(5);
/// The pause after the first failure; it doubles with every further one.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How long the last file may take at a shutdown; what it held is archived after the next start.
const FLUSH: Duration = Duration::from_secs(10);

/// Archives every event of `log` until the shutdown.
pub async fn run(log: Arc<dyn Log>, objects: Objects, lifecycle: Lifecycle) -> Result<(), ArchiveError> {
    Archiver { log, objects, roll: Roll::default() }.run(lifecycle).await
}

/// An archiver and its settings.
#[derive(Clone)]
pub struct Archiver {
    /// The log to follow.
    pub log: Arc<dyn Log>,
    /// Where the files go.
    pub objects: Objects,
    /// When a file is closed.
    pub roll: Roll,
}

impl Archiver {
    /// Archives the events of the partitions that the group gives to this process, until the shutdown; then writes what
    /// still waits (a last read of the log goes before). Ends earlier only if the log cannot go on.
    pub async fn run(self, lifecycle: Lifecycle) -> Result<(), ArchiveError> {
        let topics = event_topics();
        let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
        let share = Share { log: self.log.clone(), group: GROUP, topics: &topics, lifecycle: &lifecycle };
        let troubles = Troubles::new(lifecycle.health());
        let archive = |source: Source, stop| {
            let chain = Chain { objects: self.objects.clone(), timeline: self.log.timeline().0, source: source.clone() };
            let partition = Partition {
                archiver: self.clone(),
                chain,
                state: troubles.begin(source),
                stop,
                shutdown: lifecycle.shutdown(),
                pause: FIRST_PAUSE,
            };
            partition.run()
        };
        Ok(share.run(archive).await?)
    }
}

/// The topics of events, one per context.
fn event_topics() -> Vec<String> {
    let contexts: BTreeSet<&str> = schemas::SCHEMAS.iter().filter(|s| s.kind == SchemaKind::Event).map(|s| s.context).collect();
    contexts.into_iter().map(|context| Stream::Events.topic(context)).collect()
}

struct Partition {
    archiver: Archiver,
    chain: Chain,
    state: State,
    /// The program ends, or the partition is somebody else's now.
    stop: CancellationToken,
    /// The program ends.
    shutdown: CancellationToken,
    pause: Duration,
}

impl Partition {
    async fn run(mut self) -> Result<(), ArchiveError> {
        loop {
            match self.follow().await {
                Ok(()) if self.stop.is_cancelled() => return Ok(()),
                Ok(()) => {}
                Err(error @ ArchiveError::Fatal(_)) => return Err(error),
                Err(error) => {
                    meters::failed(&self.chain.source);
                    if self.state.set(error.clone()) {
                        tracing::warn!(archive.partition = %self.chain.source, error = %error, "cannot archive, will try again");
                    }
                    tokio::select! {
                        () = self.stop.cancelled() => return Ok(()),
                        () = tokio::time::sleep(self.pause) => self.pause = (self.pause * 2).min(LONGEST_PAUSE),
                    }
                }
            }
        }
    }

    /// Follows the log from the end of the chain until it is stopped, or until somebody else has grown the chain. What
    /// waits is written at the shutdown; if the partition goes to somebody else, it is theirs to write.
    async fn follow(&mut self) -> Result<(), ArchiveError> {
        let end = self.chain.end().await?;
        let mut next = self.chain.next_offset(&self.archiver.log, end.as_ref()).await?;
        let mut waiting = Waiting::after(self.chain.source.clone(), end.map_or(0, |sidecar| sidecar.last));
        meters::reached(&self.chain.source, waiting.first() - 1);
        self.state.clear();
        loop {
            // Looked at before the read, so that what was in the log at the shutdown is not left behind.
            let is_last = self.shutdown.is_cancelled();
            if self.stop.is_cancelled() && !is_last {
                return Ok(());
            }
            let log = &self.archiver.log;
            let records = match is_last {
                true => log.read(&self.chain.source, next, BATCH).await?,
                false => log.follow(&self.chain.source, next, BATCH).await?,
            };
            let at_end = records.len() < BATCH;
            for record in records {
                next = record.offset + 1;
                waiting.push(record, &self.archiver.roll)?;
                if waiting.is_full(&self.archiver.roll) && !self.write(&mut waiting).await? {
                    return Ok(());
                }
            }
            if is_last {
                return self.flush(&mut waiting).await;
            }
            let due = waiting.due_in(&self.archiver.roll);
            if due.is_some_and(|due| due.is_zero()) && !self.write(&mut waiting).await? {
                return Ok(());
            }
            if at_end {
                tokio::select! {
                    () = self.stop.cancelled() => {}
                    waited = self.archiver.log.wait(&self.chain.source, next, due.unwrap_or(WAIT).min(WAIT)) => { waited?; }
                }
            }
        }
    }

    /// Adds what waits to the chain; says whether it became our file.
    async fn write(&mut self, waiting: &mut Waiting) -> Result<bool, ArchiveError> {
        match self.chain.grow(waiting.first(), waiting.records()).await? {
            Grown::Ours(sidecar) => {
                waiting.archived();
                meters::written(&self.chain.source, sidecar.count, sidecar.bytes);
                meters::reached(&self.chain.source, sidecar.last);
                self.pause = FIRST_PAUSE;
                Ok(true)
            }
            Grown::Theirs => Ok(false),
        }
    }

    /// Writes what waits at the shutdown. Whatever goes wrong now, the next start makes up for it.
    async fn flush(&mut self, waiting: &mut Waiting) -> Result<(), ArchiveError> {
        if waiting.records().is_empty() {
            return Ok(());
        }
        let records = waiting.records().len();
        let outcome = match timeout(FLUSH, self.write(waiting)).await {
            Ok(outcome) => outcome.map(drop),
            Err(_) => Err(ArchiveError::Transient(format!("it took longer than {} s", FLUSH.as_secs()))),
        };
        if let Err(error) = outcome {
            tracing::warn!(
                archive.partition = %self.chain.source, archive.records = records, error = %error,
                "cannot write the last file, the next start will"
            );
        }
        Ok(())
    }
}
