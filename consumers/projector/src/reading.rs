//! The reading half of a task: from the log to a decoded batch that waits for its rows.
//!
//! It runs ahead of the writing half, so a failed step changes no cursor. Close to the end of the log it shares what is
//! decoded with the other read models and takes small batches; far behind it reads for itself and takes large ones.

use crate::{
    batch::Batch,
    cursor::Cursor,
    decode::Chunk,
    seek,
    tail::Tail,
    trouble::{CALL, Trouble, compute, within},
};
use futures::future::join_all;
use log::Log;
use schemas::{AnyProjection, Entry, Slice};
use std::{collections::HashSet, sync::Arc, time::Instant};
use stores::ParkedRecord;

/// Records of a batch close to the end of the log.
pub(crate) const NEAR: usize = 4_096;
/// Records of a batch far behind it.
pub(crate) const FAR: usize = 16_384;

/// The aggregates whose records are set aside.
#[derive(Debug, Clone, Default)]
pub(crate) struct Parked {
    pub aggregates: Arc<HashSet<String>>,
    /// Changes with the set.
    pub version: u64,
}

/// A batch that is read, decoded and sliced by key.
pub(crate) struct Prepared {
    pub batch: Batch,
    pub slice: Option<Box<dyn Slice>>,
    /// What was known to be parked when it was sliced.
    pub parked: u64,
}

pub(crate) struct Reading {
    pub log: Arc<dyn Log>,
    pub tail: Arc<Tail>,
    pub projection: &'static dyn AnyProjection,
    pub cursors: Vec<Cursor>,
    /// Whether there was more than the last batch took.
    pub is_behind: bool,
    /// Whether it feeds a live generation and comes back for what arrives; else it reads to the end.
    pub follows: bool,
}

impl Parked {
    /// Adds aggregates; a record without a readable key has none.
    pub fn add<'a>(&mut self, aggregates: impl IntoIterator<Item = &'a str>) {
        for aggregate in aggregates {
            if !aggregate.is_empty() && !self.aggregates.contains(aggregate) {
                Arc::make_mut(&mut self.aggregates).insert(aggregate.to_owned());
                self.version += 1;
            }
        }
    }
}

/// Slices entries by key; hands them back.
pub(crate) async fn open(
    projection: &'static dyn AnyProjection,
    batch: &mut Batch,
    parked: &Parked,
) -> Result<Box<dyn Slice>, Trouble> {
    let mut parked = parked.clone();
    parked.add(batch.broken.iter().map(|record: &ParkedRecord| record.aggregate.as_str()));
    let entries: Vec<Entry> = std::mem::take(&mut batch.entries);
    let open = move || {
        let slice = projection.open(&entries, &parked.aggregates);
        (entries, slice)
    };
    let (entries, slice) = compute(batch.offsets.len(), open).await?;
    batch.entries = entries;
    Ok(slice)
}

impl Reading {
    /// The next batch, if there is something to read.
    pub async fn prepare(&mut self, parked: &Parked) -> Result<Option<Prepared>, Trouble> {
        let now = Instant::now();
        let mut cursors = self.cursors.clone();
        let share = (if self.is_behind { FAR } else { NEAR } / cursors.len().max(1)).max(1);
        let this = &*self;
        let reads = cursors.iter().enumerate().filter(|(_, cursor)| cursor.reads(now));
        let reads = reads.map(|(place, cursor)| async move { (place, this.read(cursor, share).await) });
        let chunks = join_all(reads).await;
        let mut batch = Batch::default();
        for (place, chunk) in chunks {
            let cursor = &mut cursors[place];
            let chunk = if cursor.verified { chunk? } else { self.verify(cursor, chunk?, share).await? };
            let Chunk { next, items, newer, .. } = chunk;
            batch.is_full |= items.len() >= share;
            batch.take(place, cursor, items).map_err(|fault| {
                Trouble::Stuck(format!(
                    "{} at offset {}: {fault}; nothing is skipped: check the log with swarmlog verify",
                    cursor.source, cursor.next
                ))
            })?;
            cursor.held.take_if(|held| held.offset < cursor.next);
            if let Some(schema) = newer.filter(|_| cursor.next == next) {
                cursor.hold(next, schema, now);
            }
        }
        if batch.is_empty() {
            self.cursors = cursors;
            self.is_behind = false;
            return Ok(None);
        }
        let slice = loop {
            let slice = open(self.projection, &mut batch, parked).await?;
            let Some((index, schema)) = slice.newer() else { break slice };
            let Some((place, offset)) = batch.cut(index, &mut cursors) else {
                return Err(Trouble::Stuck("a defect: the record that needs an upgrade is not in its batch".to_owned()));
            };
            cursors[place].hold(offset, schema, now);
        };
        self.cursors = cursors;
        self.is_behind = batch.is_full;
        Ok((!batch.is_empty()).then(|| Prepared { batch, slice: Some(slice), parked: parked.version }))
    }

    /// Why it waits for an upgrade, if it does.
    pub fn held(&self) -> Option<&str> {
        self.cursors.iter().find_map(|cursor| cursor.held.as_ref()).map(|held| held.reason.as_str())
    }

    async fn read(&self, cursor: &Cursor, share: usize) -> Result<Chunk, Trouble> {
        if self.is_behind || !self.follows {
            self.tail.read_alone(&cursor.source, cursor.next, share).await
        } else {
            self.tail.follow(&cursor.source, cursor.next, share).await
        }
    }

    /// Checks the stored offset on the first record that it leads to; finds the place anew if it leads astray.
    async fn verify(&self, cursor: &mut Cursor, chunk: Chunk, share: usize) -> Result<Chunk, Trouble> {
        let hint = cursor.next;
        let mut line = cursor.line;
        for item in &chunk.items {
            match &item.read {
                Err(_) => drop(line.take_unreadable(item.offset)),
                Ok(entry) if line.take(entry.position).is_ok() => {
                    cursor.verified = true;
                    return Ok(chunk);
                }
                Ok(_) => return self.find(cursor, hint, share).await,
            }
        }
        let end = within(CALL, "asking for the end of the log", self.log.end(&cursor.source)).await?;
        if hint > end { self.find(cursor, hint, share).await } else { Ok(chunk) }
    }

    async fn find(&self, cursor: &mut Cursor, hint: u64, share: usize) -> Result<Chunk, Trouble> {
        cursor.next = seek::behind(&*self.log, &self.tail, &cursor.source, cursor.line.position()).await?;
        tracing::info!(source.name = %cursor.source, hint, offset = cursor.next, "the stored offset led astray, the position is found");
        cursor.verified = true;
        let mut chunk = self.tail.read_alone(&cursor.source, cursor.next, share).await?;
        // What could not be read between the position and the stored offset was set aside when the offset was stored.
        let known = chunk.items.iter().take_while(|item| item.read.is_err() && item.offset < hint).count();
        for item in chunk.items.drain(..known) {
            cursor.line.take_unreadable(item.offset);
            cursor.next = item.offset + 1;
        }
        Ok(chunk)
    }
}
