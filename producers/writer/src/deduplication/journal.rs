//! The idempotency keys of one context of a lane, by age.
//!
//! Entries stand in segments of a fixed size, numbered for ever, each a record of the snapshots' topic once it is written:
//! an entry is written once or twice in its life, however often its aggregate changes. A hash table of 32-bit places finds
//! an entry by its scope. So a key takes 48 bytes and 6 to 12 more for the table. What is too old leaves at the front.
//! A sum over the scopes tells whether segments that come back are those that went.

use super::{Entry, Scope};
use hashbrown::HashTable;
use std::{
    collections::{BTreeMap, VecDeque},
    hash::{BuildHasher, RandomState},
};

/// Entries of a segment; part of the snapshots' format.
pub(crate) const SEGMENT: usize = 1024;

/// The keys of a context. The place of an entry counts from the first entry there ever was.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    /// Places of the entries, without their upper halves: never so many live at a time.
    index: HashTable<u32>,
    hasher: RandomState,
    /// All full but the last.
    segments: VecDeque<Segment>,
    /// Number of the first segment.
    first: u64,
    /// Entries of the first segment that are forgotten.
    forgotten: usize,
    /// Entries before this place stand in the order of their ages.
    settled: u64,
}

#[derive(Debug, Default)]
struct Segment {
    entries: Vec<Entry>,
    sum: u128,
}

/// What came back is not what went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("idempotency keys are missing from the snapshots")]
pub(crate) struct Missing;

impl Journal {
    pub(super) fn get(&self, scope: Scope) -> Option<&Entry> {
        let place = self.index.find(self.hasher.hash_one(scope), |place| self.is(*place, scope))?;
        at(&self.segments, self.first, *place)
    }

    /// The entry, to change where its answer stands.
    pub(super) fn get_mut(&mut self, scope: Scope) -> Option<&mut Entry> {
        let place = *self.index.find(self.hasher.hash_one(scope), |place| self.is(*place, scope))?;
        let place = usize::try_from(place.wrapping_sub(lower(start(self.first)))).ok()?;
        self.segments.get_mut(place / SEGMENT)?.entries.get_mut(place % SEGMENT)
    }

    /// Adds an entry that is no older than the others.
    pub(super) fn push(&mut self, entry: Entry) {
        self.add(entry);
        self.settled = self.end();
    }

    /// Adds an entry; [`sort`](Self::sort) comes later. Of a scope that was used again after its window the newest entry counts,
    /// also while the older one still stands in the first segment.
    pub(super) fn add(&mut self, entry: Entry) {
        let hash = self.hasher.hash_one(entry.scope);
        if let Ok(older) = self.index.find_entry(hash, |place| is_of(&self.segments, self.first, *place, entry.scope)) {
            older.remove();
        }
        let place = lower(self.end());
        if self.segments.back().is_none_or(|last| last.entries.len() == SEGMENT) {
            self.segments.push_back(Segment { entries: Vec::with_capacity(SEGMENT), sum: 0 });
        }
        if let Some(last) = self.segments.back_mut() {
            last.entries.push(entry);
            last.sum ^= entry.scope.0.as_u128();
        }
        let Self { index, hasher, segments, first, .. } = self;
        let hash_of = |place: &u32| at(segments, *first, *place).map_or(0, |entry| hasher.hash_one(entry.scope));
        index.insert_unique(hash, place, hash_of);
    }

    /// Forgets what is older than `horizon`.
    pub(super) fn expire(&mut self, horizon: i64) {
        while let Some(entry) = self.segments.front().and_then(|first| first.entries.get(self.forgotten)).copied()
            && entry.recorded_at < horizon
        {
            self.unlink(entry.scope, lower(start(self.first) + self.forgotten as u64));
            self.forgotten += 1;
            if self.forgotten == SEGMENT {
                self.segments.pop_front();
                (self.first, self.forgotten) = (self.first + 1, 0);
            }
        }
    }

    /// Puts what was added in the order of ages. What was there before keeps its place.
    pub(super) fn sort(&mut self) {
        let from = self.settled.max(start(self.first) + self.forgotten as u64);
        let mut late: Vec<Entry> =
            (from..self.end()).filter_map(|place| at(&self.segments, self.first, lower(place))).copied().collect();
        for (place, entry) in (from..).zip(&late) {
            self.unlink(entry.scope, lower(place));
        }
        while self.end() > from
            && let Some(last) = self.segments.back_mut()
        {
            if let Some(entry) = last.entries.pop() {
                last.sum ^= entry.scope.0.as_u128();
            }
            if last.entries.is_empty() {
                self.segments.pop_back();
            }
        }
        late.sort_by_key(|entry| entry.recorded_at);
        late.into_iter().for_each(|entry| self.push(entry));
    }

    /// Takes over segments by number, those from `first` on; they must reach `end` and have this sum up to there.
    pub(crate) fn restore(
        &mut self,
        first: u64,
        end: u64,
        sum: u128,
        segments: BTreeMap<u64, Vec<Entry>>,
    ) -> Result<(), Missing> {
        *self = Self { first, ..Self::default() };
        for (number, (found, entries)) in (first..).zip(segments.into_iter().skip_while(|(found, _)| *found < first)) {
            let is_last = entries.len() != SEGMENT;
            if found != number || entries.len() > SEGMENT {
                break;
            }
            entries.into_iter().for_each(|entry| self.push(entry));
            if is_last {
                break;
            }
        }
        if self.end() >= end.max(start(first)) && self.sum(end) == sum { Ok(()) } else { Err(Missing) }
    }

    /// Sum of the scopes before the place `end`, those of the first segment included that are forgotten.
    pub(crate) fn sum(&self, end: u64) -> u128 {
        let full = usize::try_from(end.saturating_sub(start(self.first))).unwrap_or(usize::MAX);
        let whole = self.segments.iter().take(full / SEGMENT).map(|segment| segment.sum);
        let rest = self.segments.get(full / SEGMENT).map(|segment| segment.entries.as_slice()).unwrap_or_default();
        whole.chain(rest.iter().take(full % SEGMENT).map(|entry| entry.scope.0.as_u128())).fold(0, |sum, part| sum ^ part)
    }

    /// A segment, as it is to be written; none if it was forgotten.
    pub(crate) fn segment(&self, number: u64) -> Option<&[Entry]> {
        let place = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.segments.get(place).map(|segment| segment.entries.as_slice())
    }

    /// Number of the first segment.
    pub(crate) fn first(&self) -> u64 {
        self.first
    }

    /// The place of the next entry.
    pub(crate) fn end(&self) -> u64 {
        let last = self.segments.back().map_or(0, |last| last.entries.len()) as u64;
        start(self.first + (self.segments.len() as u64).saturating_sub(1)) + last
    }

    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    #[cfg(test)]
    pub(super) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.segments.iter().flat_map(|segment| &segment.entries).skip(self.forgotten)
    }

    /// The entry at this place is not found any longer.
    fn unlink(&mut self, scope: Scope, place: u32) {
        if let Ok(found) = self.index.find_entry(self.hasher.hash_one(scope), |other| *other == place) {
            found.remove();
        }
    }

    fn is(&self, place: u32, scope: Scope) -> bool {
        is_of(&self.segments, self.first, place, scope)
    }
}

/// The place of a segment's first entry.
fn start(segment: u64) -> u64 {
    segment * SEGMENT as u64
}

/// The lower half of a place.
fn lower(place: u64) -> u32 {
    (place & u64::from(u32::MAX)) as u32
}

fn is_of(segments: &VecDeque<Segment>, first: u64, place: u32, scope: Scope) -> bool {
    at(segments, first, place).is_some_and(|entry| entry.scope == scope)
}

fn at(segments: &VecDeque<Segment>, first: u64, place: u32) -> Option<&Entry> {
    let place = place.wrapping_sub(lower(start(first))) as usize;
    segments.get(place / SEGMENT)?.entries.get(place % SEGMENT)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::deduplication::{BodyHash, Place};
    use uuid::Uuid;

    fn entry(number: u64) -> Entry {
        let scope = Scope(Uuid::new_v5(&Uuid::nil(), &number.to_be_bytes()));
        Entry { scope, hash: BodyHash::default(), recorded_at: number.cast_signed(), place: Place::Result(number).into() }
    }

    fn filled(count: u64) -> Journal {
        let mut journal = Journal::default();
        (0..count).for_each(|number| journal.push(entry(number)));
        journal
    }

    #[test]
    fn entries_are_found_until_they_are_too_old_whatever_their_number() {
        let mut journal = Journal { first: u64::from(u32::MAX) / SEGMENT as u64, ..Journal::default() };
        (0..5_000).for_each(|number| journal.push(entry(number)));
        assert!(journal.end() > u64::from(u32::MAX), "places outgrow 32 bits");
        journal.expire(3_333);
        assert_eq!((journal.len(), journal.segments.len()), (5_000 - 3_333, 2));
        for number in 0..5_000 {
            let found = journal.get(entry(number).scope).map(|found| found.recorded_at);
            assert_eq!(found, (number >= 3_333).then_some(number.cast_signed()), "{number}");
        }
    }

    fn segments(journal: &Journal) -> BTreeMap<u64, Vec<Entry>> {
        (journal.first..).map_while(|number| Some((number, journal.segment(number)?.to_vec()))).collect()
    }

    #[test]
    fn segments_give_the_journal_back() {
        let mut journal = filled(4_000);
        journal.expire(1_500);
        let mut back = Journal::default();
        // Since the sum was taken the last segment grew, which does no harm.
        assert_eq!(back.restore(1, 3_500, journal.sum(3_500), segments(&journal)), Ok(()));
        back.expire(1_500);
        assert!(back.iter().eq(journal.iter()));
        assert_eq!((back.end(), back.sum(4_000)), (4_000, journal.sum(4_000)));
    }

    #[test]
    fn a_key_that_was_used_again_after_its_window_comes_back_with_its_newest_answer() {
        for _ in 0..20 {
            let mut journal = filled(10);
            journal.expire(5);
            journal.push(Entry { recorded_at: 10, ..entry(1) });
            let mut back = Journal::default();
            assert_eq!(back.restore(0, 11, journal.sum(11), segments(&journal)), Ok(()));
            assert_eq!(back.get(entry(1).scope).unwrap().recorded_at, 10);
            back.expire(5);
            assert_eq!((back.get(entry(1).scope).unwrap().recorded_at, back.len()), (10, 6));
        }
    }

    #[test]
    fn segments_that_are_missing_short_or_of_another_journal_are_noticed() {
        let journal = filled(3_000);
        let restore = |change: fn(&mut BTreeMap<u64, Vec<Entry>>)| {
            let mut segments = segments(&journal);
            change(&mut segments);
            Journal::default().restore(0, 2_500, journal.sum(2_500), segments)
        };
        assert_eq!(restore(|_| {}), Ok(()));
        assert_eq!(restore(|segments| drop(segments.remove(&1))), Err(Missing));
        assert_eq!(restore(|segments| segments.get_mut(&2).unwrap().truncate(400)), Err(Missing));
        assert_eq!(restore(|segments| segments.get_mut(&0).unwrap()[7] = entry(9_999)), Err(Missing));
    }

    #[test]
    fn what_was_added_is_sorted_and_what_was_there_keeps_its_place() {
        let mut journal = filled(1_500);
        let before = journal.sum(1_500);
        for number in [7_000, 6_999, 6_998] {
            journal.add(entry(number));
        }
        journal.sort();
        assert!(journal.iter().is_sorted_by_key(|entry| entry.recorded_at));
        assert_eq!((journal.len(), journal.end(), journal.sum(1_500)), (1_503, 1_503, before));
        for number in [0, 1_499, 6_998, 6_999, 7_000] {
            assert_eq!(journal.get(entry(number).scope).unwrap().recorded_at, number.cast_signed());
        }
    }
}
