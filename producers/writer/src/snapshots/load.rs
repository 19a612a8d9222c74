//! Loads a context of a lane from its snapshots.
//!
//! What enters is an untouched context; what leaves is one that stands at the newest mark, with aggregates that may be ahead of
//! it, or an untouched one if there is no mark, or the records that it vouches for are not all there. The states are
//! read once, to know that they can be, and kept as bytes until somebody needs them.

use super::record::{Mark, Snapshot, stamp};
use crate::{
    deduplication::Entry,
    glance::EnvelopeGlance,
    offsets::after,
    patience::{Interrupt, Patience},
    recovery::fold,
    state::{Context, LaneState},
};
use log::{Log, LogError, Offset, Record, Source};
use schemas::{codec, snapshots_topic};
use std::collections::BTreeMap;

/// How many of the last records are looked at first.
const LAST: u64 = 16;

/// A lane while it is loaded.
struct Loading {
    lane: LaneState,
    stamp: u64,
    segments: BTreeMap<u64, Vec<Entry>>,
    /// Records from this offset on are worth nothing.
    end: Offset,
}

/// Loads a context; answers the mark at which it stands.
pub(crate) async fn load(
    log: &dyn Log,
    lane: &mut LaneState,
    number: usize,
    patience: &mut Patience,
) -> Result<Option<Mark>, Interrupt> {
    let Some(name) = lane.deciders.contexts().get(number) else { return Ok(None) };
    let source = Source { topic: snapshots_topic(name).into(), partition: lane.address.partition };
    let stamp = stamp(lane, number);
    let end = patience.until(|| log.end(&source)).await?;
    let Some(mark) = patience.until(|| Box::pin(newest_mark(log, &source, end, stamp))).await? else { return Ok(None) };
    let Some(context) = lane.contexts.get(number).cloned() else { return Ok(None) };
    if !patience.until(|| Box::pin(is_in_the_log(log, &context, &mark))).await? {
        tracing::warn!(log.source = %source, "snapshots are ignored, for the log has lost what they cover");
        return Ok(None);
    }
    let loading = Loading { lane: lane.take(), stamp, segments: BTreeMap::new(), end };
    let take = |loading: &mut Loading, record: &Record| loading.take(record);
    let (Loading { lane: loaded, segments, .. }, taken) = fold(log, &source, mark.start, patience, loading, take).await?;
    *lane = loaded;
    if let Err(why) = taken.and_then(|()| lane.stand_at(number, &mark, segments)) {
        tracing::warn!(log.source = %source, why, "snapshots are ignored, the lane folds the whole log");
        lane.forget(number);
        return Ok(None);
    }
    Ok(Some(mark))
}

impl Loading {
    fn take(&mut self, record: &Record) -> Result<(), String> {
        let of = |what: &str| format!("{what} at offset {}", record.offset);
        match Snapshot::decode(record, self.stamp) {
            _ if record.offset >= self.end => {}
            Some(Snapshot::Aggregate { kind, seq, state, .. }) => {
                let key = std::str::from_utf8(&record.key).map_err(|error| of(&error.to_string()))?;
                let table = self.lane.tables.get_mut(kind).ok_or_else(|| of("an aggregate of no type"))?;
                table.restore(key, seq, state).map_err(|error| of(&error.to_string()))?;
            }
            Some(Snapshot::Keys { number, entries, .. }) => drop(self.segments.insert(number, entries.into_owned())),
            // Whoever wrote with another stamp is not trusted; should the record be missed, the sums will not add up.
            Some(Snapshot::Mark(_)) | None => {}
        }
        Ok(())
    }
}

impl LaneState {
    fn stand_at(&mut self, number: usize, mark: &Mark, segments: BTreeMap<u64, Vec<Entry>>) -> Result<(), String> {
        if let Some(journal) = self.keys.journal_mut(number) {
            journal.restore(mark.first, mark.end, mark.sum, segments).map_err(|error| error.to_string())?;
        }
        if let (Some(context), Some(position)) = (self.contexts.get_mut(number), self.frontier.positions.get_mut(number)) {
            (context.next_event, context.next_result, context.is_restored) = (mark.next_event, mark.next_result, true);
            *position = mark.position;
        }
        self.frontier.recorded_at = self.frontier.recorded_at.max(mark.recorded_at);
        Ok(())
    }
}

/// Whether the log still ends where the mark says, or later: a broker that crashed may have lost the end of a partition.
async fn is_in_the_log(log: &dyn Log, context: &Context, mark: &Mark) -> Result<bool, LogError> {
    if log.end(&context.results).await? < mark.next_result {
        return Ok(false);
    }
    let Some(last) = mark.next_event.checked_sub(1) else { return Ok(mark.position == 0) };
    let records = log.read(&context.events, last, 1).await?;
    let envelope = records.first().and_then(|record| codec::decode::<EnvelopeGlance>(&record.envelope).ok());
    Ok(envelope.is_some_and(|envelope| envelope.position == mark.position))
}

/// The newest mark before `end`: it is among the last records unless somebody died or wrote with another stamp.
async fn newest_mark(log: &dyn Log, source: &Source, end: Offset, stamp: u64) -> Result<Option<Mark>, LogError> {
    let (mut from, mut until, mut step) = (end.saturating_sub(LAST), end, LAST);
    while until > 0 {
        let (mut newest, mut next) = (None, from);
        while next < until {
            let records = log.read(source, next, usize::try_from(until - next).unwrap_or(usize::MAX).min(8192)).await?;
            let Some(last) = records.last() else { break };
            next = after(last.offset);
            let marks = records.iter().filter(|record| record.offset < until).filter_map(|record| {
                if let Some(Snapshot::Mark(mark)) = Snapshot::decode(record, stamp) { Some(mark) } else { None }
            });
            newest = marks.last().or(newest);
        }
        if newest.is_some() {
            return Ok(newest);
        }
        step *= 8;
        (from, until) = (from.saturating_sub(step), from);
    }
    Ok(None)
}
