//! Idempotency keys: which commands were decided before, and where their answers stand.
//!
//! Kept per key: the hash of the body and the place of the answer, for as long as the window says; the answer itself
//! stays in the log. The scope of a key is (tenant, command type, aggregate). What the batch in hand adds lies in an
//! overlay, as in a table. At the limit nothing old is dropped before its time: new keys are refused.

use log::Offset;
use schemas::envelope::Envelope;
use std::collections::{HashMap, VecDeque};
use uuid::Uuid;

/// Identity of an idempotency key within its scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Scope(Uuid);

impl Scope {
    /// The command id says tenant, type and key; the record's key says the aggregate.
    pub(crate) fn new(command_id: Uuid, key: &[u8]) -> Self {
        Self(Uuid::new_v5(&command_id, key))
    }
}

/// The first half of a body's SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct BodyHash([u8; 16]);

impl BodyHash {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        Self(bytes.first_chunk().copied().unwrap_or_default())
    }

    pub(crate) fn of(envelope: &Envelope) -> Self {
        envelope.body_hash.as_deref().map_or_else(Self::default, Self::new)
    }
}

/// Where the answer to a command stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// The result at this offset.
    Result(Offset),
    /// The results are gone, as after a restore; the events of the command start at this offset.
    Events(Offset),
}

/// What is known of a key.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Nothing.
    New,
    /// Nothing, and nothing more can be remembered.
    Full,
    /// It was used with another body.
    Reused,
    /// It was answered in an earlier batch.
    Committed,
    /// It was answered in this batch.
    InHand(InHand),
}

/// An answer of the batch in hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InHand {
    /// The number of the result among the records of the batch.
    pub(crate) record: usize,
    /// The aggregate's seq in that result.
    pub(crate) seq: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Known {
    hash: BodyHash,
    place: Place,
}

#[derive(Debug)]
pub(crate) struct Deduplication {
    known: HashMap<Scope, Known>,
    by_age: VecDeque<(i64, Scope)>,
    overlay: HashMap<Scope, (BodyHash, InHand)>,
    limit: usize,
    window: i64,
}

impl Deduplication {
    /// Remembers at most `limit` keys for `window` microseconds.
    pub(crate) fn new(limit: usize, window: i64) -> Self {
        Self { known: HashMap::new(), by_age: VecDeque::new(), overlay: HashMap::new(), limit, window }
    }

    /// One that remembers nothing yet, with the same limits.
    pub(crate) fn empty(&self) -> Self {
        Self::new(self.limit, self.window)
    }

    pub(crate) fn look_up(&self, scope: Scope, hash: BodyHash) -> Found {
        if let Some((first, in_hand)) = self.overlay.get(&scope) {
            return if *first == hash { Found::InHand(*in_hand) } else { Found::Reused };
        }
        match self.known.get(&scope) {
            Some(known) if known.hash == hash => Found::Committed,
            Some(_) => Found::Reused,
            None if self.known.len() + self.overlay.len() >= self.limit => Found::Full,
            None => Found::New,
        }
    }

    /// Where the answer to a command of an earlier batch with this body stands.
    pub(crate) fn place(&self, scope: Scope, hash: BodyHash) -> Option<Place> {
        self.known.get(&scope).filter(|known| known.hash == hash).map(|known| known.place)
    }

    /// Notes the answer to a command of the batch in hand.
    pub(crate) fn note(&mut self, scope: Scope, hash: BodyHash, in_hand: InHand) {
        self.overlay.insert(scope, (hash, in_hand));
    }

    /// The batch in hand was committed: `offsets` are those of its records.
    pub(crate) fn merge(&mut self, offsets: &[Offset], recorded_at: i64) {
        for (scope, (hash, in_hand)) in self.overlay.drain() {
            if let Some(offset) = offsets.get(in_hand.record) {
                self.known.insert(scope, Known { hash, place: Place::Result(*offset) });
                self.by_age.push_back((recorded_at, scope));
            }
        }
        self.expire(recorded_at);
    }

    pub(crate) fn discard(&mut self) {
        self.overlay.clear();
    }

    /// The time before which keys are forgotten at `now`.
    pub(crate) fn horizon(&self, now: i64) -> i64 {
        now.saturating_sub(self.window)
    }

    /// Takes a committed record into the state. The first answer stays; a result is worth more than events.
    pub(crate) fn replay(&mut self, scope: Scope, hash: BodyHash, place: Place, recorded_at: i64) {
        match self.known.get_mut(&scope) {
            None => {
                self.known.insert(scope, Known { hash, place });
                self.by_age.push_back((recorded_at, scope));
            }
            Some(known) if matches!((known.place, place), (Place::Events(_), Place::Result(_))) => known.place = place,
            Some(_) => {}
        }
    }

    /// Puts what was replayed in order and forgets what is too old.
    pub(crate) fn settle(&mut self, now: i64) {
        // Events and results are replayed one after the other: two sorted runs, which a stable sort merges.
        self.by_age.make_contiguous().sort_by_key(|(recorded_at, _)| *recorded_at);
        self.expire(now);
    }

    fn expire(&mut self, now: i64) {
        let horizon = self.horizon(now);
        while let Some((recorded_at, scope)) = self.by_age.front()
            && *recorded_at < horizon
        {
            self.known.remove(scope);
            self.by_age.pop_front();
        }
    }

    /// How many keys are remembered.
    pub(crate) fn len(&self) -> usize {
        self.known.len()
    }

    #[cfg(test)]
    pub(crate) fn dump(&self) -> std::collections::BTreeMap<Scope, String> {
        self.known.iter().map(|(scope, known)| (*scope, format!("{known:?}"))).collect()
    }
}
