//! What a lane knows: the states of its aggregates, its idempotency keys, and how far its partition has come.
//!
//! It is always a pure function of the committed events and results of the partition: live, a batch is merged after its
//! definite commit; after a start or an unknown outcome the same records are replayed from the log, from where the
//! state stands. Both ways lead to the same state, which a test checks.

use crate::{
    deduplication::Deduplication,
    offsets::after,
    registry::Deciders,
    table::{Encoder, Table},
};
use log::{Offset, Source};
use schemas::{SchemaId, Stream, envelope::Envelope};
use std::sync::Arc;
use uuid::Uuid;

/// One context's part of a lane.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    pub(crate) commands: Source,
    pub(crate) events: Source,
    pub(crate) results: Source,
    /// Offset of the next command to consume.
    pub(crate) next_command: Offset,
    /// Offset from which events were not replayed yet.
    pub(crate) next_event: Offset,
    /// Offset from which results were not replayed yet.
    pub(crate) next_result: Offset,
    /// Whether aggregates came from snapshots which the replay has not confirmed yet: some may be ahead of it.
    pub(crate) is_restored: bool,
}

/// How far a partition has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frontier {
    /// Position of the last event, per context.
    pub(crate) positions: Vec<i64>,
    /// Time of the last record.
    pub(crate) recorded_at: i64,
}

/// Where a lane is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Address {
    pub(crate) partition: u32,
    pub(crate) partitions: u32,
    pub(crate) timeline: Uuid,
}

/// The state of a lane.
pub(crate) struct LaneState {
    pub(crate) address: Address,
    pub(crate) deciders: Arc<Deciders>,
    pub(crate) contexts: Vec<Context>,
    pub(crate) tables: Vec<Box<dyn Table>>,
    pub(crate) keys: Deduplication,
    pub(crate) frontier: Frontier,
    pub(crate) answer_schema: SchemaId,
    /// Buffers of the batch in hand, kept for their capacity.
    pub(crate) encoder: Encoder,
}

impl LaneState {
    pub(crate) fn new(deciders: Arc<Deciders>, address: Address, keys: Deduplication) -> Self {
        let source = |stream: Stream, context: &str| Source { topic: stream.topic(context).into(), partition: address.partition };
        let contexts: Vec<Context> = deciders
            .contexts()
            .iter()
            .map(|context| Context {
                commands: source(Stream::Commands, context),
                events: source(Stream::Events, context),
                results: source(Stream::Results, context),
                next_command: 0,
                next_event: 0,
                next_result: 0,
                is_restored: false,
            })
            .collect();
        Self {
            address,
            tables: deciders.tables(),
            frontier: Frontier { positions: vec![0; contexts.len()], recorded_at: 0 },
            contexts,
            deciders,
            keys,
            answer_schema: crate::answer::schema(),
            encoder: Encoder::default(),
        }
    }

    /// Takes the state out and leaves an empty one, which stands at the beginning of the log.
    pub(crate) fn take(&mut self) -> Self {
        let empty = Self::new(self.deciders.clone(), self.address, self.keys.empty());
        std::mem::replace(self, empty)
    }

    /// Whether nothing of a context was replayed yet.
    pub(crate) fn is_untouched(&self, number: usize) -> bool {
        self.contexts.get(number).is_some_and(|context| context.next_event == 0 && context.next_result == 0)
    }

    /// Whether the aggregates of a context account for all of its events: each raises one seq and the position by one.
    pub(crate) fn is_whole(&self, number: usize) -> bool {
        let tables = self.deciders.kinds_of(number).filter_map(|kind| self.tables.get(kind));
        let seqs: i64 = tables.map(|table| table.seqs()).sum();
        self.frontier.positions.get(number) == Some(&seqs)
    }

    /// Forgets all of a context but its commands: it stands at the beginning of the log.
    pub(crate) fn forget(&mut self, number: usize) {
        for kind in self.deciders.kinds_of(number) {
            if let (Some(table), Some(empty)) = (self.tables.get_mut(kind), self.deciders.table(kind)) {
                *table = empty;
            }
        }
        self.keys.forget(number);
        if let (Some(context), Some(position)) = (self.contexts.get_mut(number), self.frontier.positions.get_mut(number)) {
            (context.next_event, context.next_result, context.is_restored, *position) = (0, 0, false, 0);
        }
    }

    /// The batch was committed; its overlay becomes the state. `offsets` are those of `appended`, in order.
    pub(crate) fn merge(&mut self, decided: &Decided, offsets: &[Offset]) {
        self.tables.iter_mut().for_each(|table| table.merge());
        self.keys.merge(offsets, decided.frontier.recorded_at);
        self.frontier.clone_from(&decided.frontier);
        for ((context, stream), offset) in decided.appended.iter().zip(offsets) {
            if let Some(context) = self.contexts.get_mut(*context) {
                match stream {
                    Stream::Events => context.next_event = after(*offset),
                    Stream::Results => context.next_result = after(*offset),
                    Stream::Commands => {}
                }
            }
        }
        for (context, next) in self.contexts.iter_mut().zip(&decided.consumed) {
            context.next_command = next.unwrap_or(context.next_command);
        }
    }

    /// Makes the envelope of a command that of what it causes.
    pub(crate) fn caused(&self, envelope: &mut Envelope) {
        envelope.causation_id = envelope.id;
        envelope.timeline = self.address.timeline;
        envelope.expected_seq = -2;
    }

    /// The batch was not committed, or nobody knows; its overlay is dropped.
    pub(crate) fn discard(&mut self) {
        self.tables.iter_mut().for_each(|table| table.discard());
        self.keys.discard();
    }
}

/// What becomes of the state when a batch is committed, beside the overlays.
#[derive(Debug)]
pub(crate) struct Decided {
    pub(crate) frontier: Frontier,
    /// Context and stream of each record, in order.
    pub(crate) appended: Vec<(usize, Stream)>,
    /// The next command to consume, per context that had any.
    pub(crate) consumed: Vec<Option<Offset>>,
}
