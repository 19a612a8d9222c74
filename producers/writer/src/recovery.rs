//! Catches up with the log: after a start, from the snapshots or else the beginning; after an unknown outcome or a lost and regained lane,
//! from where the state stands.
//!
//! Events are read in large batches and folded on a blocking thread while the next batch is read. Every position and
//! seq is checked: a hole or a double stops the writer. Of the results only those within the window of the idempotency
//! keys are read. The caller owns the lane's transactional name, so nobody else writes meanwhile.

use crate::{
    GROUP, WriterError,
    answer::is_first,
    deduplication::{BodyHash, Place, Scope},
    error::in_short,
    glance::{EnvelopeGlance, ResultGlance},
    offsets::{after, after_all},
    patience::{Interrupt, Patience},
    snapshots::{self, Mark},
    state::{Context, LaneState},
    table::ReplayError,
};
use log::{Log, LogError, Offset, Record, Source};
use schemas::{Stream, codec};
use uuid::Uuid;

/// How many records are read at once.
const READ: usize = 8192;

/// Brings `lane` to the end of its events and results, and says where its commands go on. An interrupted recovery
/// leaves a state that is behind, or an empty one; both are good to catch up from. Answers the marks of the snapshots that
/// contexts were loaded from.
pub(crate) async fn catch_up(
    log: &dyn Log,
    lane: &mut LaneState,
    patience: &mut Patience,
    now: i64,
) -> Result<Vec<Option<Mark>>, Interrupt> {
    let horizon = lane.keys.begin(now);
    let mut marks = Vec::with_capacity(lane.contexts.len());
    for number in 0..lane.contexts.len() {
        let mark = if lane.is_untouched(number) { snapshots::load(log, lane, number, patience).await? } else { None };
        let is_restored = lane.contexts.get(number).is_some_and(|context| context.is_restored);
        marks.push(match replay(log, lane, number, Stream::Events, patience).await {
            Ok(()) if !is_restored || lane.is_whole(number) => mark,
            // What the snapshots say does not lead to what the log says: the log is right.
            Ok(()) | Err(Interrupt::Stop(WriterError::Damaged { .. })) if is_restored => {
                tracing::warn!(lane.partition = lane.address.partition, "snapshots do not add up, the lane folds the whole log");
                lane.forget(number);
                replay(log, lane, number, Stream::Events, patience).await?;
                None
            }
            outcome => outcome.map(|()| None)?,
        });
        let Some(context) = lane.contexts.get_mut(number) else { continue };
        context.is_restored = false;
        let Context { commands, results, .. } = context.clone();
        let oldest = patience.until(|| log.offset_at(&results, horizon)).await?;
        if let Some(context) = lane.contexts.get_mut(number) {
            context.next_result = context.next_result.max(oldest);
        }
        replay(log, lane, number, Stream::Results, patience).await?;
        let next = match patience.until(|| log.committed(GROUP, &commands)).await? {
            Some(next) => next,
            None => patience.until(|| Box::pin(after_last_answered(log, &commands, &results))).await?,
        };
        if let Some(context) = lane.contexts.get_mut(number) {
            context.next_command = next;
        }
    }
    lane.keys.settle(now.max(lane.frontier.recorded_at));
    Ok(marks)
}

async fn replay(
    log: &dyn Log,
    lane: &mut LaneState,
    number: usize,
    stream: Stream,
    patience: &mut Patience,
) -> Result<(), Interrupt> {
    let Some(context) = lane.contexts.get(number) else { return Ok(()) };
    let (source, next) = match stream {
        Stream::Results => (context.results.clone(), context.next_result),
        Stream::Events | Stream::Commands => (context.events.clone(), context.next_event),
    };
    let take = move |state: &mut LaneState, record: &Record| state.replay(number, stream, record);
    let (state, folded) = fold(log, &source, next, patience, lane.take(), take).await?;
    *lane = state;
    Ok(folded?)
}

/// Folds the records of `source` from `next` on into `state`, on a blocking thread while the next ones are read, up to the
/// end or the first that does not fit.
pub(crate) async fn fold<T: Send + 'static, E: Send + 'static>(
    log: &dyn Log,
    source: &Source,
    mut next: Offset,
    patience: &mut Patience,
    mut state: T,
    take: impl Fn(&mut T, &Record) -> Result<(), E> + Send + Copy + 'static,
) -> Result<(T, Result<(), E>), Interrupt> {
    let mut records = patience.until(|| log.read(source, next, READ)).await?;
    while !records.is_empty() {
        next = after_all(next, &records);
        let batch = std::mem::take(&mut records);
        let folding = tokio::task::spawn_blocking(move || {
            let folded = batch.iter().try_for_each(|record| take(&mut state, record));
            (state, folded)
        });
        let (folded, more) = tokio::join!(folding, patience.until(|| log.read(source, next, READ)));
        let folded = folded.map_err(|error| WriterError::Defect(format!("a recovery broke off: {error}")))?;
        if folded.1.is_err() {
            return Ok(folded);
        }
        (state, records) = (folded.0, more?);
    }
    Ok((state, Ok(())))
}

impl LaneState {
    /// Takes a committed record into the state.
    pub(crate) fn replay(&mut self, number: usize, stream: Stream, record: &Record) -> Result<(), WriterError> {
        let Some(context) = self.contexts.get_mut(number) else { return Ok(()) };
        let place = if stream == Stream::Results { &context.results } else { &context.events };
        let offset = record.offset;
        let outdated = |detail: String| WriterError::Outdated { place: place.clone(), offset, detail };
        let damaged = |detail: String| WriterError::Damaged { place: place.clone(), offset, detail };
        let envelope: EnvelopeGlance = codec::decode(&record.envelope).map_err(|error| outdated(in_short(&error)))?;
        self.frontier.recorded_at = self.frontier.recorded_at.max(envelope.recorded_at);
        let key = |hash: Option<BodyHash>| (Scope::new(envelope.command_id, &record.key), hash.unwrap_or_default());

        if stream == Stream::Results {
            if envelope.idempotent {
                let result: ResultGlance = codec::decode(&record.payload).map_err(|error| outdated(in_short(&error)))?;
                if is_first(result.code.as_deref()) {
                    let (scope, hash) = key(envelope.body_hash);
                    self.keys.replay(number, scope, hash, Place::Result(offset), envelope.recorded_at);
                }
            }
            context.next_result = after(offset);
            return Ok(());
        }

        let Some(last) = self.frontier.positions.get_mut(number) else { return Ok(()) };
        if envelope.position != *last + 1 {
            return Err(damaged(format!("position {} follows position {last}", envelope.position)));
        }
        let name = envelope.r#type.as_str();
        let text = std::str::from_utf8(&record.key).map_err(|_| damaged("its key is not text".to_owned()))?;
        let kind = self.deciders.of_event(name).ok_or_else(|| outdated(format!("no decider knows the event type {name:?}")))?;
        let Some(table) = self.tables.get_mut(kind) else { return Ok(()) };
        table.replay(text, envelope.seq, name, &record.payload, context.is_restored).map_err(|error| match error {
            ReplayError::Seq { last } => damaged(format!("seq {} of {text} follows seq {last}", envelope.seq)),
            ReplayError::Payload(error) => outdated(format!("an event of {text}: {}", in_short(&error))),
            ReplayError::Snapshot(error) => damaged(format!("the snapshot of {text}: {error}")),
        })?;
        *last = envelope.position;
        context.next_event = after(offset);
        if envelope.idempotent {
            let (scope, hash) = key(envelope.body_hash);
            self.keys.replay(number, scope, hash, Place::Events(offset), envelope.recorded_at);
        }
        Ok(())
    }
}

/// The command after the last one that has a result: where a group without a committed offset goes on.
///
/// Repeats share a command id, so the n-th result of an id answers the n-th command of that id.
async fn after_last_answered(log: &dyn Log, commands: &Source, results: &Source) -> Result<Offset, LogError> {
    let mut last: Option<Uuid> = None;
    each(log, results, |_, envelope| last = Some(envelope.command_id)).await?;
    let Some(last) = last else { return Ok(0) };
    let mut count = 0_u64;
    each(log, results, |_, envelope| count += u64::from(envelope.command_id == last)).await?;
    let (mut next, mut seen) = (0, 0_u64);
    each(log, commands, |offset, envelope| {
        if envelope.command_id == last && seen < count {
            seen += 1;
            next = after(offset);
        }
    })
    .await?;
    Ok(next)
}

async fn each(log: &dyn Log, source: &Source, mut visit: impl FnMut(Offset, EnvelopeGlance) + Send) -> Result<(), LogError> {
    let mut next = 0;
    loop {
        let records = log.read(source, next, READ).await?;
        if records.is_empty() {
            return Ok(());
        }
        next = after_all(next, &records);
        for record in &records {
            if let Ok(envelope) = codec::decode::<EnvelopeGlance>(&record.envelope) {
                visit(record.offset, envelope);
            }
        }
    }
}
