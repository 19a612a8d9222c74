//! Where the reading of one source stands.

use crate::{backoff::Backoff, decode::is_dense, line::Line};
use log::{Offset, Source};
use std::{collections::BTreeMap, time::Instant};

/// Stored positions of a generation: (position, next offset) per (topic, partition).
pub(crate) type Positions = BTreeMap<(String, u32), (u64, u64)>;

/// One source and how far it was read.
#[derive(Debug, Clone)]
pub(crate) struct Cursor {
    pub source: Source,
    pub line: Line,
    /// Offset of the next record: a hint until the first record confirmed it.
    pub next: Offset,
    pub verified: bool,
    /// Read no record at or behind this offset.
    pub until: Option<Offset>,
    /// A record that only a newer program can read.
    pub held: Option<Held>,
}

/// Waiting for an upgrade.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    /// Offset of the record.
    pub offset: Offset,
    pub retry: Instant,
    pub backoff: Backoff,
    pub reason: String,
}

impl Cursor {
    pub fn at(source: Source, stored: &Positions) -> Self {
        let place = (source.topic.to_string(), source.partition);
        let (position, next) = stored.get(&place).copied().unwrap_or_default();
        let line = Line::new(is_dense(&source.topic), position);
        Self { source, line, next, verified: false, until: None, held: None }
    }

    /// Whether it may read now.
    pub fn reads(&self, now: Instant) -> bool {
        self.until.is_none_or(|until| self.next < until) && self.held.as_ref().is_none_or(|held| held.retry <= now)
    }

    /// Waits at `offset`, longer each time.
    pub fn hold(&mut self, offset: Offset, schema: schemas::SchemaId, now: Instant) {
        let mut backoff = match self.held.take() {
            Some(held) if held.offset == offset => held.backoff,
            _ => Backoff::default(),
        };
        let retry = now + backoff.next();
        let reason =
            format!("{} at offset {offset} has schema id {schema}, which is newer than this program; upgrade it", self.source);
        self.held = Some(Held { offset, retry, backoff, reason });
    }
}

/// How many records lie between the cursors and `target`, by offsets.
pub(crate) fn distance(cursors: &[Cursor], target: &Positions) -> u64 {
    let next =
        |cursor: &Cursor| target.get(&(cursor.source.topic.to_string(), cursor.source.partition)).map_or(0, |(_, next)| *next);
    cursors.iter().map(|cursor| next(cursor).saturating_sub(cursor.next)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::SchemaId;
    use std::time::Duration;

    fn cursor(partition: u32, stored: &Positions) -> Cursor {
        Cursor::at(Source { topic: "work.events".into(), partition }, stored)
    }

    fn stored() -> Positions {
        BTreeMap::from([(("work.events".to_owned(), 1), (7, 12))])
    }

    #[test]
    fn a_cursor_starts_where_the_store_says_or_at_the_beginning() {
        let at = |partition| {
            let cursor = cursor(partition, &stored());
            (cursor.line.position(), cursor.next, cursor.verified)
        };
        assert_eq!((at(1), at(2)), ((7, 12, false), (0, 0, false)));
    }

    #[test]
    fn the_distance_counts_what_is_missing_in_every_source() {
        let target = BTreeMap::from([(("work.events".to_owned(), 1), (9, 15)), (("work.events".to_owned(), 2), (4, 4))]);
        assert_eq!(distance(&[cursor(1, &stored()), cursor(2, &stored()), cursor(3, &stored())], &target), 3 + 4);
    }

    #[test]
    fn a_held_source_waits_and_one_with_a_limit_stops_there() {
        let now = Instant::now();
        let mut cursor = cursor(1, &stored());
        cursor.until = Some(12);
        assert!(!cursor.reads(now));
        cursor.until = Some(13);
        assert!(cursor.reads(now));
        cursor.hold(12, SchemaId(99), now);
        assert!(!cursor.reads(now) && cursor.reads(now + Duration::from_secs(1)));
        (0..12).for_each(|_| cursor.hold(12, SchemaId(99), now));
        assert!(!cursor.reads(now + Duration::from_secs(20)), "the pause grows");
    }
}
