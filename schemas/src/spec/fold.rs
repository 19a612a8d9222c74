//! A read model folded in memory, through the same erased form that a host uses.

use crate::{AnyProjection, Entry, Folded, row::Value};
use std::{
    cmp::Ordering,
    collections::{BTreeMap, HashSet},
};

/// Key of a stored row: the tenant, then the key columns. Text sorts bytewise, as stores sort it.
#[derive(Debug, Clone, PartialEq)]
pub struct RowKey(pub Vec<Value>);

/// A record that was set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAside {
    /// Its place among the entries.
    pub index: usize,
    /// Why.
    pub reason: String,
}

/// What entries become.
#[derive(Debug, Default, PartialEq)]
pub struct Refolded {
    /// The rows by key, each starting with the tenant.
    pub rows: BTreeMap<RowKey, Vec<Value>>,
    /// The records set aside, in order.
    pub parked: Vec<SetAside>,
}

/// Folds `entries` in batches of `chunk`. Entries of topics that the read model does not read are left out.
pub fn fold_all(projection: &dyn AnyProjection, entries: &[Entry], chunk: usize) -> Refolded {
    let table = projection.table();
    let mut refolded = Refolded::default();
    let mut parked = HashSet::new();
    let read: Vec<(usize, &Entry)> = entries.iter().enumerate().filter(|(_, entry)| is_read(projection, entry)).collect();
    for part in read.chunks(chunk.max(1)) {
        let batch: Vec<Entry> = part.iter().map(|(_, entry)| Entry::clone(entry)).collect();
        let slice = projection.open(&batch, &parked);
        let loaded = slice.keys().iter().map(|key| refolded.rows.get(&RowKey(key.clone())).cloned()).collect();
        let Folded { upserts, deletes, parked: set_aside, .. } = slice.fold(loaded);
        for row in upserts {
            let key = row.iter().take(1 + table.key).cloned().collect();
            refolded.rows.insert(RowKey(key), row);
        }
        for key in deletes {
            refolded.rows.remove(&RowKey(key));
        }
        for record in set_aside {
            if let Some((index, entry)) = part.get(record.index) {
                parked.insert(entry.envelope.key());
                refolded.parked.push(SetAside { index: *index, reason: record.reason });
            }
        }
    }
    refolded
}

/// The law of every read model: however the log is cut into batches, the rows are the same. Answers them.
#[track_caller]
pub fn assert_any_split(projection: &dyn AnyProjection, entries: &[Entry]) -> Refolded {
    let whole = fold_all(projection, entries, entries.len());
    for chunk in (1..entries.len()).filter(|chunk| *chunk < 8 || chunk.is_power_of_two()) {
        let split = fold_all(projection, entries, chunk);
        assert_eq!(split, whole, "{} differs when the log is cut into batches of {chunk}", projection.name());
    }
    whole
}

fn is_read(projection: &dyn AnyProjection, entry: &Entry) -> bool {
    let context = entry.topic.split('.').next().unwrap_or_default();
    projection.streams().iter().any(|stream| stream.topic(context) == *entry.topic)
}

impl Eq for RowKey {}

impl Ord for RowKey {
    fn cmp(&self, other: &Self) -> Ordering {
        let pairs = self.0.iter().zip(&other.0);
        pairs.map(|(a, b)| compare(a, b)).find(|o| o.is_ne()).unwrap_or_else(|| self.0.len().cmp(&other.0.len()))
    }
}

impl PartialOrd for RowKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

fn compare(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Text(a), Value::Text(b)) | (Value::Json(a), Value::Json(b)) => a.cmp(b),
        (Value::I64(a), Value::I64(b)) | (Value::Time(a), Value::Time(b)) => a.cmp(b),
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Bytes(a), Value::Bytes(b)) => a.cmp(b),
        (Value::F64(a), Value::F64(b)) => a.total_cmp(b),
        _ => rank(a).cmp(&rank(b)),
    }
}

fn rank(value: &Value) -> u8 {
    match value {
        Value::Null => 0,
        Value::Text(_) => 1,
        Value::I64(_) => 2,
        Value::F64(_) => 3,
        Value::Bool(_) => 4,
        Value::Time(_) => 5,
        Value::Json(_) => 6,
        Value::Bytes(_) => 7,
    }
}
