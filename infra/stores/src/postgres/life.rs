//! The life of generations: made, switched to, dropped. Each is one transaction, and one runs at a time.
//!
//! The lock that they take lets everybody read and write rows. A commit that was not answered is looked up under the same
//! lock, which the old connection holds until its transaction has ended.

use super::{
    PostgresStore,
    catalog::{Held, absent, number, unsigned},
    failure::failed,
    session::{Session, Unknown},
};
use crate::{
    Generation, GenerationState, StoreError,
    ddl::{Dialect, TENANT, quoted},
    relation::{Definition, Relation},
};
use schemas::row::Table;
use tokio_postgres::types::ToSql;

/// Longest name of a read model: PostgreSQL ends names after 63 bytes, and tables and indexes have numbers.
const NAME: usize = 40;

const LOCK: &str = "LOCK TABLE generations IN SHARE ROW EXCLUSIVE MODE";

impl PostgresStore {
    /// Makes an empty table in state building.
    pub(super) async fn make(&self, table: &Table, version: u32) -> Result<Generation, StoreError> {
        let key = table.columns.get(..table.key).unwrap_or_default();
        if key.is_empty() || key.iter().any(|column| column.nullable) || table.columns.iter().any(|column| column.name == TENANT)
        {
            return Err(StoreError::Fatal(format!(
                "table {} needs a key whose columns are never absent, and no column called {TENANT}",
                table.name
            )));
        }
        if table.name.len() > NAME {
            return Err(StoreError::Fatal(format!("the name of table {} is longer than {NAME} bytes", table.name)));
        }
        let doing = "making a generation";
        let definition = Definition::of(table);
        let change = Change::begin(self, doing).await?;
        let insert = "INSERT INTO generations (name, version, state, tbl, definition, note)
             VALUES ($1, $2, 'building', '', $3, '') RETURNING id";
        let made = async {
            let id: i64 =
                change.value(insert, &[&table.name, &i64::from(version), &definition.to_json()]).await?.unwrap_or_default();
            let physical = format!("{}_g{id}", table.name);
            change.run("UPDATE generations SET tbl = $1 WHERE id = $2", &[&physical, &id]).await?;
            for statement in Dialect::Postgres.create(table, &physical) {
                change.run(&statement, &[]).await?;
            }
            Ok((id, physical))
        };
        let made = made.await;
        let (id, physical) = change.end(made, "SELECT FROM generations WHERE id = $1", |(id, _)| *id).await?;
        let id = unsigned(id);
        let relation = Relation::new(Dialect::Postgres, id, table.name.to_owned(), version, physical.clone(), definition);
        self.catalog.add(Held::new(relation));
        let (name, state) = (table.name.to_owned(), GenerationState::Building);
        Ok(Generation { id, name, version, state, table: physical, note: String::new() })
    }

    /// Makes a generation live and what was live retired; drops what was retired before.
    pub(super) async fn make_live(&self, generation: u64, note: &str) -> Result<(), StoreError> {
        let id = number(generation)?;
        let change = Change::begin(self, "switching a generation").await?;
        let switched = async {
            let (name, state) = change.described(generation).await?;
            if state == "live" {
                // A new note is all that changes.
                change.run("UPDATE generations SET note = $1 WHERE id = $2", &[&note, &id]).await?;
                return Ok((name, Vec::new()));
            }
            let retired = "SELECT id, tbl FROM generations WHERE name = $1 AND state = 'retired' AND id <> $2";
            let dropped = change.tables(retired, &[&name, &id]).await?;
            change.run("UPDATE generations SET state = 'retired' WHERE name = $1 AND state = 'live'", &[&name]).await?;
            change.run("UPDATE generations SET state = 'live', note = $1 WHERE id = $2", &[&note, &id]).await?;
            change.remove(&dropped).await?;
            Ok((name, dropped))
        };
        let switched = switched.await;
        let is_live = "SELECT FROM generations WHERE id = $1 AND state = 'live'";
        let (name, dropped) = change.end(switched, is_live, |_| id).await?;
        dropped.iter().for_each(|(id, _)| self.catalog.forget(unsigned(*id)));
        self.catalog.switched(&name);
        self.pulse.tell(&name);
        Ok(())
    }

    /// Drops a generation that is not live.
    pub(super) async fn drop_generation(&self, generation: u64) -> Result<(), StoreError> {
        let id = number(generation)?;
        let change = Change::begin(self, "discarding a generation").await?;
        let discarded = async {
            let (name, state) = change.described(generation).await?;
            if state == "live" {
                return Err(StoreError::Absent(format!(
                    "generation {generation} of {name} is live and cannot be discarded: switch to another first"
                )));
            }
            let dropped = change.tables("SELECT id, tbl FROM generations WHERE id = $1", &[&id]).await?;
            change.remove(&dropped).await
        };
        let discarded = discarded.await;
        change.end(discarded, "SELECT WHERE NOT EXISTS (SELECT FROM generations WHERE id = $1)", |()| id).await?;
        self.catalog.forget(generation);
        Ok(())
    }
}

/// A change of generations that is under way.
struct Change<'s> {
    store: &'s PostgresStore,
    session: Session,
    doing: &'static str,
}

impl<'s> Change<'s> {
    async fn begin(store: &'s PostgresStore, doing: &'static str) -> Result<Self, StoreError> {
        let mut session = Session::take(&store.writes, doing).await?;
        session.begin().await?;
        let change = Self { store, session, doing };
        change.run(LOCK, &[]).await?;
        Ok(change)
    }

    async fn run(&self, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Result<(), StoreError> {
        let session = &self.session;
        session.step(session.client()?.execute(sql, values)).await.map(|_| ())
    }

    async fn value(&self, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Result<Option<i64>, StoreError> {
        let session = &self.session;
        let row = session.step(session.client()?.query_opt(sql, values)).await?;
        row.map(|row| row.try_get(0)).transpose().map_err(|error| failed(self.doing, &error))
    }

    /// Name and state of a generation.
    async fn described(&self, generation: u64) -> Result<(String, String), StoreError> {
        let session = &self.session;
        let (sql, id) = ("SELECT name, state FROM generations WHERE id = $1", number(generation)?);
        let row = session.step(session.client()?.query_opt(sql, &[&id])).await?.ok_or_else(|| absent(generation))?;
        let read = |place| row.try_get(place).map_err(|error| failed(self.doing, &error));
        Ok((read(0)?, read(1)?))
    }

    async fn tables(&self, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Result<Vec<(i64, String)>, StoreError> {
        let session = &self.session;
        let rows = session.step(session.client()?.query(sql, values)).await?;
        let read = |row: &tokio_postgres::Row| Ok((row.try_get(0)?, row.try_get(1)?));
        rows.iter().map(read).collect::<Result<_, _>>().map_err(|error| failed(self.doing, &error))
    }

    /// Generations with their tables; positions and parked records go with them.
    async fn remove(&self, dropped: &[(i64, String)]) -> Result<(), StoreError> {
        for (id, table) in dropped {
            self.run("DELETE FROM generations WHERE id = $1", &[id]).await?;
            self.run(&format!("DROP TABLE {}", quoted(table)), &[]).await?;
        }
        Ok(())
    }

    /// Undoes the change if a step of it failed; else commits it. `done` finds a row for the generation that `id` names
    /// if it has happened.
    async fn end<T>(self, outcome: Result<T, StoreError>, done: &str, id: impl Fn(&T) -> i64) -> Result<T, StoreError> {
        let Self { store, session, doing } = self;
        let made = match outcome {
            Ok(made) => made,
            Err(error) => {
                session.undo().await;
                return Err(error);
            }
        };
        let Err(Unknown(error)) = session.commit().await else { return Ok(made) };
        tracing::warn!(store.error = %error, "a commit was not answered");
        let look = async {
            let again = Self::begin(store, doing).await?;
            let found = again.session.step(again.session.client()?.query_opt(done, &[&id(&made)])).await;
            again.session.undo().await;
            found
        };
        match look.await {
            Ok(Some(_)) => Ok(made),
            Ok(None) => Err(StoreError::Transient(format!("{error}; it was undone"))),
            Err(_) => Err(StoreError::Transient(format!("{error}; it may have been committed"))),
        }
    }
}
