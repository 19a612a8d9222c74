//! The states of all aggregates of one type in a lane, committed ones and an overlay of those that the batch in hand
//! touched.
//!
//! The trait hides the decider's types from the loop; a command costs one call through it. A decision sees the overlay
//! first. [`merge`](Table::merge) makes the overlay the state after a definite commit, [`discard`](Table::discard) drops
//! it after anything else.

use crate::error::in_short;
use schemas::{Decider, Message, Recorded, Refusal, RefusalKind, SchemaId, envelope::Envelope};
use std::{collections::HashMap, ops::Range, sync::Arc};

/// What a table needs to know of a command.
pub(crate) struct Arrival<'a> {
    /// Key of the aggregate.
    pub(crate) key: &'a str,
    /// The envelope, with the time at which the command is recorded.
    pub(crate) envelope: &'a Arc<Envelope>,
    /// The encoded command.
    pub(crate) payload: &'a [u8],
}

/// An encoded event; its bytes stand in the arena of the batch.
pub(crate) struct Encoded {
    pub(crate) name: &'static str,
    pub(crate) schema: SchemaId,
    pub(crate) payload: Range<usize>,
}

/// Where the events of a command go.
#[derive(Default)]
pub(crate) struct Encoder {
    pub(crate) arena: Vec<u8>,
    pub(crate) events: Vec<Encoded>,
}

/// What became of a command, and the aggregate's seq before it.
pub(crate) struct Decision {
    pub(crate) seq: i64,
    pub(crate) verdict: Verdict,
}

pub(crate) enum Verdict {
    /// The events stand in the encoder and in the overlay.
    Accepted,
    Refused {
        kind: RefusalKind,
        code: &'static str,
        detail: String,
    },
    /// The expected seq is not the actual one.
    Mismatch,
    Undecodable(String),
    /// An event of the decider cannot be written.
    Unwritable(String),
}

pub(crate) trait Table: Send {
    /// Decides a command; what it changes goes into the overlay.
    fn decide(&mut self, command: &Arrival<'_>, out: &mut Encoder) -> Decision;
    /// The last seq of an aggregate, the overlay included; 0 if there is none.
    fn seq(&self, key: &str) -> i64;
    /// Takes a committed event into the state.
    fn replay(&mut self, key: &str, seq: i64, name: &str, payload: &[u8]) -> Result<(), ReplayError>;
    /// Makes the overlay the state.
    fn merge(&mut self);
    /// Drops the overlay.
    fn discard(&mut self);
    /// The committed states by key, with their seqs.
    #[cfg(test)]
    fn dump(&self) -> std::collections::BTreeMap<String, (i64, serde_json::Value)>;
}

/// A committed event that does not fit.
#[derive(Debug)]
pub(crate) enum ReplayError {
    /// Its seq does not follow.
    Seq { last: i64 },
    /// Its payload cannot be read.
    Payload(schemas::CodecError),
}

/// [`Table`] of a decider.
pub(crate) struct TableOf<D: Decider> {
    committed: HashMap<Box<str>, Slot<D::State>>,
    overlay: HashMap<Box<str>, Slot<D::State>>,
}

#[derive(Clone, Default)]
struct Slot<S> {
    seq: i64,
    state: S,
}

impl<D: Decider> Default for TableOf<D> {
    fn default() -> Self {
        Self { committed: HashMap::new(), overlay: HashMap::new() }
    }
}

impl<D: Decider> TableOf<D> {
    fn slot(&self, key: &str) -> Option<&Slot<D::State>> {
        // Most batches touch an aggregate once, so the overlay is often empty or small.
        self.overlay.get(key).or_else(|| self.committed.get(key))
    }
}

impl<D: Decider> Table for TableOf<D> {
    fn decide(&mut self, command: &Arrival<'_>, out: &mut Encoder) -> Decision {
        let Arrival { key, envelope, payload } = *command;
        let slot = self.slot(key);
        let seq = slot.map_or(0, |slot| slot.seq);
        let decision = |verdict| Decision { seq, verdict };
        let message = match D::Command::decode(&envelope.r#type, payload) {
            Ok(message) => message,
            Err(error) => return decision(Verdict::Undecodable(in_short(&error))),
        };
        if D::id(&message) != envelope.aggregate_id {
            let (is, says) = (D::id(&message), &envelope.aggregate_id);
            return decision(Verdict::Undecodable(format!("the command is for {is:?}, its envelope for {says:?}")));
        }
        if !is_expected(envelope.expected_seq, seq) {
            return decision(Verdict::Mismatch);
        }
        let recorded = Recorded { envelope: envelope.clone(), message };
        let events = match slot {
            Some(slot) => D::decide(&recorded, &slot.state),
            None => D::decide(&recorded, &D::State::default()),
        };
        let events = match events {
            Ok(events) => events,
            Err(refusal) => {
                let (kind, code) = (refusal.kind(), refusal.code());
                return decision(Verdict::Refused { kind, code, detail: refusal.to_string() });
            }
        };
        for event in &events {
            let start = out.arena.len();
            if let Err(error) = event.encode(&mut out.arena) {
                out.events.clear();
                return decision(Verdict::Unwritable(in_short(&error)));
            }
            let payload = start..out.arena.len();
            out.events.push(Encoded { name: event.name(), schema: event.schema_id(), payload });
        }
        if !events.is_empty() {
            if !self.overlay.contains_key(key) {
                let slot = self.committed.get(key).cloned().unwrap_or_default();
                self.overlay.insert(key.into(), slot);
            }
            if let Some(slot) = self.overlay.get_mut(key) {
                for event in &events {
                    D::evolve(&mut slot.state, event);
                    slot.seq += 1;
                }
            }
        }
        decision(Verdict::Accepted)
    }

    fn seq(&self, key: &str) -> i64 {
        self.slot(key).map_or(0, |slot| slot.seq)
    }

    fn replay(&mut self, key: &str, seq: i64, name: &str, payload: &[u8]) -> Result<(), ReplayError> {
        let event = D::Event::decode(name, payload).map_err(ReplayError::Payload)?;
        match self.committed.get_mut(key) {
            Some(slot) if slot.seq + 1 == seq => {
                slot.seq = seq;
                D::evolve(&mut slot.state, &event);
            }
            Some(slot) => return Err(ReplayError::Seq { last: slot.seq }),
            None if seq == 1 => {
                let mut slot = Slot { seq, state: D::State::default() };
                D::evolve(&mut slot.state, &event);
                self.committed.insert(key.into(), slot);
            }
            None => return Err(ReplayError::Seq { last: 0 }),
        }
        Ok(())
    }

    fn merge(&mut self) {
        for (key, slot) in self.overlay.drain() {
            self.committed.insert(key, slot);
        }
    }

    fn discard(&mut self) {
        self.overlay.clear();
    }

    #[cfg(test)]
    #[allow(clippy::unwrap_used, reason = "tests")]
    fn dump(&self) -> std::collections::BTreeMap<String, (i64, serde_json::Value)> {
        let states = self.committed.iter();
        states.map(|(key, slot)| (key.to_string(), (slot.seq, serde_json::to_value(&slot.state).unwrap()))).collect()
    }
}

/// Whether an aggregate at `seq` is what a command expects.
fn is_expected(expected: i64, seq: i64) -> bool {
    match expected {
        -2 => true,
        -1 => seq > 0,
        exact => seq == exact,
    }
}
