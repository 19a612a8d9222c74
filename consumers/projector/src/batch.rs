//! What is taken in one transaction: entries of several sources, one behind the other, and the steps they make.
//!
//! Pure. A record that cannot be read begins a batch, so that what came before it is applied and what comes after it is
//! known to follow it. A hole or a double ends a batch before it and is a fault once it is the first.

use crate::{
    cursor::Cursor,
    decode::{Broken, Item},
    line::{Fault, Line},
};
use log::{Offset, Source};
use schemas::Entry;
use stores::{Advance, ParkedRecord};

/// Entries and what they mean for the positions.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub entries: Vec<Entry>,
    /// Offset of every entry.
    pub offsets: Vec<Offset>,
    /// Records whose envelopes cannot be read.
    pub broken: Vec<ParkedRecord>,
    pub parts: Vec<Part>,
    /// More records wait than were taken.
    pub is_full: bool,
}

/// The share of one source.
#[derive(Debug)]
pub(crate) struct Part {
    /// Which cursor.
    pub cursor: usize,
    /// Where its entries start and end.
    start: usize,
    end: usize,
    /// Where the source stood before its first entry, behind what could not be read.
    head: (Line, Offset),
    pub advance: Advance,
}

impl Batch {
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Takes items of a source as far as they may go into this batch, and moves its cursor.
    pub fn take(&mut self, place: usize, cursor: &mut Cursor, items: impl IntoIterator<Item = Item>) -> Result<(), Fault> {
        let start = self.entries.len();
        let (from, first) = (cursor.line.position(), cursor.next);
        let mut head = (cursor.line, cursor.next);
        for Item { offset, read } in items {
            if cursor.until.is_some_and(|until| offset >= until) {
                break;
            }
            match read {
                Ok(entry) => match cursor.line.take(entry.position) {
                    Ok(()) => {
                        self.entries.push(entry);
                        self.offsets.push(offset);
                    }
                    Err(fault) if cursor.next == first => return Err(fault),
                    Err(_) => break,
                },
                Err(_) if self.entries.len() > start => break,
                Err(broken) => {
                    let position = cursor.line.take_unreadable(offset);
                    self.broken.push(set_aside(&cursor.source, position, offset, &broken));
                    head = (cursor.line, offset + 1);
                }
            }
            cursor.next = offset + 1;
        }
        if cursor.next > first {
            let Source { topic, partition } = cursor.source.clone();
            let advance = Advance { topic, partition, from, to: cursor.line.position(), next_offset: cursor.next };
            self.parts.push(Part { cursor: place, start, end: self.entries.len(), head, advance });
        }
        Ok(())
    }

    /// Gives back the entry at `index` and all behind it of the same source; answers which source and the offset.
    pub fn cut(&mut self, index: usize, cursors: &mut [Cursor]) -> Option<(usize, Offset)> {
        let offset = *self.offsets.get(index)?;
        let which = self.parts.iter().position(|part| (part.start..part.end).contains(&index))?;
        let part = &mut self.parts[which];
        let cursor = cursors.get_mut(part.cursor)?;
        let dropped = part.end - index;
        (cursor.line, cursor.next) = if index > part.start {
            (Line::new(cursor.line.is_dense(), self.entries[index - 1].position), self.offsets[index - 1] + 1)
        } else {
            part.head
        };
        part.advance.to = cursor.line.position();
        part.advance.next_offset = cursor.next;
        self.entries.drain(index..part.end);
        self.offsets.drain(index..part.end);
        part.end = index;
        let place = part.cursor;
        for later in &mut self.parts[which + 1..] {
            later.start -= dropped;
            later.end -= dropped;
        }
        let part = &self.parts[which];
        let keeps_broken = self.broken.iter().any(|b| b.topic == *part.advance.topic && b.partition == part.advance.partition);
        if part.start == part.end && !keeps_broken {
            self.parts.remove(which);
        }
        Some((place, offset))
    }
}

fn set_aside(source: &Source, position: u64, offset: Offset, broken: &Broken) -> ParkedRecord {
    ParkedRecord {
        topic: source.topic.to_string(),
        partition: source.partition,
        position,
        offset,
        aggregate: broken.aggregate().unwrap_or_default().to_owned(),
        reason: broken.reason.clone(),
        envelope: broken.envelope.to_vec(),
        payload: broken.payload.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

    use super::*;
    use crate::cursor::Positions;
    use bytes::Bytes;
    use schemas::{spec::History, work::JobCancelled};

    fn cursor(partition: u32) -> Cursor {
        Cursor::at(Source { topic: "work.events".into(), partition }, &Positions::new())
    }

    /// Events at these offsets and positions; position 0 stands for a record that cannot be read.
    fn items(places: &[(Offset, u64)]) -> Vec<Item> {
        let entry = History::new().event(JobCancelled { job_id: "a".into(), reason: None }).entries()[0].clone();
        let broken = Broken { key: "t/job/a".into(), envelope: "e".into(), payload: Bytes::new(), reason: "why".into() };
        let read = |position| match position {
            0 => Err(Box::new(broken.clone())),
            position => Ok(Entry { position, ..entry.clone() }),
        };
        places.iter().map(|(offset, position)| Item { offset: *offset, read: read(*position) }).collect()
    }

    fn steps(batch: &Batch) -> Vec<(u32, u64, u64, u64)> {
        let advances = batch.parts.iter().map(|part| &part.advance);
        advances.map(|a| (a.partition, a.from, a.to, a.next_offset)).collect()
    }

    #[test]
    fn sources_stand_one_behind_the_other_each_with_its_step() {
        let (mut batch, mut one, mut two, mut none) = (Batch::default(), cursor(1), cursor(2), cursor(3));
        batch.take(0, &mut one, items(&[(0, 1), (4, 2)])).unwrap();
        batch.take(1, &mut none, items(&[])).unwrap();
        batch.take(2, &mut two, items(&[(0, 1)])).unwrap();
        assert_eq!(steps(&batch), [(1, 0, 2, 5), (2, 0, 1, 1)]);
        assert_eq!((batch.entries.len(), one.next, two.next, none.next), (3, 5, 1, 0));
    }

    #[test]
    fn an_unreadable_record_ends_a_batch_and_begins_the_next() {
        let (mut first, mut at) = (Batch::default(), cursor(1));
        let all = items(&[(0, 1), (1, 0), (2, 0), (3, 2)]);
        first.take(0, &mut at, all.clone()).unwrap();
        assert_eq!((steps(&first), first.broken.len()), (vec![(1, 0, 1, 1)], 0));
        let mut second = Batch::default();
        second.take(0, &mut at, all.into_iter().skip(1)).unwrap();
        assert_eq!((steps(&second), second.entries.len()), (vec![(1, 1, 2, 4)], 1));
        let parked: Vec<_> = second.broken.iter().map(|b| (b.position, b.offset, b.aggregate.as_str())).collect();
        assert_eq!(parked, [(2, 1, "t/job/a"), (3, 2, "t/job/a")]);
    }

    #[test]
    fn a_hole_ends_a_batch_and_is_a_fault_once_it_comes_first() {
        let (mut batch, mut at) = (Batch::default(), cursor(1));
        let all = items(&[(0, 1), (1, 3)]);
        batch.take(0, &mut at, all.clone()).unwrap();
        assert_eq!(steps(&batch), [(1, 0, 1, 1)]);
        let fault = Batch::default().take(0, &mut at, all.into_iter().skip(1)).unwrap_err();
        assert_eq!(fault.to_string(), "a hole: position 3 follows 1");
        assert!(Batch::default().take(0, &mut at, items(&[(1, 1)])).is_err(), "a double");
    }

    #[test]
    fn a_limit_is_never_passed() {
        let (mut batch, mut at) = (Batch::default(), cursor(1));
        at.until = Some(1);
        batch.take(0, &mut at, items(&[(0, 1), (1, 2)])).unwrap();
        assert_eq!((steps(&batch), at.next), (vec![(1, 0, 1, 1)], 1));
    }

    #[test]
    fn what_is_cut_off_is_read_again_and_the_other_sources_keep_theirs() {
        let mut cursors = [cursor(1), cursor(2)];
        let mut batch = Batch::default();
        batch.take(0, &mut cursors[0], items(&[(0, 1), (5, 2), (6, 3)])).unwrap();
        batch.take(1, &mut cursors[1], items(&[(0, 1), (1, 2)])).unwrap();
        assert_eq!(batch.cut(1, &mut cursors), Some((0, 5)));
        assert_eq!(steps(&batch), [(1, 0, 1, 1), (2, 0, 2, 2)]);
        assert_eq!((cursors[0].next, cursors[0].line.position(), batch.entries.len()), (1, 1, 3));
        assert_eq!(batch.cut(2, &mut cursors), Some((1, 1)), "places have moved");
        assert_eq!(batch.cut(1, &mut cursors), Some((1, 0)));
        assert_eq!((steps(&batch), cursors[1].next), (vec![(1, 0, 1, 1)], 0));
        assert_eq!(batch.cut(1, &mut cursors), None);
    }

    #[test]
    fn a_cut_behind_unreadable_records_keeps_them() {
        let mut cursors = [cursor(1)];
        let mut batch = Batch::default();
        batch.take(0, &mut cursors[0], items(&[(0, 0), (1, 2)])).unwrap();
        assert_eq!(batch.cut(0, &mut cursors), Some((0, 1)));
        assert_eq!((steps(&batch), batch.broken.len(), cursors[0].next), (vec![(1, 0, 0, 1)], 1, 1));
        assert!(cursors[0].line.take(2).is_ok(), "the next may still be the one after");
    }
}
