//! Work shared among the members of a consumer group: one task for every partition that the group gives to this process.
//!
//! The group only says who has which partition. No partition is ever sought, so none delivers anything and no offset is
//! consumed: the work reads the log itself, from wherever its own store says. The work of a partition that is taken away
//! is told so, and the group has its answer when that work has ended; so the next owner begins after it.
//!
//! What this cannot promise: work that does not end in time is dropped where it stands, and a process that was stopped
//! for longer than its session goes on until it hears that it has lost everything. So work must be safe beside the work
//! of another owner, by a position that its sink compares.

use crate::{Consumer, Delivery, Log, LogError, Source};
use service::{Component, Lifecycle, Status};
use std::{collections::HashMap, fmt::Display, future::Future, sync::Arc, time::Duration};
use tokio::{
    task::JoinError,
    time::{Instant, timeout_at},
};
use tokio_util::{sync::CancellationToken, task::JoinMap};

/// How long work may take to end when its partition is taken away. Others wait meanwhile; an embedded log waits for 10 s.
const HANDOVER: Duration = Duration::from_secs(8);
/// How long it may take at the end of the program.
const DRAIN: Duration = Duration::from_secs(20);
/// How long to ask the group for news at a time.
const WAIT: Duration = Duration::from_secs(1);
/// The pause after the first failure of the log; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A group, and what it shares out.
pub struct Share<'a> {
    /// The log.
    pub log: Arc<dyn Log>,
    /// Name of the group; the component `group <name>` says how this process's membership is.
    pub group: &'a str,
    /// The topics whose partitions are shared out, the same partition of each to the same member. Missing ones are made.
    pub topics: &'a [&'a str],
    /// Says when to end, and where the component is.
    pub lifecycle: &'a Lifecycle,
}

/// Why sharing ended before the shutdown.
#[derive(Debug, thiserror::Error)]
pub enum ShareError<E> {
    /// The log cannot go on: the process must stop.
    #[error("{0}")]
    Log(#[source] LogError),
    /// The work of a partition failed.
    #[error("{0}")]
    Work(E),
    /// The work of a partition panicked, which is a defect.
    #[error("the work for {at} died: {reason}")]
    Died {
        /// The partition.
        at: Source,
        /// What it said.
        reason: String,
    },
}

impl Share<'_> {
    /// Runs `work` for every partition that this process has, until the shutdown or the first failure. Its token says
    /// when to end; it may end before, if there is nothing to do for the partition. Then leaves the group.
    pub async fn run<E, F>(self, mut work: impl FnMut(Source, CancellationToken) -> F + Send) -> Result<(), ShareError<E>>
    where
        E: Display + Send + 'static,
        F: Future<Output = Result<(), E>> + Send + 'static,
    {
        let health = self.lifecycle.health().component(format!("group {}", self.group));
        let kept = Membership { share: self, health: health.clone(), pause: FIRST_PAUSE }.keep(&mut work).await;
        if let Err(error) = &kept {
            health.set(Status::Failing(error.to_string()));
        }
        kept
    }
}

/// This process's part in the group.
struct Membership<'a> {
    share: Share<'a>,
    health: Component,
    pause: Duration,
}

impl Membership<'_> {
    /// Joins, does as the group says, ends what is under way, and leaves.
    async fn keep<E, F>(mut self, work: &mut (impl FnMut(Source, CancellationToken) -> F + Send)) -> Result<(), ShareError<E>>
    where
        E: Send + 'static,
        F: Future<Output = Result<(), E>> + Send + 'static,
    {
        let Some(mut consumer) = self.join().await.map_err(ShareError::Log)? else { return Ok(()) };
        let mut tasks = Tasks { running: JoinMap::new(), stops: HashMap::new() };
        let followed = self.follow(&mut *consumer, &mut tasks, work).await;
        let all: Vec<Source> = tasks.stops.keys().cloned().collect();
        let ended = tasks.end(&all, DRAIN).await;
        consumer.leave().await;
        followed.and(ended)
    }

    /// Joins, once the log is there; nothing if the shutdown came first.
    async fn join(&mut self) -> Result<Option<Box<dyn Consumer>>, LogError> {
        let shutdown = self.share.lifecycle.shutdown();
        while !shutdown.is_cancelled() {
            let Share { log, topics, lifecycle, .. } = &self.share;
            let group = match lifecycle.own_name() {
                Some(name) => &format!("{}-{name}", self.share.group),
                None => self.share.group,
            };
            let joined = match log.create_topics(topics).await {
                Ok(()) => log.consume(group, topics).await,
                Err(error) => Err(error),
            };
            match joined {
                Ok(consumer) => return Ok(Some(consumer)),
                Err(error @ LogError::Fatal(_)) => return Err(error),
                Err(error) => self.back_off(&error).await,
            }
        }
        Ok(None)
    }

    /// Does as the group says.
    async fn follow<E, F>(
        &mut self,
        consumer: &mut dyn Consumer,
        tasks: &mut Tasks<E>,
        work: &mut (impl FnMut(Source, CancellationToken) -> F + Send),
    ) -> Result<(), ShareError<E>>
    where
        E: Send + 'static,
        F: Future<Output = Result<(), E>> + Send + 'static,
    {
        let shutdown = self.share.lifecycle.shutdown();
        let mut has_share = false;
        loop {
            let delivery = tokio::select! {
                biased;
                () = shutdown.cancelled() => return Ok(()),
                Some((source, ended)) = tasks.running.join_next() => {
                    tasks.ended(source, ended)?;
                    continue;
                }
                delivery = consumer.next(1, WAIT) => delivery,
            };
            match delivery {
                Ok(Delivery::Assigned(sources)) => {
                    has_share = true;
                    tracing::info!(log.group = self.share.group, partitions = list(&sources), "got partitions");
                    for source in sources {
                        let stop = shutdown.child_token();
                        tasks.running.spawn(source.clone(), work(source.clone(), stop.clone()));
                        tasks.stops.insert(source, stop);
                    }
                }
                Ok(Delivery::Revoked(sources)) => {
                    tracing::info!(log.group = self.share.group, partitions = list(&sources), "lost partitions");
                    tasks.end(&sources, HANDOVER).await?;
                }
                Ok(Delivery::Records(..) | Delivery::Idle) => {}
                Err(error @ LogError::Fatal(_)) => return Err(ShareError::Log(error)),
                Err(error) => {
                    self.back_off(&error).await;
                    continue;
                }
            }
            self.pause = FIRST_PAUSE;
            self.health.set(if has_share { Status::Ready } else { Status::Starting });
        }
    }

    /// Says what failed and waits.
    async fn back_off(&mut self, error: &LogError) {
        if self.pause == FIRST_PAUSE {
            tracing::warn!(log.group = self.share.group, %error, "the group does not answer, trying again");
        }
        self.health.set(Status::Failing(error.to_string()));
        tokio::select! {
            () = self.share.lifecycle.shutdown().cancelled_owned() => {}
            () = tokio::time::sleep(self.pause) => {}
        }
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
    }
}

/// The work under way.
struct Tasks<E> {
    running: JoinMap<Source, Result<(), E>>,
    stops: HashMap<Source, CancellationToken>,
}

impl<E: Send + 'static> Tasks<E> {
    /// Tells the work of `sources` to end and waits for it; drops what has not ended within `limit`.
    async fn end(&mut self, sources: &[Source], limit: Duration) -> Result<(), ShareError<E>> {
        let until = Instant::now() + limit;
        sources.iter().filter_map(|source| self.stops.get(source)).for_each(CancellationToken::cancel);
        let mut outcome = Ok(());
        while sources.iter().any(|source| self.stops.contains_key(source)) {
            match timeout_at(until, self.running.join_next()).await {
                Ok(Some((source, ended))) => outcome = outcome.and(self.ended(source, ended)),
                Ok(None) => break,
                Err(_) => {
                    for source in sources.iter().filter(|source| self.stops.remove(*source).is_some()) {
                        tracing::warn!(log.partition = %source, "work did not end in time and is dropped");
                        self.running.abort(source);
                    }
                }
            }
        }
        outcome
    }

    fn ended(&mut self, at: Source, ended: Result<Result<(), E>, JoinError>) -> Result<(), ShareError<E>> {
        self.stops.remove(&at);
        match ended {
            Ok(ended) => ended.map_err(ShareError::Work),
            Err(error) if error.is_cancelled() => Ok(()),
            Err(error) => Err(ShareError::Died { at, reason: error.to_string() }),
        }
    }
}

fn list(sources: &[Source]) -> String {
    sources.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

    use super::*;
    use crate::sqlite::SqliteLog;
    use futures::future::BoxFuture;
    use tokio::{sync::mpsc, task::JoinHandle};

    type Work = BoxFuture<'static, Result<(), String>>;

    /// Shares `events` out, until it is told to end or work fails.
    fn share(
        log: &Arc<dyn Log>,
        lifecycle: &Lifecycle,
        work: impl Fn(Source, CancellationToken) -> Work + Send + 'static,
    ) -> JoinHandle<Result<(), ShareError<String>>> {
        let (log, lifecycle) = (log.clone(), lifecycle.clone());
        tokio::spawn(async move { Share { log, group: "g", topics: &["events"], lifecycle: &lifecycle }.run(work).await })
    }

    fn open() -> (tempfile::TempDir, Arc<dyn Log>) {
        let dir = tempfile::tempdir().unwrap();
        let log = Arc::new(SqliteLog::open(dir.path(), 3).unwrap());
        (dir, log)
    }

    #[tokio::test]
    async fn the_first_failure_tells_all_other_work_to_end_and_is_the_answer() {
        let (_dir, log) = open();
        let (said, mut heard) = mpsc::unbounded_channel();
        let ended = share(&log, &Lifecycle::new(), move |source, stop| {
            let said = said.clone();
            Box::pin(async move {
                if source.partition == 1 {
                    return Err("no room".to_owned());
                }
                stop.cancelled().await;
                said.send(source.partition).unwrap();
                Ok(())
            })
        });
        let failed = ended.await.unwrap().unwrap_err();
        assert!(matches!(&failed, ShareError::Work(why) if why == "no room"), "{failed}");
        let mut others = [heard.recv().await.unwrap(), heard.recv().await.unwrap()];
        others.sort_unstable();
        assert_eq!(others, [0, 2]);
    }

    #[tokio::test]
    async fn work_that_panics_is_named_and_work_that_has_nothing_to_do_may_end() {
        let (_dir, log) = open();
        let ended = share(&log, &Lifecycle::new(), |source, stop| {
            Box::pin(async move {
                assert!(source.partition != 2, "boo");
                if source.partition == 1 {
                    stop.cancelled().await
                };
                Ok(())
            })
        });
        let failed = ended.await.unwrap().unwrap_err();
        assert!(matches!(&failed, ShareError::Died { at, .. } if at.partition == 2), "{failed}");
    }

    #[tokio::test]
    async fn work_that_does_not_end_is_dropped_and_the_partition_is_given_away() {
        let (_dir, log) = open();
        let (stubborn, other) = (Lifecycle::new(), Lifecycle::new());
        let (began, mut begun) = mpsc::unbounded_channel();
        let stay = began.clone();
        let first = share(&log, &stubborn, move |source, _| {
            stay.send(("stubborn", source.partition)).unwrap();
            Box::pin(std::future::pending())
        });
        for _ in 0..3 {
            begun.recv().await.unwrap();
        }
        tokio::time::pause();
        let start = Instant::now();
        let second = share(&log, &other, move |source, stop| {
            began.send(("other", source.partition)).unwrap();
            Box::pin(async move {
                stop.cancelled().await;
                Ok(())
            })
        });
        assert_eq!(begun.recv().await, Some(("other", 2)));
        assert!(start.elapsed() >= HANDOVER, "it was waited for");
        other.shutdown().cancel();
        second.await.unwrap().unwrap();
        assert_eq!(begun.recv().await, Some(("stubborn", 2)), "it is taken back");
        stubborn.shutdown().cancel();
        first.await.unwrap().unwrap();
    }
}
