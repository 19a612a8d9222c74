//! The writing half of a task: load the rows of a batch, fold, write rows and position in one transaction.
//!
//! One turn per batch: whoever holds the turn keeps the generation where it is, which is how a rebuild pauses the live
//! one. A batch that failed is folded again from its entries, so a write is never copied to be kept.

use crate::{
    memory::{Lesson, Memory},
    meters::Meters,
    reading::{Parked, Prepared, open},
    standing::Standing,
    trouble::{CALL, Trouble, compute, within},
};
use schemas::{AnyProjection, Folded, Slice, row::Value};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};
use stores::{Generation, ParkedRecord, Store, Write};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

pub(crate) struct Writing {
    pub store: Arc<dyn Store>,
    pub projection: &'static dyn AnyProjection,
    pub generation: Generation,
    pub parked: Parked,
    pub memory: Memory,
    pub meters: Meters,
    /// Held while a batch is written.
    pub turn: Arc<Mutex<()>>,
    pub stop: CancellationToken,
    /// What was written so far.
    pub standing: Standing,
    /// Next offset of every cursor, for whoever measures the lag.
    pub progress: Arc<[AtomicU64]>,
    /// Nobody knows whether the last write happened.
    pub is_unsure: bool,
}

impl Writing {
    /// Writes the batch. On an error it is still whole and can be tried again.
    pub async fn apply(&mut self, prepared: &mut Prepared) -> Result<(), Trouble> {
        let turn = self.turn.clone();
        let _turn = turn.lock().await;
        if self.stop.is_cancelled() {
            return Err(Trouble::Stopped);
        }
        let started = Instant::now();
        let known = prepared.parked == self.parked.version;
        let slice = match prepared.slice.take() {
            Some(slice) if known => slice,
            _ => open(self.projection, &mut prepared.batch, &self.parked).await?,
        };
        let (folded, lesson) = self.fold(slice, prepared.batch.entries.len()).await?;
        let Folded { upserts, deletes, parked, applied, ignored } = folded;
        let mut set_aside: Vec<ParkedRecord> = prepared.batch.broken.clone();
        set_aside.extend(parked.into_iter().filter_map(|parked| record(prepared, parked)));
        let aggregates: Vec<String> = set_aside.iter().map(|record| record.aggregate.clone()).collect();
        let first = set_aside.first().map(|r| format!("{}/{} position {}: {}", r.topic, r.partition, r.position, r.reason));
        let advance = self.standing.steps(self.projection.grain(), &prepared.batch.parts);
        let (generation, facts) = (self.generation.id, self.projection.is_facts());
        let write = Write { generation, advance, upserts, facts, deletes, parked: set_aside };
        self.is_unsure = true;
        within(CALL, "writing rows", self.store.write(write)).await?;
        self.is_unsure = false;

        self.standing.moved(&prepared.batch.parts);
        self.memory.remember(lesson);
        self.parked.add(aggregates.iter().map(String::as_str));
        self.meters.applied.increment(applied as u64);
        self.meters.ignored.increment(ignored as u64);
        self.meters.parked.increment(aggregates.len() as u64);
        self.meters.batch.record(started.elapsed());
        for part in &prepared.batch.parts {
            if let Some(next) = self.progress.get(part.cursor) {
                next.store(part.advance.next_offset, Ordering::Relaxed);
            }
        }
        if let Some(first) = first {
            let (name, count) = (self.projection.name(), aggregates.len());
            tracing::warn!(projection.name = name, records.count = count, records.first = first, "records were set aside");
        }
        Ok(())
    }

    /// Folds the slice over its rows, from memory or from the store.
    async fn fold(&mut self, slice: Box<dyn Slice>, records: usize) -> Result<(Folded, Lesson), Trouble> {
        let mut memory = std::mem::replace(&mut self.memory, Memory::off());
        let recall = move || {
            let known = memory.recall(slice.keys());
            let missing = slice.keys().iter().zip(&known).filter(|(_, known)| known.is_none());
            let missing: Vec<Vec<Value>> = missing.map(|(key, _)| key.clone()).collect();
            (slice, memory, known, missing)
        };
        let (slice, memory, known, missing) = compute(records, recall).await?;
        let is_learning = memory.is_on() && !self.projection.is_facts();
        self.memory = memory;
        let mut loaded = Vec::new();
        if !missing.is_empty() {
            loaded = within(CALL, "loading rows", self.store.load(self.generation.id, &missing)).await?;
        }
        if loaded.len() != missing.len() {
            return Err(Trouble::Stuck("a defect of the store: it answered another number of rows than asked for".to_owned()));
        }
        let key = self.projection.table().key;
        let fold = move || {
            let mut loaded = loaded.into_iter();
            let rows = known.into_iter().map(|row| row.unwrap_or_else(|| loaded.next().flatten())).collect();
            let folded = slice.fold(rows);
            let learnt = is_learning.then(|| Lesson::of(&folded.upserts, &folded.deletes, key));
            (folded, learnt.unwrap_or_default())
        };
        compute(records, fold).await
    }
}

fn record(prepared: &Prepared, parked: schemas::Parked) -> Option<ParkedRecord> {
    let entry = prepared.batch.entries.get(parked.index)?;
    Some(ParkedRecord {
        topic: entry.topic.to_string(),
        partition: entry.partition,
        position: entry.position,
        offset: *prepared.batch.offsets.get(parked.index)?,
        aggregate: entry.envelope.key(),
        reason: parked.reason,
        envelope: entry.envelope_bytes.to_vec(),
        payload: entry.payload.to_vec(),
    })
}
