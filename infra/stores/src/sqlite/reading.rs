//! The questions that SQLite answers.

use super::{
    SqliteStore,
    catalog::Held,
    meta,
    values::{bind, read},
};
use crate::{
    ParkedRecord, Query, Scan, StoreError,
    relation::{Question, fitting_key},
    row_hash,
};
use rusqlite::Connection;
use schemas::row::{Table, Value};

/// Up to so many keys are loaded at once; more would be long work anyway.
const FEW_KEYS: usize = 64;
/// The same of rows of a query.
const FEW_ROWS: usize = 256;
/// A generation can be dropped while it is read: so often the newer one is asked instead.
const ATTEMPTS: usize = 20;

impl SqliteStore {
    pub(super) async fn load_rows(&self, generation: u64, keys: &[Vec<Value>]) -> Result<Vec<Option<Vec<Value>>>, StoreError> {
        let held = self.catalog.get(generation)?;
        let unfit = |reason| StoreError::Fatal(format!("a key does not fit {}: {reason}", held.table));
        keys.iter().try_for_each(|key| held.definition.check_key(key)).map_err(unfit)?;
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        if keys.len() <= FEW_KEYS
            && let Some(rows) = self.readers.brief("loading rows", |connection| load(connection, &held, keys))?
        {
            return Ok(rows);
        }
        let keys = keys.to_vec();
        self.readers.long("loading rows", move |connection| load(connection, &held, &keys)).await
    }

    pub(super) fn get_row(&self, table: &Table, tenant: &str, key: &[Value]) -> Result<Option<Vec<Value>>, StoreError> {
        let mut attempts = ATTEMPTS;
        loop {
            attempts -= 1;
            let held = self.catalog.live(table.name)?;
            let view = held.view(table)?;
            fitting_key(&held, key)?;
            let found = self.readers.point("reading a row", |connection| {
                let mut get = connection.prepare_cached(&view.get)?;
                get.raw_bind_parameter(1, tenant)?;
                bind(&mut get, 2, key)?;
                get.raw_query().next()?.map(|row| read(row, &view.kinds)).transpose()
            });
            match found {
                Err(error) if attempts > 0 && self.is_dropped(&held, &error) => std::thread::yield_now(),
                answered => return answered,
            }
        }
    }

    pub(super) async fn query_rows(&self, query: &Query) -> Result<Vec<Vec<Value>>, StoreError> {
        let mut attempts = ATTEMPTS;
        loop {
            attempts -= 1;
            let held = self.catalog.live(query.table.name)?;
            let question = Question::of(&held, query)?;
            match self.ask(question, query.limit).await {
                Err(error) if attempts > 0 && self.is_dropped(&held, &error) => tokio::task::yield_now().await,
                answered => return answered,
            }
        }
    }

    async fn ask(&self, question: Question, limit: usize) -> Result<Vec<Vec<Value>>, StoreError> {
        if limit <= FEW_ROWS
            && let Some(rows) = self.readers.brief("reading rows", |connection| rows(connection, &question))?
        {
            return Ok(rows);
        }
        self.readers.long("reading rows", move |connection| rows(connection, &question)).await
    }

    pub(super) async fn scan_rows(&self, generation: u64) -> Result<Scan, StoreError> {
        let held = self.catalog.get(generation)?;
        self.readers.long("scanning a generation", move |connection| scan(connection, &held)).await
    }

    pub(super) async fn parked_aggregates_of(&self, generation: u64) -> Result<Vec<String>, StoreError> {
        self.catalog.get(generation)?;
        let read = move |connection: &Connection| {
            let mut statement = connection.prepare_cached(meta::PARKED_AGGREGATES)?;
            statement.query_map([generation], |row| row.get(0))?.collect()
        };
        self.readers.long("reading parked aggregates", read).await
    }

    pub(super) async fn parked_records(&self, limit: usize) -> Result<Vec<(String, ParkedRecord)>, StoreError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let read = move |connection: &Connection| {
            let mut statement = connection.prepare_cached(meta::PARKED)?;
            statement.query_map([limit], meta::parked)?.collect()
        };
        self.readers.long("reading parked records", read).await
    }

    /// Whether a reading failed because its generation is gone; the file knows a moment before the catalog does.
    fn is_dropped(&self, held: &Held, error: &StoreError) -> bool {
        let has_no_table = matches!(error, StoreError::Fatal(reason) if reason.contains("no such table"));
        has_no_table || self.catalog.get(held.id).is_err()
    }
}

fn rows(connection: &Connection, question: &Question) -> rusqlite::Result<Vec<Vec<Value>>> {
    let mut statement = connection.prepare_cached(&question.sql)?;
    bind(&mut statement, 1, &question.values)?;
    let mut rows = statement.raw_query();
    let mut answer = Vec::new();
    while let Some(row) = rows.next()? {
        answer.push(read(row, &question.view.kinds)?);
    }
    Ok(answer)
}

fn load(connection: &Connection, held: &Held, keys: &[Vec<Value>]) -> rusqlite::Result<Vec<Option<Vec<Value>>>> {
    // All rows from one moment, and the locks are taken once.
    let snapshot = connection.unchecked_transaction()?;
    let loaded = find(&snapshot, held, keys)?;
    snapshot.finish()?;
    Ok(loaded)
}

/// The rows of `keys`, within the transaction of the caller.
pub(super) fn find(connection: &Connection, held: &Held, keys: &[Vec<Value>]) -> rusqlite::Result<Vec<Option<Vec<Value>>>> {
    let kinds = held.definition.kinds_with_tenant();
    let mut statement = connection.prepare_cached(&held.sql.load)?;
    let mut loaded = Vec::with_capacity(keys.len());
    for key in keys {
        bind(&mut statement, 1, key)?;
        loaded.push(statement.raw_query().next()?.map(|row| read(row, &kinds)).transpose()?);
    }
    Ok(loaded)
}

fn scan(connection: &Connection, held: &Held) -> rusqlite::Result<Scan> {
    let kinds = held.definition.kinds_with_tenant();
    let mut statement = connection.prepare_cached(&held.sql.scan)?;
    let mut rows = statement.raw_query();
    let mut sum = Scan { rows: 0, checksum: 0 };
    while let Some(row) = rows.next()? {
        sum.rows += 1;
        sum.checksum = sum.checksum.wrapping_add(row_hash(&read(row, &kinds)?));
    }
    Ok(sum)
}
