//! One write inside the open transaction: first whether it may happen, then its statements.

use super::{
    catalog::{Catalog, Held},
    meta,
    values::{bind, read},
};
use crate::{Advance, StoreError, Write, ddl::TENANT};
use rusqlite::{Connection, params};
use schemas::row::Value;
use std::{collections::HashMap, sync::Arc};

/// Where sources stand after the accepted writes of the open transaction.
#[derive(Default)]
pub(super) struct Pending(HashMap<(u64, Arc<str>, u32), u64>);

impl Pending {
    /// Accepts the write, or says why it cannot happen. Nothing is written yet.
    pub(super) fn accept(&mut self, catalog: &Catalog, write: &Write) -> Result<Arc<Held>, StoreError> {
        let held = catalog.get(write.generation)?;
        for advance in &write.advance {
            let stored = self.stands(&held, advance);
            if stored != advance.from {
                return Err(StoreError::Stale {
                    generation: held.id,
                    source_name: format!("{}/{}", advance.topic, advance.partition),
                    stored,
                    expected: advance.from,
                });
            }
            if advance.to < advance.from {
                return Err(StoreError::Fatal(format!(
                    "{} cannot step back from {} to {} of {}/{}",
                    held.table, advance.from, advance.to, advance.topic, advance.partition
                )));
            }
        }
        let unfit = |reason| StoreError::Fatal(format!("a row does not fit {}: {reason}", held.table));
        write.upserts.iter().try_for_each(|row| held.definition.check_row(row)).map_err(unfit)?;
        write.deletes.iter().try_for_each(|key| held.definition.check_key(key)).map_err(unfit)?;
        for advance in &write.advance {
            self.0.insert((held.id, Arc::clone(&advance.topic), advance.partition), advance.to);
        }
        Ok(held)
    }

    fn stands(&self, held: &Held, advance: &Advance) -> u64 {
        let source = (held.id, Arc::clone(&advance.topic), advance.partition);
        self.0.get(&source).copied().unwrap_or_else(|| held.position(&advance.topic, advance.partition).0)
    }
}

/// Why a write failed in the middle: its transaction has to be undone.
pub(super) enum Broken {
    /// SQLite says so.
    Sqlite(rusqlite::Error),
    /// A fact is already there with other content; it says which.
    Doubled(String),
}

impl From<rusqlite::Error> for Broken {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

/// Executes the statements of an accepted write.
pub(super) fn apply(connection: &Connection, held: &Held, write: &Write) -> Result<(), Broken> {
    if !write.deletes.is_empty() {
        let mut delete = connection.prepare_cached(&held.sql.delete)?;
        for key in &write.deletes {
            bind(&mut delete, 1, key)?;
            delete.raw_execute()?;
        }
    }
    if !write.upserts.is_empty() {
        let mut put = connection.prepare_cached(if write.facts { &held.sql.fact } else { &held.sql.upsert })?;
        for row in &write.upserts {
            bind(&mut put, 1, row)?;
            if put.raw_execute()? == 0 && write.facts {
                same_fact(connection, held, row)?;
            }
        }
    }
    for parked in &write.parked {
        connection.prepare_cached(meta::PARK)?.execute(params![
            held.id,
            parked.topic,
            parked.partition,
            parked.position,
            parked.offset,
            parked.aggregate,
            parked.reason,
            parked.envelope,
            parked.payload
        ])?;
    }
    for advance in &write.advance {
        connection.prepare_cached(meta::MOVE)?.execute(params![
            held.id,
            &*advance.topic,
            advance.partition,
            advance.to,
            advance.next_offset
        ])?;
    }
    Ok(())
}

/// Whether the fact that is stored under the row's key is the same.
fn same_fact(connection: &Connection, held: &Held, row: &[Value]) -> Result<(), Broken> {
    let kinds = held.definition.kinds_with_tenant();
    let key = &row[..=held.definition.key_columns().len()];
    let mut load = connection.prepare_cached(&held.sql.load)?;
    bind(&mut load, 1, key)?;
    let mut stored = load.raw_query();
    if let Some(stored) = stored.next()?
        && read(stored, &kinds)? == row
    {
        return Ok(());
    }
    let names = std::iter::once(TENANT).chain(held.definition.key_columns().iter().map(|column| column.name.as_str()));
    let key: Vec<String> = names.zip(key).map(|(name, value)| format!("{name} {value:?}")).collect();
    Err(Broken::Doubled(format!("a fact of {} is already there with other content: {}", held.table, key.join(", "))))
}
