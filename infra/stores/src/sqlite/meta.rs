//! The tables that say what the other tables are: generations, their positions, their parked records.

use super::catalog::Held;
use crate::{
    GenerationState, ParkedRecord,
    ddl::Dialect,
    relation::{Definition, Relation},
};
use rusqlite::{Connection, Error, Row, types::Type};
use std::collections::BTreeMap;

/// Made together with a new store.
pub(super) const TABLES: &str = r#"
CREATE TABLE generations (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL,
  version INTEGER NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('building', 'live', 'retired')),
  tbl TEXT NOT NULL,
  definition TEXT NOT NULL,
  note TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX generations_live ON generations (name) WHERE state = 'live';
CREATE TABLE positions (
  generation INTEGER NOT NULL,
  topic TEXT NOT NULL,
  "partition" INTEGER NOT NULL,
  position INTEGER NOT NULL,
  next_offset INTEGER NOT NULL,
  PRIMARY KEY (generation, topic, "partition")
) STRICT, WITHOUT ROWID;
CREATE TABLE parked (
  generation INTEGER NOT NULL,
  topic TEXT NOT NULL,
  "partition" INTEGER NOT NULL,
  position INTEGER NOT NULL,
  "offset" INTEGER NOT NULL,
  aggregate TEXT NOT NULL,
  reason TEXT NOT NULL,
  envelope BLOB NOT NULL,
  payload BLOB NOT NULL,
  PRIMARY KEY (generation, topic, "partition", position)
) STRICT;
CREATE INDEX parked_aggregate ON parked (generation, aggregate);
"#;

pub(super) const MOVE: &str = r#"INSERT INTO positions (generation, topic, "partition", position, next_offset)
VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET position = excluded.position, next_offset = excluded.next_offset"#;

pub(super) const PARK: &str = r#"INSERT INTO parked
(generation, topic, "partition", position, "offset", aggregate, reason, envelope, payload) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"#;

pub(super) const PARKED: &str = r#"SELECT g.name, p.topic, p."partition", p.position, p."offset", p.aggregate, p.reason,
p.envelope, p.payload FROM generations g JOIN parked p ON p.generation = g.id WHERE g.state = 'live'
ORDER BY g.name, p.topic, p."partition", p.position LIMIT ?"#;

/// Of one generation, in the columns of [`PARKED`].
pub(super) const PARKED_OF: &str = r#"SELECT '', topic, "partition", position, "offset", aggregate, reason, envelope, payload
FROM parked WHERE generation = ? ORDER BY topic, "partition", position LIMIT ?"#;

const POSITIONS: &str = r#"SELECT topic, "partition", position, next_offset FROM positions WHERE generation = ?"#;

pub(super) const PARKED_AGGREGATES: &str = "SELECT DISTINCT aggregate FROM parked WHERE generation = ? ORDER BY aggregate";

pub(super) fn state_name(state: GenerationState) -> &'static str {
    match state {
        GenerationState::Building => "building",
        GenerationState::Live => "live",
        GenerationState::Retired => "retired",
    }
}

/// Every generation with its positions.
pub(super) fn generations(connection: &Connection) -> rusqlite::Result<Vec<Held>> {
    let mut statement =
        connection.prepare("SELECT id, name, version, state, tbl, definition, note FROM generations ORDER BY id")?;
    let held: Vec<Held> = statement.query_map([], generation)?.collect::<rusqlite::Result<_>>()?;
    for held in &held {
        for ((topic, partition), stands) in positions(connection, held.id)? {
            held.advance(&topic, partition, stands);
        }
    }
    Ok(held)
}

/// Where a generation stands.
pub(super) fn positions(connection: &Connection, generation: u64) -> rusqlite::Result<BTreeMap<(String, u32), (u64, u64)>> {
    let mut statement = connection.prepare_cached(POSITIONS)?;
    statement.query_map([generation], |row| Ok(((row.get(0)?, row.get(1)?), (row.get(2)?, row.get(3)?))))?.collect()
}

fn generation(row: &Row<'_>) -> rusqlite::Result<Held> {
    let unknown = |place, what: &str| Error::FromSqlConversionFailure(place, Type::Text, what.into());
    let state = match row.get_ref(3)?.as_str()? {
        "building" => GenerationState::Building,
        "live" => GenerationState::Live,
        "retired" => GenerationState::Retired,
        _ => return Err(unknown(3, "no state of a generation")),
    };
    let definition = Definition::from_json(row.get_ref(5)?.as_str()?).ok_or_else(|| unknown(5, "no definition of a table"))?;
    let relation = Relation::new(Dialect::Sqlite, row.get(0)?, row.get(1)?, row.get(2)?, row.get(4)?, definition);
    Ok(Held::new(relation, (state, row.get(6)?)))
}

pub(super) fn parked(row: &Row<'_>) -> rusqlite::Result<(String, ParkedRecord)> {
    let record = ParkedRecord {
        topic: row.get(1)?,
        partition: row.get(2)?,
        position: row.get(3)?,
        offset: row.get(4)?,
        aggregate: row.get(5)?,
        reason: row.get(6)?,
        envelope: row.get(7)?,
        payload: row.get(8)?,
    };
    Ok((row.get(0)?, record))
}
