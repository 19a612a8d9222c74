//! A generation at one moment: a connection of its own inside one reading transaction.
//!
//! The first statement pins the moment; what is written later is not seen, and the write-ahead log keeps growing until
//! the snapshot is dropped. Rows come by rowid, which is the order of the pages. Every step runs on a blocking thread.

use super::{SqliteStore, catalog::Held, failure::failed, meta, open, reading::find, values::read};
use crate::{Answer, ParkedRecord, Snapshot, StoreError};
use rusqlite::Connection;
use schemas::row::Value;
use std::{collections::BTreeMap, sync::Arc};
use tokio::task::spawn_blocking;

pub(super) struct SqliteSnapshot {
    /// None while a step that was given up still runs.
    connection: Option<Connection>,
    held: Arc<Held>,
    positions: BTreeMap<(String, u32), (u64, u64)>,
    /// The rowid of the last row handed out.
    last: i64,
}

impl SqliteStore {
    pub(super) async fn snapshot_of(&self, generation: u64) -> Result<SqliteSnapshot, StoreError> {
        let held = self.catalog.get(generation)?;
        let path = self.readers.path().to_owned();
        let begin = move || {
            let connection = open::reader(&path)?;
            connection.execute_batch("BEGIN")?;
            let positions = meta::positions(&connection, generation)?;
            Ok((connection, positions))
        };
        let (connection, positions) = blocking("beginning a snapshot", begin).await?;
        Ok(SqliteSnapshot { connection: Some(connection), held, positions, last: i64::MIN })
    }
}

impl SqliteSnapshot {
    async fn step<T: Send + 'static>(
        &mut self,
        doing: &'static str,
        work: impl FnOnce(&Connection, &Held) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let broken = || StoreError::Fatal(format!("{doing}: the snapshot was given up in the middle of a step"));
        let connection = self.connection.take().ok_or_else(broken)?;
        let held = Arc::clone(&self.held);
        let (connection, done) = blocking(doing, move || {
            let done = work(&connection, &held)?;
            Ok((connection, done))
        })
        .await?;
        self.connection = Some(connection);
        Ok(done)
    }
}

impl Snapshot for SqliteSnapshot {
    fn positions(&self) -> &BTreeMap<(String, u32), (u64, u64)> {
        &self.positions
    }

    fn rows(&mut self, max: usize) -> Answer<'_, Vec<Vec<Value>>> {
        Box::pin(async move {
            let last = self.last;
            let page = move |connection: &Connection, held: &Held| next(connection, held, last, max);
            let (rows, last) = self.step("reading rows of a snapshot", page).await?;
            self.last = last;
            Ok(rows)
        })
    }

    fn load<'a>(&'a mut self, keys: &'a [Vec<Value>]) -> Answer<'a, Vec<Option<Vec<Value>>>> {
        let keys = keys.to_vec();
        Box::pin(self.step("loading rows of a snapshot", move |connection, held| find(connection, held, &keys)))
    }

    fn parked(&mut self, limit: usize) -> Answer<'_, Vec<ParkedRecord>> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        Box::pin(self.step("reading parked records of a snapshot", move |connection, held| {
            let mut statement = connection.prepare_cached(meta::PARKED_OF)?;
            statement.query_map((held.id, limit), |row| Ok(meta::parked(row)?.1))?.collect()
        }))
    }
}

/// At most `max` rows behind the rowid `last`, and the rowid of the last of them.
fn next(connection: &Connection, held: &Held, mut last: i64, max: usize) -> rusqlite::Result<(Vec<Vec<Value>>, i64)> {
    let kinds = held.definition.kinds_with_tenant();
    let mut statement = connection.prepare_cached(&held.sql.next)?;
    let mut found = statement.query((last, i64::try_from(max).unwrap_or(i64::MAX)))?;
    let mut rows = Vec::new();
    while let Some(row) = found.next()? {
        rows.push(read(row, &kinds)?);
        last = row.get(kinds.len())?;
    }
    Ok((rows, last))
}

async fn blocking<T: Send + 'static>(
    doing: &'static str,
    work: impl FnOnce() -> rusqlite::Result<T> + Send + 'static,
) -> Result<T, StoreError> {
    let done = spawn_blocking(work).await.map_err(|error| StoreError::Fatal(format!("{doing}: {error}")))?;
    done.map_err(|error| failed(doing, &error))
}
