//! Snapshots: what a lane knows, written behind its commits, so that the next owner folds the end of the log and not all of it.
//!
//! What enters is committed state only: a [`Cycle`] takes the changed aggregates and idempotency keys between two batches and hands
//! chunks of them to the log, one at a time, outside any transaction. Nothing waits for them; a log that is busy only
//! delays them. Once all that a cycle began with is stored, it stores a mark, and the mark is what counts.
//!
//! A reader trusts nothing: [`load`] answers only what carries the right stamp, reads well and adds up; everything else
//! is folded from the events and results, which stay the truth. No snapshot is ever read by anybody but a writer's lane.

mod cycle;
mod load;
mod record;

pub(crate) use load::load;
pub(crate) use record::Mark;

use crate::{patience::Pause, state::LaneState, telemetry::SnapshotMeters};
use cycle::{Chunk, Cycle};
use futures::FutureExt;
use log::{Append, Durability, Log, LogError, Offset, Source};
use std::{future::pending, sync::Arc};
use tokio::task::JoinError;
use tokio_util::task::AbortOnDropHandle;

/// The snapshots of a lane.
pub(crate) struct Snapshots {
    log: Arc<dyn Log>,
    meters: SnapshotMeters,
    /// One for each context.
    cycles: Vec<Cycle>,
    under_way: Option<(usize, AbortOnDropHandle<Stored>)>,
    ended: Option<(usize, Result<Stored, JoinError>)>,
}

/// A chunk that the log has.
struct Stored {
    offsets: Vec<Offset>,
    /// Whether the log has nothing more to forget before the start.
    is_trimmed: bool,
}

impl Snapshots {
    /// Goes on after the marks that the lane was loaded from. Without one, all that the lane knows is written anew.
    pub(crate) fn new(log: Arc<dyn Log>, marks: Vec<Option<Mark>>, after: u64) -> Self {
        let cycles = marks.into_iter().map(|mark| Cycle::new(mark, after)).collect();
        Self { log, meters: SnapshotMeters::new(), cycles, under_way: None, ended: None }
    }

    /// Hands the next chunk to the log, if the last one is stored and there is one. Never waits. The state must be the
    /// committed one: between two batches.
    pub(crate) fn step(&mut self, lane: &mut LaneState) {
        if let Some((context, task)) = &mut self.under_way {
            let Some(stored) = task.now_or_never() else { return };
            self.ended = Some((*context, stored));
            self.under_way = None;
        }
        if let Some((context, stored)) = self.ended.take()
            && let Some(cycle) = self.cycles.get_mut(context)
        {
            match stored {
                Ok(Stored { offsets, is_trimmed }) => {
                    self.meters.stored(offsets.len());
                    cycle.stored(&offsets, is_trimmed);
                }
                Err(error) => {
                    tracing::error!(%error, "snapshots stop until the lane starts anew");
                    cycle.give_up();
                }
            }
        }
        for (context, cycle) in self.cycles.iter_mut().enumerate() {
            if let Some(chunk) = cycle.next(lane, context) {
                let task = tokio::spawn(store(self.log.clone(), chunk));
                self.under_way = Some((context, AbortOnDropHandle::new(task)));
                return;
            }
        }
    }

    /// Whether a chunk is under way.
    #[cfg(test)]
    pub(crate) fn is_at_work(&self) -> bool {
        self.under_way.is_some()
    }

    /// Returns when the chunk under way is stored, never if there is none: then it is time for a [`step`](Self::step).
    pub(crate) async fn progress(&mut self) {
        let Some((context, task)) = &mut self.under_way else { return pending().await };
        self.ended = Some((*context, task.await));
        self.under_way = None;
    }
}

/// Appends a chunk, however often that takes; the same records twice are as good as once.
async fn store(log: Arc<dyn Log>, Chunk { source, records, trim }: Chunk) -> Stored {
    let mut pause = Pause::new();
    let offsets = loop {
        match log.append(records.clone(), Durability::Ordered).await {
            Ok(offsets) => break offsets,
            Err(LogError::Fatal(why)) => {
                // The lane meets the same error in its next batch, and says so.
                tracing::debug!(why, "a log that failed takes no snapshots");
                pending::<()>().await;
            }
            Err(error) => {
                tracing::debug!(%error, "snapshots wait for the log");
                tokio::time::sleep(pause.next()).await;
            }
        }
    };
    let is_trimmed = match trim {
        Some(start) => log.trim(&source, start).await.unwrap_or(false),
        None => false,
    };
    Stored { offsets, is_trimmed }
}

/// A record for the snapshots' topic. It has no envelope: nobody did anything.
fn record(source: &Source, key: bytes::Bytes, payload: bytes::Bytes, time: i64) -> Append {
    Append { source: source.clone(), key, envelope: bytes::Bytes::new(), payload, time }
}
