//! Stored answers, read back from the log for commands that repeat an idempotency key.

use crate::{
    answer::{Answer, accepted},
    command::Command,
    deduplication::{BodyHash, Place, Scope},
    state::LaneState,
};
use bytes::Bytes;
use log::{Log, LogError, Offset, Record, Source};
use schemas::{SchemaId, envelope::Envelope};
use std::collections::{HashMap, VecDeque};
use uuid::Uuid;

/// More events than any decider answers with.
const EVENTS_OF_A_COMMAND: usize = 256;

/// Results within so many offsets are read at once.
const NEAR: Offset = 1_000;

/// An answer as it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stored {
    /// The aggregate's seq.
    pub(crate) seq: i64,
    /// The encoded result.
    pub(crate) payload: Bytes,
}

/// The answers that a batch needs.
#[derive(Debug, Default)]
pub(crate) struct Answers(HashMap<Scope, Stored>);

impl FromIterator<(Scope, Stored)> for Answers {
    fn from_iter<T: IntoIterator<Item = (Scope, Stored)>>(answers: T) -> Self {
        Self(answers.into_iter().collect())
    }
}

impl Answers {
    pub(crate) fn get(&self, scope: Scope) -> Option<&Stored> {
        self.0.get(&scope)
    }
}

/// An answer to read.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) scope: Scope,
    command_id: Uuid,
    source: Source,
    pub(crate) place: Place,
}

/// The answers of earlier batches that `commands` repeat.
pub(crate) fn wanted(lane: &LaneState, commands: &[Command<'_>]) -> Vec<Wanted> {
    let mut wanted = Vec::new();
    for command in commands {
        let Some(envelope) = command.envelope.as_ref().ok().filter(|envelope| envelope.idempotent) else { continue };
        let scope = Scope::new(envelope.command_id, &command.record.key);
        let place = lane.keys.place(command.context, scope, BodyHash::of(envelope));
        if let (Some(place), Some(context)) = (place, lane.contexts.get(command.context)) {
            let source = match place {
                Place::Result(_) => context.results.clone(),
                Place::Events(_) => context.events.clone(),
            };
            wanted.push(Wanted { scope, command_id: envelope.command_id, source, place });
        }
    }
    wanted
}

/// Reads them; what the log no longer holds is left out. Answers that were given together are repeated together, as after a
/// take-over: those that stand near each other cost one read.
pub(crate) async fn read(log: &dyn Log, wanted: &[Wanted], schema: SchemaId) -> Result<Answers, LogError> {
    let mut answers = HashMap::with_capacity(wanted.len());
    let mut wanted: VecDeque<&Wanted> = wanted.iter().collect();
    wanted.make_contiguous().sort_unstable_by_key(|one| (&one.source, one.offset()));
    while let Some(first) = wanted.pop_front() {
        let near = wanted.iter().take_while(|other| first.is_near(other));
        let max = match first.place {
            Place::Result(offset) => near.last().map_or(1, |last| (last.offset() - offset) as usize + 1),
            Place::Events(_) => EVENTS_OF_A_COMMAND,
        };
        let records = log.read(&first.source, first.offset(), max).await?;
        let is_there = |other: &&Wanted| first.is_near(other) && records.last().is_some_and(|last| other.offset() <= last.offset);
        let mut here = vec![];
        while wanted.front().is_some_and(is_there) {
            here.extend(wanted.pop_front());
        }
        for one in std::iter::once(first).chain(here) {
            let from = records.partition_point(|record| record.offset < one.offset());
            match one.find(records.get(from..).unwrap_or_default(), schema) {
                Some(stored) => drop(answers.insert(one.scope, stored)),
                None => {
                    tracing::warn!(command.id = %one.command_id, log.source = %one.source, "the answer to a repeated command is gone")
                }
            }
        }
    }
    Ok(Answers(answers))
}

impl Wanted {
    fn offset(&self) -> Offset {
        let (Place::Result(offset) | Place::Events(offset)) = self.place;
        offset
    }

    /// Whether one read gives both, if the other comes later.
    fn is_near(&self, other: &Self) -> bool {
        let are_results = matches!((self.place, other.place), (Place::Result(_), Place::Result(_)));
        are_results && self.source == other.source && other.offset() - self.offset() < NEAR
    }

    /// The answer in what was read from its place on.
    pub(crate) fn find(&self, records: &[Record], schema: SchemaId) -> Option<Stored> {
        match self.place {
            Place::Result(offset) => result(records, offset, self.command_id),
            Place::Events(_) => from_events(records, self.command_id, schema),
        }
    }
}

fn result(records: &[Record], offset: Offset, command_id: Uuid) -> Option<Stored> {
    let record = records.first().filter(|record| record.offset == offset)?;
    let envelope = Envelope::decode(&record.envelope).ok().filter(|envelope| envelope.command_id == command_id)?;
    Some(Stored { seq: envelope.seq, payload: record.payload.clone() })
}

/// The answer as it must have been, from the events that the command caused.
fn from_events(records: &[Record], command_id: Uuid, schema: SchemaId) -> Option<Stored> {
    let envelopes: Vec<Envelope> = records
        .iter()
        .map_while(|record| Envelope::decode(&record.envelope).ok().filter(|envelope| envelope.command_id == command_id))
        .collect();
    let (first, last) = (envelopes.first()?, envelopes.last()?);
    let names: Vec<&str> = envelopes.iter().map(|envelope| envelope.r#type.as_str()).collect();
    let answer =
        Answer { status: accepted(first.seq - 1, last.seq), events: &names, position: last.position, code: None, detail: None };
    let mut payload = Vec::new();
    answer.encode(schema, &mut payload).ok()?;
    Some(Stored { seq: last.seq, payload: payload.into() })
}
