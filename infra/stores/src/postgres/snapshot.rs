//! A generation at one moment: one repeatable-read transaction on a connection of its own.
//!
//! Rows come through a cursor of the server, so neither side holds more than a page of them. The server cannot tidy rows
//! that the snapshot still sees, so it should not be kept for longer than a check takes.

use super::{
    PostgresStore,
    catalog::{Held, number},
    failure::refused,
    parked::{PARKED_OF, record},
    reading::{POSITIONS, load_from, within},
    values::read,
    waiting::stands,
};
use crate::{Answer, ParkedRecord, Snapshot, StoreError};
use schemas::row::Value;
use sqlx::{AssertSqlSafe, PgTransaction};
use std::{collections::BTreeMap, sync::Arc};

pub(super) struct PostgresSnapshot {
    transaction: PgTransaction<'static>,
    held: Arc<Held>,
    positions: BTreeMap<(String, u32), (u64, u64)>,
}

impl PostgresStore {
    pub(super) async fn snapshot_of(&self, generation: u64) -> Result<PostgresSnapshot, StoreError> {
        let doing = "beginning a snapshot";
        let held = self.catalog.get(generation).await?;
        let mut transaction = self.begin_snapshot(doing, generation).await?;
        let found = within(doing, sqlx::query(POSITIONS).bind(number(generation)?).fetch_all(&mut *transaction)).await?;
        let positions = stands(&found).map_err(|error| refused(doing, &error))?;
        let cursor = format!("DECLARE snapshot NO SCROLL CURSOR FOR {}", held.sql.scan);
        within(doing, sqlx::query(AssertSqlSafe(cursor)).persistent(false).execute(&mut *transaction)).await?;
        Ok(PostgresSnapshot { transaction, held, positions })
    }
}

impl Snapshot for PostgresSnapshot {
    fn positions(&self) -> &BTreeMap<(String, u32), (u64, u64)> {
        &self.positions
    }

    fn rows(&mut self, max: usize) -> Answer<'_, Vec<Vec<Value>>> {
        Box::pin(async move {
            let doing = "reading rows of a snapshot";
            // Not kept prepared: the next cursor on this connection has other columns.
            let fetch = sqlx::query(AssertSqlSafe(format!("FETCH FORWARD {max} FROM snapshot"))).persistent(false);
            let rows = within(doing, fetch.fetch_all(&mut *self.transaction)).await?;
            let kinds = &self.held.sql.kinds;
            rows.iter().map(|row| read(row, 0, kinds)).collect::<Result<_, _>>().map_err(|error| refused(doing, &error))
        })
    }

    fn load<'a>(&'a mut self, keys: &'a [Vec<Value>]) -> Answer<'a, Vec<Option<Vec<Value>>>> {
        Box::pin(load_from(&mut *self.transaction, &self.held, keys))
    }

    fn parked(&mut self, limit: usize) -> Answer<'_, Vec<ParkedRecord>> {
        Box::pin(async move {
            let doing = "reading parked records of a snapshot";
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let question = sqlx::query(PARKED_OF).bind(number(self.held.id)?).bind(limit);
            let rows = within(doing, question.fetch_all(&mut *self.transaction)).await?;
            rows.iter().map(|row| Ok(record(row)?.1)).collect::<sqlx::Result<_>>().map_err(|error| refused(doing, &error))
        })
    }
}
