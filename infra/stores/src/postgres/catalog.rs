//! Generations that this process has met.
//!
//! What a generation is never changes, so it is kept. Which one is live may change at any time, in any process: what is
//! kept of that is a hint, and a question finds nothing once the hint is wrong.

use super::{failure::refused, statements::Statements};
use crate::{
    Generation, GenerationState, StoreError,
    ddl::Dialect,
    relation::{Definition, Relation},
};
use parking_lot::RwLock;
use sqlx::{PgPool, Row, postgres::PgRow};
use std::{collections::HashMap, ops::Deref, sync::Arc};

/// A generation.
pub(super) struct Held {
    relation: Relation,
    pub(super) sql: Statements,
}

impl Held {
    pub(super) fn new(relation: Relation) -> Arc<Self> {
        let sql = Statements::of(&relation);
        Arc::new(Self { relation, sql })
    }
}

impl Deref for Held {
    type Target = Relation;

    fn deref(&self) -> &Relation {
        &self.relation
    }
}

pub(super) struct Catalog {
    pool: PgPool,
    by_id: RwLock<HashMap<u64, Arc<Held>>>,
    live: RwLock<HashMap<String, Arc<Held>>>,
}

impl Catalog {
    pub(super) fn new(pool: PgPool) -> Self {
        Self { pool, by_id: RwLock::default(), live: RwLock::default() }
    }

    pub(super) fn add(&self, held: Arc<Held>) {
        self.by_id.write().insert(held.id, held);
    }

    /// The generation, as far as this process knows.
    pub(super) async fn get(&self, generation: u64) -> Result<Arc<Held>, StoreError> {
        if let Some(held) = self.by_id.read().get(&generation) {
            return Ok(Arc::clone(held));
        }
        let stored = sqlx::query("SELECT id, name, version, tbl, definition FROM generations WHERE id = $1")
            .bind(number(generation)?)
            .fetch_optional(&self.pool)
            .await
            .map_err(|error| refused("reading a generation", &error))?;
        let stored = stored.ok_or_else(|| absent(generation))?;
        let held = relation(&stored)?;
        self.add(Arc::clone(&held));
        Ok(held)
    }

    /// Whether the database still has it.
    pub(super) async fn exists(&self, generation: u64) -> Result<bool, StoreError> {
        let found: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM generations WHERE id = $1)")
            .bind(number(generation)?)
            .fetch_one(&self.pool)
            .await
            .map_err(|error| refused("reading a generation", &error))?;
        if !found {
            self.forget(generation);
        }
        Ok(found)
    }

    /// The live generation of a read model, or one that was live a moment ago.
    pub(super) async fn live(&self, name: &str) -> Result<Arc<Held>, StoreError> {
        let hint = self.live.read().get(name).cloned();
        match hint {
            Some(held) => Ok(held),
            None => self.find_live(name).await,
        }
    }

    /// Whether it is live now; if not, the next one that asks gets the one that is.
    pub(super) async fn is_live(&self, held: &Held) -> Result<bool, StoreError> {
        Ok(self.find_live(&held.name).await?.id == held.id)
    }

    async fn find_live(&self, name: &str) -> Result<Arc<Held>, StoreError> {
        let id = sqlx::query_scalar::<_, i64>("SELECT id FROM generations WHERE name = $1 AND state = 'live'")
            .bind(name)
            .fetch_optional(&self.pool)
            .await
            .map_err(|error| refused("reading the live generation", &error))?;
        let Some(id) = id else {
            self.live.write().remove(name);
            return Err(no_live(name));
        };
        let held = self.get(unsigned(id)).await?;
        self.live.write().insert(name.to_owned(), Arc::clone(&held));
        Ok(held)
    }

    /// All generations of a read model, newest first.
    pub(super) async fn named(&self, name: &str) -> Result<Vec<Generation>, StoreError> {
        let rows = sqlx::query("SELECT id, name, version, state, tbl, note FROM generations WHERE name = $1 ORDER BY id DESC")
            .bind(name)
            .fetch_all(&self.pool)
            .await
            .map_err(|error| refused("reading generations", &error))?;
        rows.iter().map(|row| described(row).map_err(|error| refused("reading generations", &error))).collect()
    }

    /// Forgets which generation of a read model is live.
    pub(super) fn switched(&self, name: &str) {
        self.live.write().remove(name);
    }

    /// Forgets what was dropped.
    pub(super) fn forget(&self, generation: u64) {
        self.by_id.write().remove(&generation);
        self.live.write().retain(|_, held| held.id != generation);
    }
}

fn relation(row: &PgRow) -> Result<Arc<Held>, StoreError> {
    let unreadable = |error: sqlx::Error| refused("reading a generation", &error);
    let id = unsigned(row.try_get(0).map_err(unreadable)?);
    let definition: String = row.try_get(4).map_err(unreadable)?;
    let definition = Definition::from_json(&definition)
        .ok_or_else(|| StoreError::Fatal(format!("generation {id} has a definition that this program cannot read")))?;
    let version = version(row.try_get(2).map_err(unreadable)?);
    let (name, table) = (row.try_get(1).map_err(unreadable)?, row.try_get(3).map_err(unreadable)?);
    Ok(Held::new(Relation::new(Dialect::Postgres, id, name, version, table, definition)))
}

fn described(row: &PgRow) -> sqlx::Result<Generation> {
    let state = match row.try_get(3)? {
        "live" => GenerationState::Live,
        "retired" => GenerationState::Retired,
        _ => GenerationState::Building,
    };
    Ok(Generation {
        id: unsigned(row.try_get(0)?),
        name: row.try_get(1)?,
        version: version(row.try_get(2)?),
        state,
        table: row.try_get(4)?,
        note: row.try_get(5)?,
    })
}

pub(super) fn absent(generation: u64) -> StoreError {
    StoreError::Absent(format!("there is no generation {generation}"))
}

pub(super) fn no_live(name: &str) -> StoreError {
    StoreError::Absent(format!("read model {name} has no live generation yet"))
}

/// A number as the database keeps it.
pub(super) fn number(number: u64) -> Result<i64, StoreError> {
    i64::try_from(number).map_err(|_| StoreError::Fatal(format!("{number} is larger than the database can keep")))
}

/// And back; the store never keeps one below 0.
pub(super) fn unsigned(number: i64) -> u64 {
    number.unsigned_abs()
}

fn version(version: i64) -> u32 {
    u32::try_from(version).unwrap_or(u32::MAX)
}
