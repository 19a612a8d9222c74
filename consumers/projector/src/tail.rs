//! What was read last of every source, decoded once for all read models that follow the log.
//!
//! Whoever comes first waits, reads and decodes; the others, who want the same stretch at about the same time, find it here.
//! Bounded: a few stretches per source. Whoever is far behind reads for itself and leaves this alone.

use crate::{
    decode::{Chunk, decode},
    trouble::{CALL, Trouble, compute, within},
};
use log::{Log, LogError, Offset, Record, Source};
use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::watch;

/// Stretches kept per source.
const KEPT: usize = 8;

pub(crate) struct Tail {
    log: Arc<dyn Log>,
    sources: Mutex<HashMap<Source, Arc<Stretches>>>,
}

/// What is known of the end of a source.
struct Stretches {
    kept: tokio::sync::Mutex<VecDeque<Chunk>>,
    /// Held by the one who waits for all.
    watch: tokio::sync::Mutex<()>,
    /// Whoever stands before this offset has something to read.
    arrived: watch::Sender<Offset>,
}

impl Tail {
    pub fn new(log: Arc<dyn Log>) -> Self {
        Self { log, sources: Mutex::default() }
    }

    /// At most `max` records that have arrived or were read by others.
    pub async fn follow(&self, source: &Source, from: Offset, max: usize) -> Result<Chunk, Trouble> {
        let stretches = self.stretches(source);
        let mut kept = stretches.kept.lock().await;
        if let Some(chunk) = kept.iter().rev().find_map(|chunk| part(chunk, from, max)) {
            return Ok(chunk);
        }
        if *stretches.arrived.borrow() <= from && stretches.watch.try_lock().is_err() {
            return decoded(source, from, Vec::new()).await;
        }
        let records = within(CALL, "following the log", self.log.follow(source, from, max)).await?;
        let chunk = decoded(source, from, records).await?;
        if !chunk.items.is_empty() {
            kept.push_back(chunk.clone());
            if kept.len() > KEPT {
                kept.pop_front();
            }
        }
        Ok(chunk)
    }

    /// Returns once there may be something at or behind `from`, or after `wait`.
    pub async fn wait(&self, source: &Source, from: Offset, wait: Duration) -> Result<(), LogError> {
        let stretches = self.stretches(source);
        let mut arrived = stretches.arrived.subscribe();
        let _watch = tokio::select! {
            biased;
            _ = arrived.wait_for(|arrived| *arrived > from) => return Ok(()),
            watch = stretches.watch.lock() => watch,
        };
        if self.log.wait(source, from, wait).await? {
            stretches.arrived.send_if_modified(|arrived| std::mem::replace(arrived, (*arrived).max(from + 1)) <= from);
        }
        Ok(())
    }

    fn stretches(&self, source: &Source) -> Arc<Stretches> {
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        sources.entry(source.clone()).or_default().clone()
    }

    /// Reads without sharing.
    pub async fn read_alone(&self, source: &Source, from: Offset, max: usize) -> Result<Chunk, Trouble> {
        let records = within(CALL, "reading the log", self.log.read(source, from, max)).await?;
        decoded(source, from, records).await
    }
}

impl Default for Stretches {
    fn default() -> Self {
        Self { kept: Default::default(), watch: Default::default(), arrived: watch::Sender::new(0) }
    }
}

async fn decoded(source: &Source, from: Offset, records: Vec<Record>) -> Result<Chunk, Trouble> {
    let source = source.clone();
    compute(records.len(), move || decode(&source, from, records)).await
}

/// The items of `chunk` at and behind `from`, at most `max`.
fn part(chunk: &Chunk, from: Offset, max: usize) -> Option<Chunk> {
    let items: Vec<_> = chunk.items[chunk.place(from)?..].iter().take(max).cloned().collect();
    let next = items.last()?.offset + 1;
    let newer = chunk.newer.filter(|_| next == chunk.next);
    Some(Chunk { from, next, items, newer })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

    use super::*;
    use schemas::SchemaId;

    #[test]
    fn a_part_of_a_stretch_goes_on_where_it_ends() {
        let source = Source { topic: "work.events".into(), partition: 0 };
        let record = |offset| Record { offset, time: 0, key: "".into(), envelope: "x".into(), payload: "".into() };
        let chunk = Chunk { newer: Some(SchemaId(1)), ..decode(&source, 2, vec![record(2), record(3), record(4)]) };
        let seen = |from, max| part(&chunk, from, max).map(|part| (part.next, part.items.len(), part.newer));
        assert_eq!(seen(3, 9), Some((5, 2, Some(SchemaId(1)))));
        assert_eq!(seen(2, 1), Some((3, 1, None)), "the newer record lies behind what was not taken");
        assert_eq!((seen(1, 9), seen(5, 9)), (None, None));
    }
}
