//! One generation and the task that owns it, with all its partitions and topics.
//!
//! While a full batch is written the next is read and decoded. A transient failure is retried with the same batch; a
//! write without an answer is looked up in the stored positions first. Positions that another owner moved are loaded
//! anew once; the second time the task gives up, since two owners would undo each other for ever.

use crate::{
    backoff::Backoff,
    cursor::{Cursor, Positions},
    memory::Memory,
    meters::Meters,
    pulse::Pulse,
    reading::{Parked, Prepared, Reading},
    sources::sources,
    tail::Tail,
    trouble::{CALL, Trouble, within},
    writing::Writing,
};
use futures::future::select_all;
use log::Log;
use schemas::AnyProjection;
use service::Status;
use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use stores::{Advance, Generation, Store};
use tokio_util::sync::CancellationToken;

/// Least time between two small batches: a few milliseconds of latency for a tenth of the transactions under load.
const PACE: Duration = Duration::from_millis(5);
/// How long to wait for records before looking again.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long to wait where waiting for the log failed.
const UNHEARD: Duration = Duration::from_millis(100);

/// What all generations of a read model share.
#[derive(Clone)]
pub(crate) struct Context {
    pub log: Arc<dyn Log>,
    pub store: Arc<dyn Store>,
    pub tail: Arc<Tail>,
    pub projection: &'static dyn AnyProjection,
    pub meters: Meters,
    pub pulse: Arc<Pulse>,
    pub shutdown: CancellationToken,
}

pub(crate) struct Runner {
    pub context: Context,
    pub reading: Reading,
    pub writing: Writing,
    /// Read and not written yet, in order.
    pending: VecDeque<Prepared>,
    is_live: bool,
    /// The stored positions are not what this task knows of them.
    stale: Option<String>,
    was_reloaded: bool,
}

impl Runner {
    /// Takes up a generation where the store says that it stands.
    pub async fn open(context: &Context, generation: Generation, is_live: bool) -> Result<Self, Trouble> {
        let positions = within(CALL, "reading positions", context.store.positions(generation.id)).await?;
        let cursors = cursors(context, &positions);
        let reading = Reading {
            log: context.log.clone(),
            tail: context.tail.clone(),
            projection: context.projection,
            is_behind: !is_live,
            cursors,
        };
        let mut parked = Parked::default();
        let aggregates = within(CALL, "reading parked records", context.store.parked_aggregates(generation.id)).await?;
        parked.add(aggregates.iter().map(String::as_str));
        let writing = Writing {
            store: context.store.clone(),
            projection: context.projection,
            generation,
            parked,
            memory: Memory::new(positions.is_empty()),
            meters: context.meters.clone(),
            turn: Arc::default(),
            stop: context.shutdown.child_token(),
            progress: reading.cursors.iter().map(|cursor| AtomicU64::new(cursor.next)).collect(),
            is_unsure: false,
        };
        let context = context.clone();
        Ok(Self { context, reading, writing, pending: VecDeque::new(), is_live, stale: None, was_reloaded: false })
    }

    /// Feeds a live generation until it is told to stop or cannot go on.
    pub async fn follow(mut self) -> Result<(), Trouble> {
        self.is_live = true;
        loop {
            let ended = match self.drain().await {
                Ok(()) => match self.wait().await {
                    Ok(()) => continue,
                    // If the log is really away, reading it says so.
                    Err(Trouble::Transient(_)) => match self.pause(UNHEARD).await {
                        Ok(()) => continue,
                        Err(trouble) => trouble,
                    },
                    Err(trouble) => trouble,
                },
                Err(trouble) => trouble,
            };
            if let Trouble::Stuck(reason) | Trouble::Gone(reason) = &ended {
                self.context.pulse.live(Status::Failing(reason.clone()));
            }
            if matches!(ended, Trouble::Stuck(_)) {
                self.context.meters.fatal.increment(1);
            }
            return if matches!(ended, Trouble::Stopped) { Ok(()) } else { Err(ended) };
        }
    }

    /// Takes in everything that there is to read, up to the limits of the cursors.
    pub async fn drain(&mut self) -> Result<(), Trouble> {
        let mut backoff = Backoff::default();
        loop {
            if self.writing.stop.is_cancelled() {
                return Err(Trouble::Stopped);
            }
            let started = Instant::now();
            match self.step().await {
                Ok(took) => {
                    backoff.reset();
                    self.report(None);
                    match took {
                        None => return Ok(()),
                        Some(is_full) if self.is_live && !is_full => self.pause(PACE.saturating_sub(started.elapsed())).await?,
                        Some(_) => {}
                    }
                }
                Err(Trouble::Transient(reason)) => {
                    self.context.meters.retries.increment(1);
                    self.report(Some(&reason));
                    self.pause(backoff.next()).await?;
                }
                Err(Trouble::Stale(reason)) => self.stale = Some(reason),
                Err(trouble) => return Err(trouble),
            }
        }
    }

    /// Sets how far the sources may be read.
    pub fn limit(&mut self, target: Option<&Positions>) {
        for cursor in &mut self.reading.cursors {
            let place = (cursor.source.topic.to_string(), cursor.source.partition);
            cursor.until = target.map(|target| target.get(&place).map_or(0, |(_, next)| *next));
        }
    }

    /// Waits until a source may have something to read.
    pub async fn wait(&mut self) -> Result<(), Trouble> {
        let now = Instant::now();
        let cursors = self.reading.cursors.iter().filter(|cursor| cursor.reads(now));
        let waits: Vec<_> = cursors.map(|cursor| self.context.log.wait(&cursor.source, cursor.next, PATIENCE)).collect();
        let retry = self.reading.cursors.iter().filter_map(|cursor| cursor.held.as_ref()).map(|held| held.retry).min();
        let longest = retry.map_or(PATIENCE, |retry| retry.saturating_duration_since(now).clamp(PACE, PATIENCE));
        if waits.is_empty() {
            drop(waits);
            return self.pause(longest).await;
        }
        tokio::select! {
            () = self.writing.stop.cancelled() => Err(Trouble::Stopped),
            (answer, ..) = select_all(waits) => answer.map(drop).map_err(Trouble::from),
            () = tokio::time::sleep(longest) => Ok(()),
        }
    }

    /// Sleeps, but not beyond the wish to stop.
    pub async fn pause(&mut self, pause: Duration) -> Result<(), Trouble> {
        tokio::select! {
            () = self.writing.stop.cancelled() => Err(Trouble::Stopped),
            () = tokio::time::sleep(pause) => Ok(()),
        }
    }

    /// Writes one batch; answers whether it was full, or nothing if there was nothing to read.
    async fn step(&mut self) -> Result<Option<bool>, Trouble> {
        if self.writing.is_unsure && self.stale.is_none() {
            self.look_up().await?;
        }
        if let Some(reason) = self.stale.clone() {
            self.take_over(reason).await?;
        }
        let mut current = match self.pending.pop_front() {
            Some(pending) => pending,
            None => match self.reading.prepare(&self.writing.parked).await? {
                Some(prepared) => prepared,
                None => return Ok(None),
            },
        };
        let is_full = current.batch.is_full;
        if self.is_live && is_full != self.writing.memory.is_on() {
            self.writing.memory = if is_full { Memory::new(false) } else { Memory::off() };
        }
        let (ahead, applied) = if is_full && self.pending.is_empty() {
            let parked = self.writing.parked.clone();
            tokio::join!(self.reading.prepare(&parked), self.writing.apply(&mut current))
        } else {
            (Ok(None), self.writing.apply(&mut current).await)
        };
        // What went wrong ahead moved no cursor: the next step meets it again.
        let ahead = ahead.ok().flatten();
        if applied.is_err() {
            self.pending.push_front(current);
        } else if self.is_live {
            current.batch.parts.iter().for_each(|part| self.context.meters.position(&part.advance));
        }
        self.pending.extend(ahead);
        applied.map(|()| Some(is_full))
    }

    /// Finds out whether the write without an answer happened.
    async fn look_up(&mut self) -> Result<(), Trouble> {
        let id = self.writing.generation.id;
        let stored = within(CALL, "reading positions", self.context.store.positions(id)).await?;
        let at = |advance: &Advance| stored.get(&(advance.topic.to_string(), advance.partition)).copied().unwrap_or_default();
        let advances: Vec<Advance> =
            self.pending.front().into_iter().flat_map(|unsure| &unsure.batch.parts).map(|part| part.advance.clone()).collect();
        if advances.iter().all(|advance| at(advance) == (advance.to, advance.next_offset)) {
            return self.reload().await;
        }
        self.writing.is_unsure = false;
        if !advances.iter().all(|advance| at(advance).0 == advance.from) {
            self.stale = Some("the stored positions are neither those before the last write nor those after it".to_owned());
        }
        Ok(())
    }

    /// Loads positions anew that another owner moved; a second time is one too many.
    async fn take_over(&mut self, reason: String) -> Result<(), Trouble> {
        if self.was_reloaded {
            return Err(Trouble::Stuck(format!("{reason}; it happened before: end the other owner and restart")));
        }
        let name = self.context.projection.name();
        tracing::warn!(projection.name = name, reason, "another owner moved the position, loading anew");
        self.reload().await?;
        self.was_reloaded = true;
        self.stale = None;
        Ok(())
    }

    /// Goes on from what is stored.
    async fn reload(&mut self) -> Result<(), Trouble> {
        let id = self.writing.generation.id;
        let positions = within(CALL, "reading positions", self.context.store.positions(id)).await?;
        let aggregates = within(CALL, "reading parked records", self.context.store.parked_aggregates(id)).await?;
        let limits: Vec<_> = self.reading.cursors.iter().map(|cursor| cursor.until).collect();
        self.reading.cursors = cursors(&self.context, &positions);
        for (cursor, until) in self.reading.cursors.iter_mut().zip(limits) {
            cursor.until = until;
        }
        for (next, cursor) in self.writing.progress.iter().zip(&self.reading.cursors) {
            next.store(cursor.next, Ordering::Relaxed);
        }
        self.writing.parked.add(aggregates.iter().map(String::as_str));
        self.pending.clear();
        self.writing.memory = Memory::off();
        self.writing.is_unsure = false;
        Ok(())
    }

    fn report(&self, failure: Option<&str>) {
        let held = self.reading.held();
        if self.is_live {
            self.context.pulse.live(match (failure, held) {
                (Some(reason), _) => Status::Failing(reason.to_owned()),
                (None, Some(reason)) => Status::Degraded(reason.to_owned()),
                (None, None) => Status::Ready,
            });
        } else {
            let trouble = failure.or(held);
            let id = self.writing.generation.id;
            self.context.pulse.building(trouble.map(|reason| format!("generation {id} waits: {reason}")));
        }
    }
}

fn cursors(context: &Context, positions: &Positions) -> Vec<Cursor> {
    let sources = sources(context.projection, context.log.partitions());
    sources.into_iter().map(|source| Cursor::at(source, positions)).collect()
}
