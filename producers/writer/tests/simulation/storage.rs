//! What the simulated log holds: partitions, owners, transactions nobody knows the outcome of, and consumed offsets.
//!
//! It keeps the promises of the log's port and no others: offsets have gaps, a snapshot's topic forgets, and what became of
//! a transaction may be settled long after its writer gave up on it, but before a newer owner of its name is told so.

use log::{Append, LogError, Offset, Record, Source, Transaction};
use rand::{Rng, rngs::SmallRng};
use std::collections::{BTreeMap, BTreeSet};

/// A partition: the next offset, and the committed records.
#[derive(Default)]
struct Partition {
    next: Offset,
    records: Vec<Record>,
}

#[derive(Default)]
pub(crate) struct Storage {
    partitions: BTreeMap<Source, Partition>,
    committed: BTreeMap<Source, Offset>,
    epochs: BTreeMap<String, u64>,
    open: BTreeMap<String, Transaction>,
}

impl Storage {
    pub(crate) fn append(&mut self, records: Vec<Append>) -> Vec<Offset> {
        let append = |Append { source, key, envelope, payload, time }| {
            let partition = self.partitions.entry(source).or_default();
            let time = partition.records.last().map_or(time, |last| last.time.max(time));
            let offset = partition.next;
            partition.next += 1;
            partition.records.push(Record { offset, time, key, envelope, payload });
            offset
        };
        records.into_iter().map(append).collect()
    }

    pub(crate) fn read(&self, source: &Source, from: Offset, max: usize) -> Vec<Record> {
        let records = self.all(source);
        let start = records.partition_point(|record| record.offset < from);
        records.iter().skip(start).take(max).cloned().collect()
    }

    pub(crate) fn all(&self, source: &Source) -> &[Record] {
        self.partitions.get(source).map(|partition| partition.records.as_slice()).unwrap_or_default()
    }

    pub(crate) fn end(&self, source: &Source) -> Offset {
        self.partitions.get(source).map_or(0, |partition| partition.next)
    }

    pub(crate) fn offset_at(&self, source: &Source, time: i64) -> Offset {
        let found = self.all(source).iter().find(|record| record.time >= time);
        found.map_or(self.end(source), |record| record.offset)
    }

    pub(crate) fn committed(&self, source: &Source) -> Option<Offset> {
        self.committed.get(source).copied()
    }

    /// As after a group's offsets have expired.
    pub(crate) fn forget_committed(&mut self) {
        self.committed.clear();
    }

    /// A new epoch; what the owner before left open is settled first.
    pub(crate) fn own(&mut self, name: &str, rng: &mut SmallRng) -> u64 {
        self.settle(name, rng.random());
        let epoch = self.epochs.entry(name.to_owned()).or_default();
        *epoch += 1;
        *epoch
    }

    fn is_newest(&self, name: &str, epoch: u64) -> Result<(), LogError> {
        let newest = self.epochs.get(name).copied().unwrap_or(0);
        if newest == epoch { Ok(()) } else { Err(LogError::Fenced { name: name.to_owned(), epoch: newest }) }
    }

    pub(crate) fn commit(&mut self, name: &str, epoch: u64, transaction: Transaction) -> Result<Vec<Offset>, LogError> {
        self.is_newest(name, epoch)?;
        assert!(!self.open.contains_key(name), "{name} goes on although nobody knows what became of its last transaction");
        let touched: BTreeSet<Source> = transaction.append.iter().map(|append| append.source.clone()).collect();
        let offsets = self.append(transaction.append);
        for source in touched {
            // The mark of a transaction takes an offset too.
            self.partitions.entry(source).or_default().next += 1;
        }
        self.committed.extend(transaction.consumed.into_iter().map(|consumed| (consumed.source, consumed.next)));
        Ok(offsets)
    }

    /// Accepts a transaction and leaves its outcome open.
    pub(crate) fn leave_open(&mut self, name: &str, epoch: u64, transaction: Transaction) -> Result<(), LogError> {
        self.is_newest(name, epoch)?;
        self.open.insert(name.to_owned(), transaction);
        Ok(())
    }

    /// Settles a transaction whose outcome is open, if there is one.
    pub(crate) fn settle(&mut self, name: &str, is_committed: bool) {
        if let Some(transaction) = self.open.remove(name).filter(|_| is_committed) {
            let epoch = self.epochs.get(name).copied().unwrap_or(0);
            self.commit(name, epoch, transaction).expect("it was accepted");
        }
    }

    /// The name of a transaction whose outcome is open.
    pub(crate) fn is_open(&self) -> Option<String> {
        self.open.keys().next().cloned()
    }

    /// Forgets records before `before`, maybe not all; says whether it has.
    pub(crate) fn trim(&mut self, source: &Source, before: Offset, rng: &mut SmallRng) -> bool {
        let is_done = rng.random();
        let before = if is_done { before } else { rng.random_range(0..=before) };
        if let Some(partition) = self.partitions.get_mut(source) {
            partition.records.retain(|record| record.offset >= before);
        }
        is_done
    }

    /// Forgets records of a topic that have a later one of the same key.
    pub(crate) fn compact(&mut self, source: &Source) {
        if let Some(partition) = self.partitions.get_mut(source) {
            let newest: BTreeMap<_, _> = partition.records.iter().map(|record| (record.key.clone(), record.offset)).collect();
            partition.records.retain(|record| newest.get(&record.key) == Some(&record.offset));
        }
    }

    /// Loses or spoils one record.
    pub(crate) fn damage(&mut self, source: &Source, rng: &mut SmallRng) {
        let Some(partition) = self.partitions.get_mut(source).filter(|partition| !partition.records.is_empty()) else { return };
        let place = rng.random_range(0..partition.records.len());
        if rng.random() {
            partition.records.remove(place);
            return;
        }
        let mut payload = partition.records[place].payload.to_vec();
        if let Some(length) = payload.len().checked_sub(1) {
            payload[rng.random_range(0..=length)] ^= 1 << rng.random_range(0..8);
            partition.records[place].payload = payload.into();
        }
    }
}
