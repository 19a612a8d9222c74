//! One write: rows, parked records and positions in one transaction.
//!
//! Its statements are sent together, without waiting for one another's answers; only the commit waits for all. Rows go
//! in as arrays of columns, or from [`COPY_FROM`] rows on by COPY into a table of the transaction. What the program could
//! have known to be wrong is refused before anything is sent.

use super::{
    PostgresStore,
    catalog::{Held, absent},
    distinct,
    failure::failed,
    parked::{PARK, Parked},
    session::{Session, Unknown},
    steps::{MOVE, STAND, START, Steps},
    values::{Copied, Vector, copied_type, vectors},
};
use crate::{StoreError, Write, metrics};
use futures::{join, pin_mut};
use schemas::row::Value;
use std::time::Instant;
use tokio_postgres::{
    Client, Error, Statement,
    binary_copy::BinaryCopyInWriter,
    types::{ToSql, Type},
};

const DOING: &str = "writing";

/// From so many rows on, COPY is quicker than arrays.
const COPY_FROM: usize = 5_000;

/// A write as it is sent.
struct Change<'a> {
    steps: Steps<'a>,
    /// One per key.
    rows: Vec<&'a [Value]>,
    facts: bool,
    deletes: Vec<&'a [Value]>,
    parked: Parked<'a>,
}

impl PostgresStore {
    pub(super) async fn write_rows(&self, write: &Write) -> Result<(), StoreError> {
        let begun = Instant::now();
        let held = self.catalog.get(write.generation).await?;
        let change = Change::of(&held, write)?;
        metrics::queued(self.writes.status().waiting);
        let mut session = Session::take(&self.writes, DOING).await?;
        let done = match change.execute(&mut session, &held).await {
            Ok(()) => match session.commit().await {
                Ok(()) => Ok(()),
                Err(Unknown(error)) => self.outcome(write, &change.steps, error).await,
            },
            Err(error) => {
                session.undo().await;
                Err(error)
            }
        };
        match done {
            // Whatever was missed, it was missed because the generation is gone.
            Err(StoreError::Absent(_) | StoreError::Fatal(_) | StoreError::Stale { .. })
                if !self.catalog.exists(held.id).await? =>
            {
                Err(absent(held.id))
            }
            Ok(()) => {
                metrics::committed(begun.elapsed());
                metrics::rows(&held.name, write.upserts.len() + write.deletes.len());
                self.pulse.tell(&held.name);
                Ok(())
            }
            failed => failed,
        }
    }
}

impl<'a> Change<'a> {
    fn of(held: &Held, write: &'a Write) -> Result<Self, StoreError> {
        let unfit = |reason| StoreError::Fatal(format!("a row does not fit {}: {reason}", held.table));
        write.upserts.iter().try_for_each(|row| held.definition.check_row(row)).map_err(unfit)?;
        write.deletes.iter().try_for_each(|key| held.definition.check_key(key)).map_err(unfit)?;
        let rows = if write.facts {
            distinct::same(&write.upserts, held.sql.key).map_err(|row| doubled(held, row))?
        } else {
            distinct::last(&write.upserts, held.sql.key)
        };
        Ok(Self {
            steps: Steps::of(write, &held.table)?,
            rows,
            facts: write.facts,
            deletes: write.deletes.iter().map(Vec::as_slice).collect(),
            parked: Parked::of(held.id, &write.parked)?,
        })
    }

    /// Everything but the commit.
    async fn execute(&self, session: &mut Session, held: &Held) -> Result<(), StoreError> {
        let (sql, steps) = (&held.sql, &self.steps);
        let copies = self.rows.len() >= COPY_FROM;
        // Before the transaction: a statement that is new to the connection needs answers.
        let start = prepared(session, steps.begins(), START).await?;
        let stand = prepared(session, steps.len() > 0, STAND).await?;
        let advance = prepared(session, steps.len() > 0, MOVE).await?;
        let delete = prepared(session, !self.deletes.is_empty(), &sql.delete).await?;
        let put = if self.facts { &sql.fact } else { &sql.upsert };
        let put = prepared(session, !self.rows.is_empty() && !copies, put).await?;
        let park = prepared(session, !self.parked.is_empty(), PARK).await?;
        let keys = vectors(&sql.kinds[..sql.key], &self.deletes);
        let rows = if put.is_some() { vectors(&sql.kinds, &self.rows) } else { Vec::new() };
        let (keys, rows) = (parameters(&keys), parameters(&rows));
        let (to_start, to_stand, to_move) = (steps.to_start(), steps.to_stand(), steps.to_move());
        let to_park = self.parked.parameters();

        session.begins();
        let client = session.client()?;
        let sent = async {
            // In this order: what is polled first is sent first.
            Ok(join!(
                client.batch_execute("BEGIN"),
                send(client, &start, &to_start),
                async {
                    match &stand {
                        Some(stand) => client.query(stand, &to_stand).await,
                        None => Ok(Vec::new()),
                    }
                },
                send(client, &advance, &to_move),
                send(client, &delete, &keys),
                send(client, &put, &rows),
                send(client, &park, &to_park),
            ))
        };
        let (begun, started, standing, moved, deleted, put, parked) = session.step(sent).await?;
        let broken = |error: Error| failed(DOING, &error);
        begun.map_err(broken)?;
        started.map_err(broken)?;
        if let Some(stale) = steps.stale(&standing.map_err(broken)?).map_err(broken)? {
            return Err(stale);
        }
        let moved = moved.map_err(broken)?;
        if moved != steps.len() as u64 {
            return Err(StoreError::Fatal(format!("{}: {moved} of {} sources moved", held.table, steps.len())));
        }
        deleted.map_err(broken)?;
        let mut put = put.map_err(broken)?;
        parked.map_err(broken)?;
        if copies {
            put = self.copy(session, held).await?;
        }
        if self.facts && put < self.rows.len() as u64 {
            self.compare(session, held).await?;
        }
        Ok(())
    }

    /// Puts many rows.
    async fn copy(&self, session: &Session, held: &Held) -> Result<u64, StoreError> {
        let client = session.client()?;
        let types: Vec<Type> = held.sql.kinds.iter().map(|kind| copied_type(*kind)).collect();
        let copied = async {
            client.batch_execute(&held.sql.stage).await?;
            let writer = BinaryCopyInWriter::new(client.copy_in(&held.sql.copy).await?, &types);
            pin_mut!(writer);
            for row in &self.rows {
                let values: Vec<Copied<'_>> = row.iter().map(Copied).collect();
                writer.as_mut().write_raw(values).await?;
            }
            writer.finish().await?;
            client.execute(if self.facts { &held.sql.fact_staged } else { &held.sql.upsert_staged }, &[]).await
        };
        session.step(copied).await
    }

    /// Some facts were there before: they must be the same.
    async fn compare(&self, session: &Session, held: &Held) -> Result<(), StoreError> {
        let changed = session.prepared(&held.sql.changed).await?;
        for rows in self.rows.chunks(COPY_FROM) {
            let columns = vectors(&held.sql.kinds, rows);
            let found = session.step(session.client()?.query_opt(&changed, &parameters(&columns))).await?;
            let Some(found) = found else { continue };
            let number: i64 = found.try_get(0).map_err(|error| failed(DOING, &error))?;
            let row = usize::try_from(number - 1).ok().and_then(|place| rows.get(place)).copied();
            return Err(doubled(held, row.unwrap_or_default()));
        }
        Ok(())
    }
}

async fn prepared(session: &Session, needed: bool, sql: &str) -> Result<Option<Statement>, StoreError> {
    Ok(if needed { Some(session.prepared(sql).await?) } else { None })
}

async fn send(client: &Client, statement: &Option<Statement>, values: &[&(dyn ToSql + Sync)]) -> Result<u64, Error> {
    match statement {
        Some(statement) => client.execute(statement, values).await,
        None => Ok(0),
    }
}

fn parameters<'v>(columns: &'v [Vector<'_>]) -> Vec<&'v (dyn ToSql + Sync)> {
    columns.iter().map(Vector::parameter).collect()
}

fn doubled(held: &Held, row: &[Value]) -> StoreError {
    let key: Vec<String> = held.key().zip(row).map(|(name, value)| format!("{name} {value:?}")).collect();
    StoreError::Fatal(format!("a fact of {} is already there with other content: {}", held.table, key.join(", ")))
}
