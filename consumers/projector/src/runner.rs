//! One generation and the task that owns it, with all its partitions and topics.
//!
//! While a full batch is written the next is read and decoded. A transient failure is retried with the same batch, after
//! [`recovery`](crate::recovery) has looked what became of it. Close to the end of the log small batches keep a pace.

use crate::{
    backoff::Backoff,
    cursor::{Cursor, Positions},
    memory::Memory,
    meters::Meters,
    pulse::Pulse,
    reading::{Parked, Prepared, Reading},
    sources::sources,
    standing::Standing,
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
    sync::{Arc, atomic::AtomicU64},
    time::{Duration, Instant},
};
use stores::{Generation, Store};
use tokio_util::sync::CancellationToken;

/// Least time between two small batches: a few milliseconds of latency for a tenth of the transactions under load.
const PACE: Duration = Duration::from_millis(5);
/// How long to wait for records before looking again.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long to leave a generation to another owner, who moves it at the same time, before looking again.
const OVERLAP: Duration = Duration::from_millis(250);
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
    /// The program ends, or the read model is somebody else's now.
    pub stop: CancellationToken,
}

pub(crate) struct Runner {
    pub context: Context,
    pub reading: Reading,
    pub writing: Writing,
    /// Read and not written yet, in order.
    pub pending: VecDeque<Prepared>,
    /// The stored positions are not what this task knows of them.
    pub stale: Option<String>,
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
            follows: is_live,
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
            stop: context.stop.child_token(),
            standing: Standing::at(&reading.cursors),
            progress: reading.cursors.iter().map(|cursor| AtomicU64::new(cursor.next)).collect(),
            is_unsure: false,
        };
        let context = context.clone();
        Ok(Self { context, reading, writing, pending: VecDeque::new(), stale: None })
    }

    /// Feeds a live generation until it is told to stop or cannot go on.
    pub async fn follow(mut self) -> Result<(), Trouble> {
        self.reading.follows = true;
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
        let mut was_stale = false;
        loop {
            if self.writing.stop.is_cancelled() {
                return Err(Trouble::Stopped);
            }
            let started = Instant::now();
            match self.step().await {
                Ok(took) => {
                    backoff.reset();
                    was_stale = false;
                    self.report(None);
                    match took {
                        None => return Ok(()),
                        Some(is_full) if self.reading.follows && !is_full => {
                            self.pause(PACE.saturating_sub(started.elapsed())).await?
                        }
                        Some(_) => {}
                    }
                }
                Err(Trouble::Transient(reason)) => {
                    self.context.meters.retries.increment(1);
                    self.report(Some(&reason));
                    self.pause(backoff.next()).await?;
                }
                Err(Trouble::Stale(reason)) => {
                    // Once is a hand-over; again, before this task wrote anything, is worth a word.
                    if std::mem::replace(&mut was_stale, true) {
                        self.context.meters.retries.increment(1);
                        self.report(Some(&reason));
                        self.pause(OVERLAP).await?;
                    }
                    self.stale = Some(reason);
                }
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
        let waits: Vec<_> =
            cursors.map(|cursor| Box::pin(self.context.tail.wait(&cursor.source, cursor.next, PATIENCE))).collect();
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
        if self.reading.follows && is_full != self.writing.memory.is_on() {
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
        } else if self.reading.follows {
            current.batch.parts.iter().for_each(|part| self.context.meters.position(&part.advance));
        }
        self.pending.extend(ahead);
        applied.map(|()| Some(is_full))
    }

    fn report(&self, failure: Option<&str>) {
        let held = self.reading.held();
        if self.reading.follows {
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

pub(crate) fn cursors(context: &Context, positions: &Positions) -> Vec<Cursor> {
    let sources = sources(context.projection, context.log.partitions());
    sources.into_iter().map(|source| Cursor::at(source, positions)).collect()
}
