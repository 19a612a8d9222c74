//! The newest records of a partition in memory, so that live consumers do not touch SQLite.
//!
//! A ring bounded by count and bytes. It forgets only what the file has: a record that is not committed yet stays,
//! whatever the bounds say. The records are always the last ones up to [`Tail::end`], without gaps.

use crate::{Offset, Record};
use std::collections::VecDeque;

const MOST_RECORDS: usize = 8192;
const MOST_BYTES: usize = 4 << 20;

/// The last records of a partition.
pub(super) struct Tail {
    records: VecDeque<Record>,
    bytes: usize,
    end: Offset,
}

impl Tail {
    /// An empty tail of a partition that ends at `end`.
    pub(super) fn new(end: Offset) -> Self {
        Self { records: VecDeque::new(), bytes: 0, end }
    }

    /// Offset after the last record.
    pub(super) fn end(&self) -> Offset {
        self.end
    }

    /// Offset of the oldest record kept; the end if there is none.
    pub(super) fn first(&self) -> Offset {
        self.end - self.records.len() as Offset
    }

    /// Adds the record at the end.
    pub(super) fn push(&mut self, record: Record) {
        debug_assert_eq!(record.offset, self.end, "offsets are dense");
        self.end = record.offset + 1;
        self.bytes += size(&record);
        self.records.push_back(record);
    }

    /// Forgets the oldest records beyond the bounds, but none at or after `committed`.
    pub(super) fn trim(&mut self, committed: Offset) {
        while (self.records.len() > MOST_RECORDS || self.bytes > MOST_BYTES) && self.first() < committed {
            let Some(forgotten) = self.records.pop_front() else { break };
            self.bytes -= size(&forgotten);
        }
    }

    /// Records from `from` (which must be kept) up to `until`: at most `max`, and no more once `most_bytes` are reached.
    pub(super) fn range(&self, from: Offset, until: Offset, max: usize, most_bytes: usize) -> Vec<Record> {
        let start = (from - self.first()) as usize;
        let count = max.min((until - from) as usize);
        let mut bytes = 0;
        let records = self.records.range(start..start + count);
        records
            .take_while(|record| {
                let fits = bytes < most_bytes;
                bytes += size(record);
                fits
            })
            .cloned()
            .collect()
    }

    /// The first offset before `until` whose time is at least `time`, if the records kept can tell.
    pub(super) fn offset_at(&self, time: i64, until: Offset) -> Option<Offset> {
        let first = self.first();
        let decides = first == 0 || self.records.front().is_some_and(|oldest| oldest.time < time);
        let before = self.records.partition_point(|record| record.time < time) as Offset;
        decides.then(|| (first + before).min(until))
    }
}

/// Bytes that a record takes.
pub(super) fn size(record: &Record) -> usize {
    size_of::<Record>() + record.key.len() + record.envelope.len() + record.payload.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn record(offset: Offset, bytes: usize) -> Record {
        let empty = Bytes::new;
        Record { offset, time: offset as i64 * 10, key: empty(), envelope: empty(), payload: vec![0; bytes].into() }
    }

    #[test]
    fn the_oldest_committed_records_are_forgotten_and_uncommitted_ones_never() {
        let mut tail = Tail::new(5);
        for offset in 5..25 {
            tail.push(record(offset, MOST_BYTES / 4));
        }
        tail.trim(7);
        assert_eq!((tail.first(), tail.end()), (7, 25));
        tail.trim(25);
        assert_eq!(tail.end() - tail.first(), 3);
        assert_eq!(tail.range(23, 25, 10, usize::MAX).iter().map(|r| r.offset).collect::<Vec<_>>(), [23, 24]);
    }

    #[test]
    fn a_range_keeps_to_its_count_its_end_and_its_bytes() {
        let mut tail = Tail::new(0);
        (0..10).for_each(|offset| tail.push(record(offset, 1000)));
        let offsets = |from, until, max, bytes| tail.range(from, until, max, bytes).iter().map(|r| r.offset).collect::<Vec<_>>();
        assert_eq!(offsets(2, 10, 3, usize::MAX), [2, 3, 4]);
        assert_eq!(offsets(8, 9, 3, usize::MAX), [8]);
        assert_eq!(offsets(0, 10, 9, 1), [0], "one record always passes");
    }

    #[test]
    fn a_time_older_than_what_is_kept_is_left_to_the_file() {
        let mut tail = Tail::new(3);
        (3..6).for_each(|offset| tail.push(record(offset, 1)));
        assert_eq!(tail.offset_at(30, 6), None, "offset 2 may have the same time");
        assert_eq!(tail.offset_at(31, 6), Some(4));
        assert_eq!(tail.offset_at(99, 6), Some(6));
        assert_eq!(tail.offset_at(50, 4), Some(4), "beyond what is committed");
    }
}
