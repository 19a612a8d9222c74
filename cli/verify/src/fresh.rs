//! The rows of a fresh fold, in bounded memory.
//!
//! They stay in memory up to a bound; beyond it all that changed goes into a temporary store, and what a batch needs is
//! loaded from there. Stored rows are then looked up here, one page after the other, in the order in which they are
//! stored. Walking both sides in the order of the key would need no look-up, but neither store keeps its rows in that
//! order, and an ordered walk of a large table reads its pages at random. Folding once per share of the keys would read
//! and decode the whole log once per share.

use crate::error::{VerifyError, within};
use schemas::{
    Folded,
    row::{Table, Value},
};
use std::{
    collections::{HashMap, HashSet},
    hash::{BuildHasher, RandomState},
};
use stores::{SqliteStore, Store, Write};
use tempfile::TempDir;

/// A row, which starts with the tenant.
pub(crate) type Row = Vec<Value>;

/// Rows of one write into the temporary store.
const WRITE: usize = 8_192;
/// Keys of which it is remembered that they are in the temporary store: 64 MB.
const KNOWN: usize = 4_000_000;

/// A row, or the key of one that was deleted.
enum Held {
    Row(Row),
    Gone(Row),
}

struct Spilled {
    store: SqliteStore,
    generation: u64,
    /// Hashes of the keys that may be there; none once there are too many.
    known: Option<HashSet<u64>>,
    /// Removed last.
    _folder: TempDir,
}

pub(crate) struct Fresh {
    table: Table,
    is_facts: bool,
    /// Bytes that the rows in memory may take.
    limit: usize,
    rows: HashMap<Box<[u8]>, Held>,
    bytes: usize,
    spilled: Option<Spilled>,
    hasher: RandomState,
}

impl Fresh {
    pub(crate) fn new(table: Table, is_facts: bool, limit: usize) -> Self {
        let (rows, hasher) = (HashMap::new(), RandomState::new());
        Self { table, is_facts, limit, rows, bytes: 0, spilled: None, hasher }
    }

    /// The key of a row, the tenant first.
    fn key<'a>(&self, row: &'a [Value]) -> &'a [Value] {
        row.get(..=self.table.key).unwrap_or(row)
    }

    /// The rows of `keys`, in their order.
    pub(crate) async fn load(&self, keys: &[Row]) -> Result<Vec<Option<Row>>, VerifyError> {
        let mut rows = Vec::with_capacity(keys.len());
        let mut missing = Vec::new();
        for (place, key) in keys.iter().enumerate() {
            let bytes = encoded(key);
            match self.rows.get(&bytes) {
                Some(Held::Row(row)) => rows.push(Some(row.clone())),
                Some(Held::Gone(_)) => rows.push(None),
                None => {
                    rows.push(None);
                    if self.may_be_spilled(&bytes) {
                        missing.push((place, key.clone()));
                    }
                }
            }
        }
        if let Some(spilled) = self.spilled.as_ref().filter(|_| !missing.is_empty()) {
            let (places, keys): (Vec<usize>, Vec<Row>) = missing.into_iter().unzip();
            let loaded = within("loading folded rows", spilled.store.load(spilled.generation, &keys)).await?;
            places.into_iter().zip(loaded).for_each(|(place, row)| rows[place] = row);
        }
        Ok(rows)
    }

    fn may_be_spilled(&self, key: &[u8]) -> bool {
        let known = self.spilled.as_ref().map(|spilled| spilled.known.as_ref());
        known.is_some_and(|known| known.is_none_or(|known| known.contains(&self.hasher.hash_one(key))))
    }

    /// Takes in what a batch did.
    pub(crate) async fn apply(&mut self, folded: Folded) -> Result<(), VerifyError> {
        for row in folded.upserts {
            let key = encoded(self.key(&row));
            // The first of two facts with one key stays, as in a store.
            if self.is_facts && self.rows.contains_key(&key) {
                continue;
            }
            self.bytes += size(&row);
            if let Some(Held::Row(before)) = self.rows.insert(key, Held::Row(row)) {
                self.bytes -= size(&before);
            }
        }
        for key in folded.deletes {
            let bytes = encoded(&key);
            let before =
                if self.may_be_spilled(&bytes) { self.rows.insert(bytes, Held::Gone(key)) } else { self.rows.remove(&bytes) };
            if let Some(Held::Row(before)) = before {
                self.bytes -= size(&before);
            }
        }
        if self.bytes > self.limit { self.spill().await } else { Ok(()) }
    }

    /// Moves all rows in memory into the temporary store.
    async fn spill(&mut self) -> Result<(), VerifyError> {
        let spilled = match &mut self.spilled {
            Some(spilled) => spilled,
            None => self.spilled.insert(Spilled::new(&self.table).await?),
        };
        let mut write = Write { generation: spilled.generation, ..Write::default() };
        for (key, held) in self.rows.drain() {
            spilled.know(self.hasher.hash_one(&key));
            match held {
                Held::Row(row) => write.upserts.push(row),
                Held::Gone(key) => write.deletes.push(key),
            }
            if write.upserts.len() + write.deletes.len() == WRITE {
                let full = std::mem::replace(&mut write, Write { generation: spilled.generation, ..Write::default() });
                within("keeping folded rows", spilled.store.write(full)).await?;
            }
        }
        within("keeping folded rows", spilled.store.write(write)).await?;
        self.bytes = 0;
        Ok(())
    }

    /// All rows are in: from here on they are taken out.
    pub(crate) async fn close(mut self) -> Result<Expected, VerifyError> {
        if self.spilled.is_some() {
            self.spill().await?;
        }
        Ok(Expected { fresh: self, found: 0 })
    }
}

impl Spilled {
    async fn new(table: &Table) -> Result<Self, VerifyError> {
        let folder = tempfile::Builder::new().prefix("swarmlog-verify-").tempdir()?;
        let path = folder.path().to_owned();
        let open = move || SqliteStore::open(&path).map_err(|error| VerifyError::Failed(error.to_string()));
        let store = crate::error::blocking(open).await?;
        let generation = within("making a table of folded rows", store.create(table, 1)).await?.id;
        Ok(Self { store, generation, known: Some(HashSet::new()), _folder: folder })
    }

    fn know(&mut self, key: u64) {
        if let Some(known) = &mut self.known {
            known.insert(key);
        }
        if self.known.as_ref().is_some_and(|known| known.len() > KNOWN) {
            self.known = None;
        }
    }
}

/// The folded rows, while stored ones are compared with them.
pub(crate) struct Expected {
    fresh: Fresh,
    /// How many were found among the stored ones.
    found: u64,
}

impl Expected {
    /// The rows that `keys` should have; each key is asked for once.
    pub(crate) async fn take(&mut self, keys: &[Row]) -> Result<Vec<Option<Row>>, VerifyError> {
        let rows = if self.fresh.spilled.is_some() {
            self.fresh.load(keys).await?
        } else {
            let take = |key: &Row| match self.fresh.rows.remove(&encoded(key)) {
                Some(Held::Row(row)) => Some(row),
                _ => None,
            };
            keys.iter().map(take).collect()
        };
        self.found += rows.iter().flatten().count() as u64;
        Ok(rows)
    }

    /// What nobody asked for, page by page. Spilled rows come with those that were asked for: the caller looks them up.
    pub(crate) async fn rest(self) -> Result<Rest, VerifyError> {
        let Some(spilled) = self.fresh.spilled else {
            let rows = self.fresh.rows.into_values().filter_map(|held| match held {
                Held::Row(row) => Some(row),
                Held::Gone(_) => None,
            });
            return Ok(Rest::Memory(rows.collect()));
        };
        let all = within("counting folded rows", spilled.store.scan(spilled.generation)).await?.rows;
        if all == self.found {
            return Ok(Rest::Memory(Vec::new()));
        }
        let snapshot = within("reading folded rows", spilled.store.snapshot(spilled.generation)).await?;
        Ok(Rest::Spilled { snapshot, _spilled: Box::new(spilled) })
    }
}

/// Rows that may be missing in the store.
pub(crate) enum Rest {
    Memory(Vec<Row>),
    Spilled { snapshot: Box<dyn stores::Snapshot>, _spilled: Box<dyn Send> },
}

impl Rest {
    /// The next rows; none at the end.
    pub(crate) async fn next(&mut self, max: usize) -> Result<Vec<Row>, VerifyError> {
        match self {
            Self::Memory(rows) => Ok(rows.split_off(rows.len().saturating_sub(max))),
            Self::Spilled { snapshot, .. } => within("reading folded rows", snapshot.rows(max)).await,
        }
    }
}

/// Different keys have different bytes.
fn encoded(key: &[Value]) -> Box<[u8]> {
    let mut bytes = Vec::with_capacity(64);
    for value in key {
        let (tag, content): (u8, &[u8]) = match value {
            Value::Null => (0, &[]),
            Value::Text(text) => (1, text.as_bytes()),
            Value::I64(number) => (2, &number.to_be_bytes()),
            Value::F64(number) => (3, &number.to_be_bytes()),
            Value::Bool(truth) => (4, &[u8::from(*truth)]),
            Value::Time(micros) => (5, &micros.to_be_bytes()),
            Value::Json(text) => (6, text.as_bytes()),
            Value::Bytes(raw) => (7, raw),
        };
        bytes.push(tag);
        bytes.extend_from_slice(&(content.len() as u64).to_be_bytes());
        bytes.extend_from_slice(content);
    }
    bytes.into()
}

/// About how many bytes a row takes in memory, its key included.
fn size(row: &[Value]) -> usize {
    let content = row.iter().map(|value| match value {
        Value::Text(text) | Value::Json(text) => text.len() + 16,
        Value::Bytes(raw) => raw.len() + 16,
        _ => 0,
    });
    std::mem::size_of_val(row) + content.sum::<usize>() + 160
}
