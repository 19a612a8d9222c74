//! Specifications of the pure part of the writer: a lane without a log.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod batches;
mod keys;
mod laws;
mod refusals;
mod snapshots;

#[path = "../../tests/support/commands.rs"]
#[allow(dead_code, unreachable_pub, missing_docs, reason = "shared with the integration tests, which need more of it")]
pub(crate) mod commands;

#[path = "../../tests/support/memory.rs"]
#[allow(dead_code, unreachable_pub, missing_docs, reason = "shared with the integration tests, which need more of it")]
pub(crate) mod memory;

use crate::{
    Deciders,
    batch::decide_batch,
    clock::Ids,
    command::{Command, Taken},
    deduplication::{Deduplication, Place},
    repeat::{self, Answers},
    state::{Address, LaneState},
    telemetry::{Outcome, Tally},
};
use bytes::Bytes;
use commands::{NOW, Sent};
use log::{Append, Offset, Record, Transaction};
use schemas::{
    Message, Stream,
    envelope::{CommandResult, Envelope},
    work::JobEvent,
};
use std::sync::Arc;
use uuid::Uuid;

pub(crate) const TIMELINE: Uuid = Uuid::from_u128(1);

/// The only lane of a log with one partition, and what it has committed.
pub(crate) struct Rig {
    pub(crate) lane: LaneState,
    pub(crate) now: i64,
    pub(crate) events: Vec<Record>,
    pub(crate) results: Vec<Record>,
    ids: Ids,
    next_command: Offset,
}

/// A result as the gateway reads it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answered {
    pub(crate) envelope: Envelope,
    pub(crate) result: CommandResult,
}

impl Rig {
    pub(crate) fn new() -> Self {
        Self::remembering(1000)
    }

    /// One that remembers so many idempotency keys, for an hour.
    pub(crate) fn remembering(limit: usize) -> Self {
        Self { lane: lane(limit), now: NOW, events: vec![], results: vec![], ids: Ids::new(), next_command: 7 }
    }

    /// Commands as they come from the log; their offsets have gaps.
    pub(crate) fn taken(&mut self, sent: &[Sent]) -> Vec<Taken> {
        let records = sent.iter().map(|sent| {
            let Append { key, envelope, payload, time, .. } = sent.append(1);
            self.next_command += 2;
            Taken { context: 0, record: Record { offset: self.next_command, time, key, envelope, payload } }
        });
        records.collect()
    }

    /// Decides a batch; the overlay waits.
    pub(crate) fn decide(&mut self, taken: &[Taken]) -> crate::batch::Batch {
        let commands: Vec<Command<'_>> = taken.iter().map(Command::read).collect();
        let wanted = repeat::wanted(&self.lane, &commands);
        let answers = wanted.iter().filter_map(|wanted| {
            let (records, from) = match wanted.place {
                Place::Result(offset) => (&self.results, offset),
                Place::Events(offset) => (&self.events, offset),
            };
            let place = records.partition_point(|record| record.offset < from);
            Some((wanted.scope, wanted.find(&records[place..], self.lane.answer_schema)?))
        });
        let answers = Answers::from_iter(answers);
        decide_batch(&mut self.lane, commands, &answers, &mut self.ids, self.now).unwrap()
    }

    /// Appends a transaction as a log would, and answers the offsets.
    pub(crate) fn commit(&mut self, transaction: &Transaction) -> Vec<Offset> {
        let offsets = transaction.append.iter().map(|append| {
            let records = if &*append.source.topic == "work.events" { &mut self.events } else { &mut self.results };
            let offset = records.last().map_or(0, |record| record.offset + 1);
            let Append { key, envelope, payload, time, .. } = append.clone();
            records.push(Record { offset, time, key, envelope, payload });
            offset
        });
        offsets.collect()
    }

    /// Decides, commits and merges a batch.
    pub(crate) fn batch(&mut self, sent: &[Sent]) -> Tally {
        let taken = self.taken(sent);
        let batch = self.decide(&taken);
        let offsets = self.commit(&batch.transaction);
        self.lane.merge(&batch.decided, &offsets);
        batch.tally
    }

    pub(crate) fn answers(&self) -> Vec<Answered> {
        let read = |record: &Record| Answered {
            envelope: Envelope::decode(&record.envelope).unwrap(),
            result: CommandResult::decode("envelope.CommandResult", &record.payload).unwrap(),
        };
        self.results.iter().map(read).collect()
    }

    pub(crate) fn last_answer(&self) -> Answered {
        self.answers().pop().unwrap()
    }

    /// Status of every answer.
    pub(crate) fn statuses(&self) -> Vec<i32> {
        self.answers().iter().map(|answered| answered.result.status).collect()
    }

    pub(crate) fn event_envelopes(&self) -> Vec<Envelope> {
        self.events.iter().map(|record| Envelope::decode(&record.envelope).unwrap()).collect()
    }

    pub(crate) fn decoded_events(&self) -> Vec<JobEvent> {
        let decode = |record: &Record| {
            let envelope = Envelope::decode(&record.envelope).unwrap();
            JobEvent::decode(&envelope.r#type, &record.payload).unwrap()
        };
        self.events.iter().map(decode).collect()
    }

    /// A lane that knows only what was committed.
    pub(crate) fn recovered(&self) -> LaneState {
        let mut lane = self.lane_like();
        self.events.iter().for_each(|record| lane.replay(0, Stream::Events, record).unwrap());
        self.results.iter().for_each(|record| lane.replay(0, Stream::Results, record).unwrap());
        lane.keys.settle(self.now.max(lane.frontier.recorded_at));
        lane
    }

    /// A lane that knows nothing.
    pub(crate) fn lane_like(&self) -> LaneState {
        let deciders = Arc::new(Deciders::new().with::<work::Job>());
        LaneState::new(deciders, self.lane.address, self.lane.keys.empty())
    }
}

fn lane(limit: usize) -> LaneState {
    let address = Address { partition: 0, partitions: 1, timeline: TIMELINE };
    let deciders = Arc::new(Deciders::new().with::<work::Job>());
    LaneState::new(deciders, address, Deduplication::new(1, limit, 3_600_000_000))
}

/// Everything a lane knows, to compare.
pub(crate) fn dump(lane: &LaneState) -> impl PartialEq + std::fmt::Debug + use<> {
    let places: Vec<(Offset, Offset)> = lane.contexts.iter().map(|c| (c.next_event, c.next_result)).collect();
    let tables: Vec<_> = lane.tables.iter().map(|table| table.dump()).collect();
    (places, tables, lane.keys.dump(), lane.frontier.clone())
}

/// A record whose envelope no one can read.
pub(crate) fn unreadable() -> Taken {
    let garbage = Bytes::from_static(b"\x00\x00\x00\x00\x63nonsense");
    Taken {
        context: 0,
        record: Record { offset: 5, time: NOW, key: garbage.clone(), envelope: garbage.clone(), payload: garbage },
    }
}

pub(crate) fn total(tally: &Tally) -> u64 {
    use Outcome::{Accepted, Full, Mismatched, Refused, Repeated, Reused, Undecodable, Unreadable};
    [Accepted, Refused, Mismatched, Repeated, Reused, Full, Undecodable, Unreadable].into_iter().map(|o| tally.of(o)).sum()
}
