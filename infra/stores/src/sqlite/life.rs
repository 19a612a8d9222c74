//! The life of generations: made, switched to, dropped. Each is one transaction of the writer.

use super::{catalog::Held, meta, writer::Writer};
use crate::{
    Generation, GenerationState, StoreError,
    ddl::{Dialect, TENANT, quoted},
    relation::{Definition, Relation},
};
use rusqlite::{Connection, params};
use schemas::row::Table;
use std::sync::Arc;

/// Makes an empty table in state building.
pub(super) fn create(writer: &mut Writer, table: &Table, version: u32) -> Result<Generation, StoreError> {
    let key = table.columns.get(..table.key).unwrap_or_default();
    if key.is_empty() || key.iter().any(|column| column.nullable) || table.columns.iter().any(|column| column.name == TENANT) {
        return Err(StoreError::Fatal(format!(
            "table {} needs a key whose columns are never absent, and no column called {TENANT}",
            table.name
        )));
    }
    let definition = Definition::of(table);
    let state = GenerationState::Building;
    let (id, physical) = writer.transaction("making a generation", |writer| {
        let connection = &writer.connection;
        let id: u64 = connection.query_row(
            "INSERT INTO generations (name, version, state, tbl, definition, note) VALUES (?, ?, ?, '', ?, '') RETURNING id",
            params![table.name, version, meta::state_name(state), definition.to_json()],
            |row| row.get(0),
        )?;
        let physical = format!("{}_g{id}", table.name);
        connection.execute("UPDATE generations SET tbl = ? WHERE id = ?", params![physical, id])?;
        for statement in Dialect::Sqlite.create(table, &physical) {
            connection.execute_batch(&statement)?;
        }
        Ok((id, physical))
    })?;
    let relation = Relation::new(Dialect::Sqlite, id, table.name.to_owned(), version, physical, definition);
    Ok(writer.catalog.add(Held::new(relation, (state, String::new()))).describe())
}

/// Makes a generation live and what was live retired; drops what was retired before.
pub(super) fn switch(writer: &mut Writer, generation: u64, note: &str) -> Result<(), StoreError> {
    let next = writer.catalog.get(generation)?;
    let retired = |held: &Arc<Held>| held.id != next.id && held.state() == GenerationState::Retired;
    let mut dropped: Vec<Arc<Held>> = writer.catalog.named(&next.name).into_iter().filter(retired).collect();
    if next.state() == GenerationState::Live {
        // A new note is all that changes.
        dropped.clear();
    }
    writer.transaction("switching a generation", |writer| {
        let connection = &writer.connection;
        let retired = meta::state_name(GenerationState::Retired);
        let live = meta::state_name(GenerationState::Live);
        connection.execute(
            "UPDATE generations SET state = ? WHERE name = ? AND state = ? AND id <> ?",
            params![retired, next.name, live, next.id],
        )?;
        connection.execute("UPDATE generations SET state = ?, note = ? WHERE id = ?", params![live, note, next.id])?;
        dropped.iter().try_for_each(|held| remove(connection, held))?;
        Ok(())
    })?;
    writer.catalog.switch(&next, note, &dropped);
    Ok(())
}

/// Drops a generation that is not live.
pub(super) fn discard(writer: &mut Writer, generation: u64) -> Result<(), StoreError> {
    let held = writer.catalog.get(generation)?;
    if held.state() == GenerationState::Live {
        return Err(StoreError::Absent(format!(
            "generation {generation} of {} is live and cannot be discarded: switch to another first",
            held.name
        )));
    }
    writer.transaction("discarding a generation", |writer| Ok(remove(&writer.connection, &held)?))?;
    writer.catalog.forget(generation);
    Ok(())
}

fn remove(connection: &Connection, held: &Held) -> rusqlite::Result<()> {
    connection.execute("DELETE FROM positions WHERE generation = ?", params![held.id])?;
    connection.execute("DELETE FROM parked WHERE generation = ?", params![held.id])?;
    connection.execute("DELETE FROM generations WHERE id = ?", params![held.id])?;
    connection.execute_batch(&format!("DROP TABLE {}", quoted(&held.table)))
}
