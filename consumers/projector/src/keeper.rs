//! One keeper per read model: it sees to it that a live generation of the right version is fed, and that generations
//! which somebody asked for are built.
//!
//! It looks at the store every 250 ms and at the start, so that a crash in the middle of anything is taken up. A live
//! generation that is stuck stays as it is, with its reason in `/readyz`, until a rebuild replaces it or the program
//! restarts.

use crate::{
    backoff::Backoff,
    rebuild::{Switched, build},
    runner::{Context, Runner},
    sources::topics,
    trouble::{CALL, ProjectorError, Trouble, within},
};
use log::Source;
use service::Status;
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use stores::{Generation, GenerationState};
use tokio::sync::Mutex;
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

/// How often generations are looked at.
const LOOK: Duration = Duration::from_millis(250);
/// How often the lag is measured, which asks the log for the end of every partition.
const MEASURE: Duration = Duration::from_secs(5);

/// A live generation and its task.
pub(crate) struct Live {
    pub generation: Generation,
    pub turn: Arc<Mutex<()>>,
    stop: CancellationToken,
    sources: Vec<Source>,
    progress: Arc<[AtomicU64]>,
    /// Nothing once it has ended.
    task: Option<AbortOnDropHandle<Result<(), Trouble>>>,
}

pub(crate) struct Keeper {
    context: Context,
    live: Option<Live>,
    /// Generations that cannot be built, and why.
    given_up: BTreeMap<u64, String>,
    /// Whether the topics that it reads were made.
    has_topics: bool,
    measured: Option<Instant>,
}

impl Keeper {
    pub fn new(context: Context) -> Self {
        Self { context, live: None, given_up: BTreeMap::new(), has_topics: false, measured: None }
    }

    /// Keeps the read model until it is told to stop, or until the log fails for good.
    pub async fn keep(mut self) -> Result<(), ProjectorError> {
        let mut backoff = Backoff::default();
        let stop = self.context.stop.clone();
        let outcome = loop {
            // The next owner waits: a build in the middle of a table is left where it is, which the store knows.
            let looked = tokio::select! {
                biased;
                () = stop.cancelled() => break Ok(()),
                looked = self.look() => looked,
            };
            let wait = match looked {
                Ok(()) => {
                    backoff.reset();
                    self.context.pulse.building(self.given_up.values().next().cloned());
                    LOOK
                }
                Err(Trouble::Fatal(error)) => break Err(error),
                Err(Trouble::Stopped) => break Ok(()),
                Err(Trouble::Transient(reason) | Trouble::Stale(reason) | Trouble::Stuck(reason) | Trouble::Gone(reason)) => {
                    // While a live generation is fed, its own task speaks for the read model.
                    match &self.live {
                        Some(_) => self.context.pulse.building(Some(reason)),
                        None => self.context.pulse.live(Status::Failing(reason)),
                    }
                    backoff.next()
                }
            };
            tokio::select! {
                () = stop.cancelled() => break Ok(()),
                () = tokio::time::sleep(wait) => {}
            }
        };
        self.stop_live().await.and(outcome)
    }

    /// Brings what runs in line with what the store says.
    async fn look(&mut self) -> Result<(), Trouble> {
        if !self.has_topics {
            let topics = topics(self.context.projection);
            let names: Vec<&str> = topics.iter().map(String::as_str).collect();
            within(CALL, "making topics", self.context.log.create_topics(&names)).await?;
            self.has_topics = true;
        }
        self.see_to_live().await?;
        let projection = self.context.projection;
        let (name, version) = (projection.name(), projection.version());
        let generations = within(CALL, "reading generations", self.context.store.generations(name)).await?;
        let live = generations.iter().find(|generation| generation.state == GenerationState::Live);
        match live {
            Some(live) if live.version == version => self.feed(live.clone()).await?,
            _ => self.stop_live().await.map_err(Trouble::Fatal)?,
        }
        let mut building: Vec<&Generation> = generations.iter().filter(|g| g.state == GenerationState::Building).collect();
        building.sort_by_key(|generation| generation.id);
        self.given_up.retain(|id, _| building.iter().any(|generation| generation.id == *id));
        for generation in building.iter().filter(|generation| generation.version != version) {
            tracing::info!(projection.name = name, generation.id, generation.version, "dropping what another version began");
            within(CALL, "dropping a generation", self.context.store.discard(generation.id)).await?;
        }
        building.retain(|generation| generation.version == version);
        let next = building.iter().find(|generation| !self.given_up.contains_key(&generation.id));
        let next = next.map(|generation| Generation::clone(generation));
        match (live, next) {
            (None, next) => self.begin(next).await?,
            (Some(_), Some(next)) => self.build(next).await?,
            (Some(live), None) if live.version != version && building.is_empty() => {
                tracing::info!(projection.name = name, generation.version = live.version, version, "making a new version");
                self.create().await?;
            }
            (Some(_), None) => {}
        }
        if self.measured.is_none_or(|measured| measured.elapsed() >= MEASURE) {
            self.measure().await?;
            self.measured = Some(Instant::now());
        }
        Ok(())
    }

    /// The very first generation is live at once: there is nothing to serve meanwhile.
    async fn begin(&mut self, begun: Option<Generation>) -> Result<(), Trouble> {
        let generation = match begun {
            Some(generation) => generation,
            None => self.create().await?,
        };
        within(CALL, "switching", self.context.store.switch(generation.id, "the first")).await?;
        self.feed(generation).await
    }

    async fn create(&self) -> Result<Generation, Trouble> {
        let projection = self.context.projection;
        within(CALL, "making a generation", self.context.store.create(&projection.table(), projection.version())).await
    }

    /// Runs the task of a live generation, unless it runs or has run already.
    async fn feed(&mut self, generation: Generation) -> Result<(), Trouble> {
        if self.live.as_ref().is_some_and(|live| live.generation.id == generation.id) {
            return Ok(());
        }
        self.stop_live().await.map_err(Trouble::Fatal)?;
        let runner = Runner::open(&self.context, generation, true).await?;
        self.start(runner);
        Ok(())
    }

    fn start(&mut self, runner: Runner) {
        self.live = Some(Live {
            generation: runner.writing.generation.clone(),
            turn: runner.writing.turn.clone(),
            stop: runner.writing.stop.clone(),
            sources: runner.reading.cursors.iter().map(|cursor| cursor.source.clone()).collect(),
            progress: runner.writing.progress.clone(),
            task: Some(AbortOnDropHandle::new(tokio::spawn(runner.follow()))),
        });
    }

    async fn build(&mut self, generation: Generation) -> Result<(), Trouble> {
        let id = generation.id;
        let live = self.live.as_ref().filter(|live| live.generation.version == generation.version);
        if live.is_none() {
            let reason = format!("version {} is built, the one before it is not fed", generation.version);
            self.context.pulse.live(Status::Degraded(reason));
        }
        let built = build(&self.context, generation, live).await;
        match built {
            Ok(Switched { runner, held }) => {
                // It must not take another step once it is let go.
                if let Some(live) = &self.live {
                    live.stop.cancel();
                }
                drop(held);
                self.stop_live().await.map_err(Trouble::Fatal)?;
                self.start(runner);
                Ok(())
            }
            Err(Trouble::Stuck(reason)) => {
                self.context.meters.fatal.increment(1);
                self.given_up.insert(id, format!("generation {id} cannot be built: {reason}"));
                Ok(())
            }
            Err(Trouble::Gone(reason)) => {
                tracing::info!(
                    projection.name = self.context.projection.name(),
                    reason,
                    "a generation was dropped while it was built"
                );
                self.context.pulse.building(None);
                Ok(())
            }
            Err(trouble) => Err(trouble),
        }
    }

    /// Hears of the end of the live task.
    async fn see_to_live(&mut self) -> Result<(), Trouble> {
        let Some(live) = &mut self.live else { return Ok(()) };
        let Some(task) = live.task.take_if(|task| task.is_finished()) else { return Ok(()) };
        match task.await {
            // It has said why itself.
            Ok(Ok(()) | Err(Trouble::Stuck(_))) => {}
            Ok(Err(Trouble::Fatal(error))) => return Err(Trouble::Fatal(error)),
            Ok(Err(_)) => self.live = None,
            Err(error) => self.context.pulse.live(Status::Failing(format!("a defect in the read model: {error}"))),
        }
        Ok(())
    }

    /// Ends the live task after the batch that it has in hand.
    async fn stop_live(&mut self) -> Result<(), ProjectorError> {
        let Some(Live { stop, task, .. }) = self.live.take() else { return Ok(()) };
        stop.cancel();
        match task {
            Some(task) => match task.await {
                Ok(Err(Trouble::Fatal(error))) => Err(error),
                _ => Ok(()),
            },
            None => Ok(()),
        }
    }

    /// Says how many records the live generation has not taken in yet.
    async fn measure(&self) -> Result<(), Trouble> {
        let Some(live) = &self.live else { return Ok(()) };
        let mut lag = 0;
        for (source, next) in live.sources.iter().zip(live.progress.iter()) {
            let end = within(CALL, "asking for the end of the log", self.context.log.end(source)).await?;
            let unread = log::unread(&*self.context.log, source, next.load(Ordering::Relaxed), end);
            lag += within(CALL, "reading what comes next", unread).await?;
        }
        self.context.meters.lag.set(lag as f64);
        Ok(())
    }
}

impl Drop for Keeper {
    /// What is unread is for the next owner to say.
    fn drop(&mut self) {
        self.context.meters.lag.set(0.0);
    }
}
