//! Idempotency keys: which commands were decided before, and where their answers stand.
//!
//! Kept per key: the hash of the body and the place of the answer, for as long as the window says; the answer itself
//! stays in the log. The scope of a key is (tenant, command type, aggregate). What the batch in hand adds lies in an
//! overlay, as in a table. At the limit nothing old is dropped before its time: new keys are refused. A repeated answer is
//! written with `idempotent` off, so that a replay does not take it for a decision.

mod journal;

pub(crate) use journal::{Journal, SEGMENT};

use indexmap::IndexMap;
use log::Offset;
use schemas::envelope::Envelope;
use serde::{Deserialize, Serialize, Serializer};
use uuid::Uuid;

/// Identity of an idempotency key within its scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
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

impl Serialize for BodyHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
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

/// A key that was answered in an earlier batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    scope: Scope,
    hash: BodyHash,
    recorded_at: i64,
    place: Packed,
}

/// A [`Place`] in eight bytes: offsets leave their lowest bit to say which it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Packed(u64);

impl From<Place> for Packed {
    fn from(place: Place) -> Self {
        match place {
            Place::Result(offset) => Self(offset << 1),
            Place::Events(offset) => Self(offset << 1 | 1),
        }
    }
}

impl From<Packed> for Place {
    fn from(Packed(packed): Packed) -> Self {
        if packed & 1 == 0 { Self::Result(packed >> 1) } else { Self::Events(packed >> 1) }
    }
}

/// The keys of a lane.
#[derive(Debug)]
pub(crate) struct Deduplication {
    /// One for each context.
    journals: Vec<Journal>,
    /// In the order of the results, so that whoever follows the log gets the same journal.
    overlay: IndexMap<Scope, Noted>,
    limit: usize,
    window: i64,
    /// What is replayed and older is not worth remembering.
    oldest: i64,
}

/// A key of the batch in hand.
#[derive(Debug)]
struct Noted {
    context: usize,
    hash: BodyHash,
    in_hand: InHand,
    recorded_at: i64,
}

impl Deduplication {
    /// Remembers at most `limit` keys for `window` microseconds.
    pub(crate) fn new(contexts: usize, limit: usize, window: i64) -> Self {
        let journals = (0..contexts).map(|_| Journal::default()).collect();
        Self { journals, overlay: IndexMap::new(), limit, window, oldest: i64::MIN }
    }

    /// One that remembers nothing yet, with the same limits.
    pub(crate) fn empty(&self) -> Self {
        Self::new(self.journals.len(), self.limit, self.window)
    }

    /// What is known of a key at `now`. Not what is forgotten after the next batch only: whoever follows the log could not tell.
    pub(crate) fn look_up(&self, context: usize, scope: Scope, hash: BodyHash, now: i64) -> Found {
        if let Some(noted) = self.overlay.get(&scope) {
            return if noted.hash == hash { Found::InHand(noted.in_hand) } else { Found::Reused };
        }
        match self.entry(context, scope).filter(|known| known.recorded_at >= now.saturating_sub(self.window)) {
            Some(known) if known.hash == hash => Found::Committed,
            Some(_) => Found::Reused,
            None if self.len() + self.overlay.len() >= self.limit => Found::Full,
            None => Found::New,
        }
    }

    /// Where the answer to a command of an earlier batch with this body stands.
    pub(crate) fn place(&self, context: usize, scope: Scope, hash: BodyHash) -> Option<Place> {
        self.entry(context, scope).filter(|known| known.hash == hash).map(|known| known.place.into())
    }

    /// Notes the answer to a command of the batch in hand.
    pub(crate) fn note(&mut self, context: usize, scope: Scope, hash: BodyHash, in_hand: InHand, recorded_at: i64) {
        self.overlay.insert(scope, Noted { context, hash, in_hand, recorded_at });
    }

    /// The batch in hand was committed: `offsets` are those of its records.
    pub(crate) fn merge(&mut self, offsets: &[Offset], recorded_at: i64) {
        for (scope, Noted { context, hash, in_hand, recorded_at }) in self.overlay.drain(..) {
            if let (Some(offset), Some(journal)) = (offsets.get(in_hand.record), self.journals.get_mut(context)) {
                journal.push(Entry { scope, hash, recorded_at, place: Place::Result(*offset).into() });
            }
        }
        self.expire(recorded_at);
    }

    pub(crate) fn discard(&mut self) {
        self.overlay.clear();
    }

    /// A replay begins at `now`; answers the time before which nothing is remembered.
    pub(crate) fn begin(&mut self, now: i64) -> i64 {
        self.oldest = now.saturating_sub(self.window);
        self.oldest
    }

    /// Takes a committed record into the state. Of a key that was decided anew after it was forgotten the newest answer counts; of
    /// one command the result is worth more than the events.
    pub(crate) fn replay(&mut self, context: usize, scope: Scope, hash: BodyHash, place: Place, recorded_at: i64) {
        let Some(journal) = self.journals.get_mut(context).filter(|_| recorded_at >= self.oldest) else { return };
        match journal.get_mut(scope) {
            Some(known) if known.recorded_at > recorded_at => {}
            Some(known) if known.recorded_at == recorded_at => {
                if matches!((known.place.into(), place), (Place::Events(_), Place::Result(_))) {
                    known.place = place.into();
                }
            }
            _ => journal.add(Entry { scope, hash, recorded_at, place: place.into() }),
        }
    }

    /// Puts what was replayed in order and forgets what is too old.
    pub(crate) fn settle(&mut self, now: i64) {
        self.journals.iter_mut().for_each(Journal::sort);
        self.expire(now);
    }

    fn expire(&mut self, now: i64) {
        let horizon = now.saturating_sub(self.window);
        self.journals.iter_mut().for_each(|journal| journal.expire(horizon));
    }

    /// How many keys are remembered.
    pub(crate) fn len(&self) -> usize {
        self.journals.iter().map(Journal::len).sum()
    }

    /// Forgets the keys of a context.
    pub(crate) fn forget(&mut self, context: usize) {
        if let Some(journal) = self.journals.get_mut(context) {
            *journal = Journal::default();
        }
    }

    /// The most segments that the keys of a context fill, and as many again.
    pub(crate) fn most_segments(&self) -> u64 {
        (self.limit / SEGMENT + 2) as u64 * 2
    }

    /// The keys of a context.
    pub(crate) fn journal(&self, context: usize) -> Option<&Journal> {
        self.journals.get(context)
    }

    pub(crate) fn journal_mut(&mut self, context: usize) -> Option<&mut Journal> {
        self.journals.get_mut(context)
    }

    fn entry(&self, context: usize, scope: Scope) -> Option<&Entry> {
        self.journals.get(context)?.get(scope)
    }

    #[cfg(test)]
    pub(crate) fn dump(&self) -> std::collections::BTreeMap<Scope, String> {
        let entries = self.journals.iter().flat_map(Journal::iter);
        entries.map(|entry| (entry.scope, format!("{:?} {:?}", entry.hash, Place::from(entry.place)))).collect()
    }
}
