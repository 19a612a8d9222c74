//! Group commit: what several requests store in one SQLite transaction.
//!
//! Requests are staged one after another and only get in when they are valid, so a bad one fails alone. A group is
//! written at once, table by table, then either settled (shown to readers, and answered) or failed as a whole.

use super::{
    error::Failure,
    partition::{Addressed, Claims, Partition, place},
    queue::Answer,
};
use crate::{Offset, Record, meters::Meters};
use rusqlite::Connection;
use std::{collections::BTreeMap, sync::Arc};

/// Requests that are committed together.
#[derive(Default)]
pub(super) struct Group {
    partitions: BTreeMap<usize, Rows>,
    consumed: BTreeMap<(usize, Arc<str>), (Arc<Partition>, Offset)>,
    answers: Vec<(Answer<Vec<Offset>>, Vec<Offset>)>,
    claims: Vec<Claims>,
    /// Whether consumers have seen records of the group.
    seen: bool,
}

/// The records of one partition: first those that consumers have seen, then the others.
struct Rows {
    partition: Arc<Partition>,
    records: Vec<Record>,
    seen: usize,
    next: Offset,
    last_time: i64,
}

impl Group {
    /// Stages records that have their offsets and were seen.
    pub(super) fn store(&mut self, records: Vec<(Arc<Partition>, Record)>) {
        self.seen = true;
        for (partition, record) in records {
            let rows = self.partitions.entry(partition.id).or_insert_with(|| Rows {
                next: record.offset,
                last_time: record.time,
                partition,
                records: Vec::new(),
                seen: 0,
            });
            debug_assert_eq!((rows.records.len(), rows.next), (rows.seen, record.offset), "seen records come first");
            rows.next = record.offset + 1;
            rows.last_time = record.time;
            rows.seen += 1;
            rows.records.push(record);
        }
    }

    /// Stages appends: they get their offsets here. The claims keep others from taking the same ones.
    pub(super) fn append(&mut self, appends: Vec<Addressed>, claims: Claims, answer: Answer<Vec<Offset>>) {
        let mut offsets = Vec::with_capacity(appends.len());
        for Addressed { partition, append } in appends {
            let rows = self.partitions.entry(partition.id).or_insert_with(|| {
                let (next, last_time) = partition.edge();
                Rows { partition, records: Vec::new(), seen: 0, next, last_time }
            });
            let record = place(append, rows.next, rows.last_time);
            offsets.push(record.offset);
            rows.next = record.offset + 1;
            rows.last_time = record.time;
            rows.records.push(record);
        }
        self.answers.push((answer, offsets));
        self.claims.push(claims);
    }

    /// Stages consumed offsets.
    pub(super) fn consume(&mut self, consumed: Vec<(Arc<Partition>, Arc<str>, Offset)>) {
        for (partition, group, next) in consumed {
            self.consumed.insert((partition.id, group), (partition, next));
        }
    }

    /// Whether there is nothing to write; there may still be somebody to answer.
    pub(super) fn is_empty(&self) -> bool {
        self.partitions.is_empty() && self.consumed.is_empty()
    }

    /// Whether it moves consumed offsets.
    pub(super) fn decides(&self) -> bool {
        !self.consumed.is_empty()
    }

    /// Whether consumers have seen records of the group.
    pub(super) fn was_seen(&self) -> bool {
        self.seen
    }

    /// Writes the group into the open transaction.
    pub(super) fn write(&self, connection: &Connection) -> rusqlite::Result<()> {
        for rows in self.partitions.values() {
            rows.partition.inserts.run(connection, &rows.records)?;
        }
        if !self.consumed.is_empty() {
            let mut upsert = connection.prepare_cached(
                "INSERT INTO consumed (consumer_group, topic, partition, next) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT DO UPDATE SET next = excluded.next",
            )?;
            for ((_, group), (partition, next)) in &self.consumed {
                upsert.execute((&**group, partition.topic, partition.source.partition, next.cast_signed()))?;
            }
        }
        Ok(())
    }

    /// A guess at the pages that the commit wrote into the WAL.
    pub(super) fn pages(&self) -> u64 {
        let bytes: usize = self.partitions.values().flat_map(|rows| &rows.records).map(super::tail::size).sum();
        (bytes / 4096 + self.partitions.len() + 1) as u64
    }

    /// Shows the committed group to everybody and answers.
    pub(super) fn settle(self, meters: &Meters) {
        let mut total = 0;
        for ((_, group), (partition, next)) in &self.consumed {
            partition.set_consumed(group, *next);
        }
        let mut woken = Vec::new();
        for rows in self.partitions.into_values() {
            total += rows.records.len();
            rows.partition.records_total.increment(rows.records.len() as u64);
            woken.push(rows.partition.settle(rows.records.into_iter().skip(rows.seen), rows.next));
        }
        meters.group_records.record(total as f64);
        // Before the answers: who has an answer may append at once, and should not find its own claim.
        drop(self.claims);
        for (answer, offsets) in self.answers {
            let _ = answer.send(Ok(offsets));
        }
        for listener in woken.iter().flat_map(|listeners| listeners.iter()) {
            listener.notify_one();
        }
    }

    /// Answers that the group was not committed.
    pub(super) fn fail(self, failure: &Failure) {
        drop(self.claims);
        for (answer, _) in self.answers {
            let _ = answer.send(Err(failure.answer()));
        }
    }
}
