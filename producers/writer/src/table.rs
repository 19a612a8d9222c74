//! The states of all aggregates of one type in a lane, committed ones and an overlay of those that the batch in hand
//! touched.
//!
//! The trait hides the decider's types from the loop; a command costs one call through it. A decision sees the overlay
//! first. [`merge`](Table::merge) makes the overlay the state after a definite commit, [`discard`](Table::discard) drops
//! it after anything else. A state that came from a snapshot stays as bytes until a command or an event needs it.

use crate::error::in_short;
use indexmap::IndexMap;
use schemas::{
    Decider, Message, Recorded, Refusal, RefusalKind, SchemaId,
    envelope::Envelope,
    snapshot::{self, SnapshotError},
};
use serde::de::DeserializeOwned;
use std::{
    collections::{HashMap, VecDeque},
    ops::Range,
    sync::Arc,
};

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
    /// An event of the decider cannot be written, or the state of the aggregate not be read.
    Unwritable(String),
}

/// An aggregate as it goes into a snapshot.
pub(crate) struct Frozen<'a> {
    pub(crate) key: &'a str,
    pub(crate) seq: i64,
}

pub(crate) trait Table: Send {
    /// Decides a command; what it changes goes into the overlay.
    fn decide(&mut self, command: &Arrival<'_>, out: &mut Encoder) -> Decision;
    /// The last seq of an aggregate, the overlay included; 0 if there is none.
    fn seq(&self, key: &str) -> i64;
    /// Takes a committed event into the state. An event that a snapshot `covers` is skipped.
    fn replay(&mut self, key: &str, seq: i64, name: &str, payload: &[u8], covered: bool) -> Result<(), ReplayError>;
    /// Takes an aggregate from a snapshot, unless it stands at a later seq already.
    fn restore(&mut self, key: &str, seq: i64, state: &[u8]) -> Result<(), SnapshotError>;
    /// How many aggregates differ from their last snapshot.
    fn changed(&self) -> usize;
    /// All aggregates differ from their last snapshot, as far as is known; answers how many there are.
    fn change_all(&mut self) -> usize;
    /// Appends the state of the changed aggregate that waits longest, which is a changed one no longer.
    fn freeze(&mut self, out: &mut Vec<u8>) -> Option<Result<Frozen<'_>, SnapshotError>>;
    /// How many aggregates there are.
    fn len(&self) -> usize;
    /// The seqs of all aggregates, added up.
    fn seqs(&self) -> i64;
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
    /// The snapshot of its aggregate cannot be read.
    Snapshot(SnapshotError),
}

/// [`Table`] of a decider.
pub(crate) struct TableOf<D: Decider> {
    /// Aggregates never leave, so their numbers stay.
    committed: IndexMap<Box<str>, Slot<D::State>>,
    overlay: HashMap<Box<str>, (i64, D::State)>,
    /// Numbers of the aggregates that differ from their last snapshot; the one that waits longest comes first.
    changed: VecDeque<usize>,
}

struct Slot<S> {
    seq: i64,
    /// Whether its number is among the changed ones.
    is_changed: bool,
    state: Held<S>,
}

/// A state as it is held.
enum Held<S> {
    Live(S),
    /// As it came from a snapshot.
    Frozen(Box<[u8]>),
}

impl<D: Decider> Default for TableOf<D> {
    fn default() -> Self {
        Self { committed: IndexMap::new(), overlay: HashMap::new(), changed: VecDeque::new() }
    }
}

impl<S: DeserializeOwned> Held<S> {
    /// The state, which is live from now on.
    fn thaw(&mut self) -> Result<&mut S, SnapshotError> {
        match *self {
            Self::Live(ref mut state) => Ok(state),
            Self::Frozen(ref bytes) => {
                *self = Self::Live(snapshot::thaw(bytes)?);
                self.thaw()
            }
        }
    }
}

impl<D: Decider> TableOf<D> {
    /// Makes a state the committed one.
    fn commit(&mut self, key: Box<str>, seq: i64, state: D::State) {
        let slot = Slot { seq, is_changed: false, state: Held::Live(state) };
        let (number, before) = self.committed.insert_full(key, slot);
        if before.is_some_and(|before| before.is_changed) {
            if let Some((_, slot)) = self.committed.get_index_mut(number) {
                slot.is_changed = true;
            }
        } else {
            self.change(number);
        }
    }

    /// Notes that an aggregate differs from its last snapshot.
    fn change(&mut self, number: usize) {
        if let Some((_, slot)) = self.committed.get_index_mut(number)
            && !slot.is_changed
        {
            slot.is_changed = true;
            self.changed.push_back(number);
        }
    }
}

impl<D: Decider> Table for TableOf<D> {
    fn decide(&mut self, command: &Arrival<'_>, out: &mut Encoder) -> Decision {
        let Arrival { key, envelope, payload } = *command;
        // Most batches touch an aggregate once, so the overlay is often empty or small.
        let current = match (self.overlay.get(key), self.committed.get_mut(key)) {
            (Some((seq, state)), _) => Some((*seq, state)),
            (None, None) => None,
            (None, Some(slot)) => match slot.state.thaw() {
                Ok(state) => Some((slot.seq, &*state)),
                Err(error) => return Decision { seq: slot.seq, verdict: Verdict::Unwritable(error.to_string()) },
            },
        };
        let seq = current.map_or(0, |(seq, _)| seq);
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
        let events = match current {
            Some((_, state)) => D::decide(&recorded, state),
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
                let state = current.map_or_else(D::State::default, |(_, state)| state.clone());
                self.overlay.insert(key.into(), (seq, state));
            }
            if let Some((seq, state)) = self.overlay.get_mut(key) {
                for event in &events {
                    D::evolve(state, event);
                    *seq += 1;
                }
            }
        }
        decision(Verdict::Accepted)
    }

    fn seq(&self, key: &str) -> i64 {
        let committed = || self.committed.get(key).map_or(0, |slot| slot.seq);
        self.overlay.get(key).map_or_else(committed, |(seq, _)| *seq)
    }

    fn replay(&mut self, key: &str, seq: i64, name: &str, payload: &[u8], covered: bool) -> Result<(), ReplayError> {
        let last = self.committed.get(key).map_or(0, |slot| slot.seq);
        if covered && seq <= last {
            return Ok(());
        }
        if seq != last + 1 {
            return Err(ReplayError::Seq { last });
        }
        let event = D::Event::decode(name, payload).map_err(ReplayError::Payload)?;
        match self.committed.get_full_mut(key) {
            Some((number, _, slot)) => {
                D::evolve(slot.state.thaw().map_err(ReplayError::Snapshot)?, &event);
                slot.seq = seq;
                self.change(number);
            }
            None => {
                let mut state = D::State::default();
                D::evolve(&mut state, &event);
                self.commit(key.into(), seq, state);
            }
        }
        Ok(())
    }

    fn restore(&mut self, key: &str, seq: i64, state: &[u8]) -> Result<(), SnapshotError> {
        // Read now, kept as bytes: what cannot be read must be known before the first command.
        snapshot::thaw::<D::State>(state)?;
        if self.seq(key) < seq {
            self.committed.insert(key.into(), Slot { seq, is_changed: false, state: Held::Frozen(state.into()) });
        }
        Ok(())
    }

    fn changed(&self) -> usize {
        self.changed.len()
    }

    fn change_all(&mut self) -> usize {
        self.committed.values_mut().for_each(|slot| slot.is_changed = true);
        self.changed = (0..self.committed.len()).collect();
        self.changed.len()
    }

    fn freeze(&mut self, out: &mut Vec<u8>) -> Option<Result<Frozen<'_>, SnapshotError>> {
        let number = self.changed.pop_front()?;
        let (key, slot) = self.committed.get_index_mut(number)?;
        slot.is_changed = false;
        let frozen = match &slot.state {
            Held::Live(state) => snapshot::freeze(state, out),
            Held::Frozen(bytes) => {
                out.extend_from_slice(bytes);
                Ok(())
            }
        };
        Some(frozen.map(|()| Frozen { key, seq: slot.seq }))
    }

    fn len(&self) -> usize {
        self.committed.len()
    }

    fn seqs(&self) -> i64 {
        self.committed.values().map(|slot| slot.seq).sum()
    }

    fn merge(&mut self) {
        let mut overlay = std::mem::take(&mut self.overlay);
        for (key, (seq, state)) in overlay.drain() {
            self.commit(key, seq, state);
        }
        // Keeps its capacity for the next batch.
        self.overlay = overlay;
    }

    fn discard(&mut self) {
        self.overlay.clear();
    }

    #[cfg(test)]
    #[allow(clippy::unwrap_used, reason = "tests")]
    fn dump(&self) -> std::collections::BTreeMap<String, (i64, serde_json::Value)> {
        let json = |slot: &Slot<D::State>| match &slot.state {
            Held::Live(state) => serde_json::to_value(state).unwrap(),
            Held::Frozen(bytes) => serde_json::to_value(snapshot::thaw::<D::State>(bytes).unwrap()).unwrap(),
        };
        self.committed.iter().map(|(key, slot)| (key.to_string(), (slot.seq, json(slot)))).collect()
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
