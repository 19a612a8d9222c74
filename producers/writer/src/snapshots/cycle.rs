//! The snapshots of one context, cycle after cycle.
//!
//! A cycle notes where the lane stands, writes all that changed before that, and then marks that place as covered. What
//! changes meanwhile is written as it is then: an aggregate may be ahead of the mark, never behind it. Old records pile up
//! before the new ones; when most are old, a cycle writes everything anew, and the log may forget what came before.

use super::{
    record,
    record::{MARK, Mark, Snapshot, segment_key, stamp},
};
use crate::{deduplication::SEGMENT, state::LaneState};
use bytes::Bytes;
use log::{Append, Offset, Source};
use schemas::snapshots_topic;
use std::{mem, ops::Range};

/// Records and bytes of a chunk: a fraction of a millisecond of the lane's time.
const CHUNK: usize = if cfg!(test) { 3 } else { 512 };
const CHUNK_BYTES: usize = 256 << 10;

/// Records to store, and where older ones may be forgotten.
pub(super) struct Chunk {
    pub(super) source: Source,
    pub(super) records: Vec<Append>,
    /// The log may forget what comes before.
    pub(super) trim: Option<Offset>,
}

pub(super) struct Cycle {
    /// The newest mark in the log.
    mark: Option<Mark>,
    /// The offset after the last record.
    end: Offset,
    after: u64,
    work: Option<Work>,
    /// Keys before this place stand in the log.
    keys_written: u64,
    is_trimmed: bool,
    is_given_up: bool,
}

/// What a cycle has to do.
struct Work {
    /// What will be covered; the keys are added up when all else is stored.
    mark: Mark,
    /// Whether everything is written, so that the first record that is stored becomes the start.
    starts_anew: bool,
    start: Option<Offset>,
    /// How many aggregates are to be written yet, by the number of their type.
    aggregates: Vec<(usize, usize)>,
    segments: Range<u64>,
    /// Whether the mark is on its way.
    is_marked: bool,
}

/// A chunk while it grows; the payloads share a buffer.
struct Draft {
    keys: Vec<(Bytes, Range<usize>)>,
    payloads: Vec<u8>,
    state: Vec<u8>,
}

impl Cycle {
    pub(super) fn new(mark: Option<Mark>, after: u64) -> Self {
        let (end, keys_written) = mark.as_ref().map_or((0, 0), |mark| (mark.start, mark.end));
        Self { mark, end, after, work: None, keys_written, is_trimmed: false, is_given_up: false }
    }

    /// The next records to store.
    pub(super) fn next(&mut self, lane: &mut LaneState, context: usize) -> Option<Chunk> {
        if self.is_given_up {
            return None;
        }
        if self.work.is_none() {
            self.work = self.begin(lane, context);
        }
        let work = self.work.as_mut()?;
        let mut draft = Draft { keys: Vec::with_capacity(CHUNK + 1), payloads: Vec::new(), state: Vec::new() };
        let written = work.write(lane, context, &mut draft).and_then(|()| {
            if draft.keys.is_empty() {
                work.finish(lane, context, self.end);
                draft.add(MARK.into(), &Snapshot::Mark(work.mark.clone()))
            } else if let Some(mark) = &self.mark {
                // The last record is always a mark, so nobody has to look for one.
                draft.add(MARK.into(), &Snapshot::Mark(mark.clone()))
            } else {
                Ok(())
            }
        });
        if let Err(error) = written {
            tracing::error!(error, "a state cannot be written, there are no snapshots until the lane starts anew");
            self.give_up();
            return None;
        }
        let topic = lane.deciders.contexts().get(context).map(|name| snapshots_topic(name))?;
        let source = Source { topic: topic.into(), partition: lane.address.partition };
        let records = draft.records(&source, lane.frontier.recorded_at);
        let trim = self.mark.as_ref().filter(|_| !self.is_trimmed).map(|mark| mark.start);
        Some(Chunk { source, records, trim })
    }

    /// The log has the chunk.
    pub(super) fn stored(&mut self, offsets: &[Offset], is_trimmed: bool) {
        self.is_trimmed |= is_trimmed;
        self.end = offsets.last().map_or(self.end, |last| last + 1);
        let Some(work) = &mut self.work else { return };
        work.start = work.start.or(offsets.first().copied());
        if work.is_marked {
            self.keys_written = work.mark.end;
            let mark = Some(work.mark.clone());
            self.is_trimmed &= !work.starts_anew;
            (self.mark, self.work) = (mark, None);
        }
    }

    /// Writes nothing more.
    pub(super) fn give_up(&mut self) {
        (self.is_given_up, self.work) = (true, None);
    }

    /// A cycle, if enough has happened since the last.
    fn begin(&mut self, lane: &mut LaneState, number: usize) -> Option<Work> {
        let context = lane.contexts.get(number)?;
        let (event, result) = self.mark.as_ref().map_or((0, 0), |mark| (mark.next_event, mark.next_result));
        let since = context.next_event.saturating_sub(event) + context.next_result.saturating_sub(result);
        if since < self.after {
            return None;
        }
        let kinds: Vec<usize> = lane.deciders.kinds_of(number).collect();
        let journal = lane.keys.journal(number)?;
        let aggregates: usize = kinds.iter().filter_map(|kind| lane.tables.get(*kind)).map(|table| table.len()).sum();
        let lasting = aggregates as u64 + journal.end() / SEGMENT as u64 - journal.first();
        let is_full = |mark: &Mark| self.end.saturating_sub(mark.start) > 2 * lasting + 4 * self.after;
        let starts_anew = self.mark.as_ref().is_none_or(is_full);
        let mark = Mark {
            stamp: stamp(lane, number),
            start: self.mark.as_ref().map_or(0, |mark| mark.start),
            position: lane.frontier.positions.get(number).copied()?,
            next_event: context.next_event,
            next_result: context.next_result,
            recorded_at: lane.frontier.recorded_at,
            first: journal.first(),
            end: journal.end(),
            sum: 0,
        };
        let segment = SEGMENT as u64;
        let segments = if starts_anew { mark.first } else { self.keys_written / segment }..mark.end.div_ceil(segment);
        let aggregates = kinds.into_iter().filter_map(|kind| {
            let table = lane.tables.get_mut(kind)?;
            Some((kind, if starts_anew { table.change_all() } else { table.changed() }))
        });
        let aggregates = aggregates.collect();
        Some(Work { mark, starts_anew, start: None, aggregates, segments, is_marked: false })
    }
}

impl Work {
    /// Fills a chunk with what is to be written yet.
    fn write(&mut self, lane: &mut LaneState, context: usize, draft: &mut Draft) -> Result<(), String> {
        let (stamp, most) = (self.mark.stamp, lane.keys.most_segments());
        for (kind, left) in &mut self.aggregates {
            let Some(table) = lane.tables.get_mut(*kind) else { continue };
            while *left > 0 && !draft.is_full() {
                *left -= 1;
                let mut state = mem::take(&mut draft.state);
                state.clear();
                if let Some(frozen) = table.freeze(&mut state) {
                    let frozen = frozen.map_err(|error| error.to_string())?;
                    let key = Bytes::copy_from_slice(frozen.key.as_bytes());
                    draft.add(key, &Snapshot::Aggregate { stamp, kind: *kind, seq: frozen.seq, state: &state })?;
                }
                draft.state = state;
            }
        }
        while !draft.is_full()
            && let Some(number) = self.segments.next()
        {
            if let Some(entries) = lane.keys.journal(context).and_then(|journal| journal.segment(number)) {
                draft.add(segment_key(number, most), &Snapshot::Keys { stamp, number, entries: entries.into() })?;
            }
        }
        Ok(())
    }

    /// All is stored: adds up the keys that are still worth it.
    fn finish(&mut self, lane: &LaneState, context: usize, end: Offset) {
        self.is_marked = true;
        if self.starts_anew {
            self.mark.start = self.start.unwrap_or(end);
        }
        if let Some(journal) = lane.keys.journal(context) {
            self.mark.first = journal.first();
            self.mark.end = self.mark.end.max(journal.first() * SEGMENT as u64);
            self.mark.sum = journal.sum(self.mark.end);
        }
    }
}

impl Draft {
    fn is_full(&self) -> bool {
        self.keys.len() >= CHUNK || self.payloads.len() >= CHUNK_BYTES
    }

    fn add(&mut self, key: Bytes, snapshot: &Snapshot<'_>) -> Result<(), String> {
        let start = self.payloads.len();
        snapshot.encode(&key, &mut self.payloads).map_err(|error| error.to_string())?;
        self.keys.push((key, start..self.payloads.len()));
        Ok(())
    }

    fn records(self, source: &Source, time: i64) -> Vec<Append> {
        let payloads = Bytes::from(self.payloads);
        self.keys.into_iter().map(|(key, payload)| record(source, key, payloads.slice(payload), time)).collect()
    }
}
