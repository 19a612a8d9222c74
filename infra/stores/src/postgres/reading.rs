//! The questions that PostgreSQL answers.
//!
//! A question goes to the generation that was live a moment ago, and carries the condition that it still is: once it is
//! not, the question finds nothing, and is asked again of the one that is. So an answer is always of a live generation,
//! and costs one round trip unless it is empty.

use super::{
    PostgresStore,
    catalog::{Held, absent, number},
    connect::ANSWER,
    failure::{refused, silent},
    values::{bind, read, vectors},
};
use crate::{
    Query, Scan, StoreError,
    relation::{Question, fitting_key},
    row_hash,
};
use futures::TryStreamExt;
use schemas::row::{Table, Value};
use sqlx::{AssertSqlSafe, PgExecutor, PgTransaction, Row};
use std::{collections::BTreeMap, future::Future};

/// A switch can fall between two questions: so often the newer generation is asked.
const ATTEMPTS: usize = 4;

/// Lifts the bounds on statement and pause for this transaction, if there is such a generation.
const UNBOUNDED: &str = "SELECT set_config('statement_timeout', '0', true),
set_config('idle_in_transaction_session_timeout', '0', true) FROM generations WHERE id = $1";

pub(super) const POSITIONS: &str = r#"SELECT p.topic, p."partition", p.position, p.next_offset
FROM generations g LEFT JOIN positions p ON p.generation = g.id WHERE g.id = $1"#;

impl PostgresStore {
    /// An answer of the database, within its time.
    pub(super) async fn asked<T>(&self, doing: &str, answer: impl Future<Output = sqlx::Result<T>>) -> Result<T, StoreError> {
        within(doing, answer).await
    }

    pub(super) async fn positions_of(&self, generation: u64) -> Result<BTreeMap<(String, u32), (u64, u64)>, StoreError> {
        let doing = "reading positions";
        let rows = self.asked(doing, sqlx::query(POSITIONS).bind(number(generation)?).fetch_all(&self.questions)).await?;
        if rows.is_empty() {
            self.catalog.forget(generation);
            return Err(absent(generation));
        }
        super::waiting::stands(&rows).map_err(|error| refused(doing, &error))
    }

    pub(super) async fn load_rows(&self, generation: u64, keys: &[Vec<Value>]) -> Result<Vec<Option<Vec<Value>>>, StoreError> {
        let held = self.catalog.get(generation).await?;
        let unfit = |reason| StoreError::Fatal(format!("a key does not fit {}: {reason}", held.table));
        keys.iter().try_for_each(|key| held.definition.check_key(key)).map_err(unfit)?;
        if keys.is_empty() {
            return if self.catalog.exists(generation).await? { Ok(Vec::new()) } else { Err(absent(generation)) };
        }
        match load_from(&self.questions, &held, keys).await {
            Err(StoreError::Absent(_) | StoreError::Fatal(_)) if !self.catalog.exists(generation).await? => {
                Err(absent(generation))
            }
            loaded => loaded,
        }
    }

    pub(super) async fn get_row(&self, table: &Table, tenant: &str, key: &[Value]) -> Result<Option<Vec<Value>>, StoreError> {
        for _ in 0..ATTEMPTS {
            let held = self.catalog.live(table.name).await?;
            match self.find(&held, table, tenant, key).await {
                Ok(Some(row)) => return Ok(Some(row)),
                Err(error @ StoreError::Transient(_)) => return Err(error),
                nothing if self.catalog.is_live(&held).await? => return nothing,
                _ => {}
            }
        }
        Err(switching(table.name))
    }

    async fn find(&self, held: &Held, table: &Table, tenant: &str, key: &[Value]) -> Result<Option<Vec<Value>>, StoreError> {
        let doing = "reading a row";
        let view = held.view(table)?;
        fitting_key(held, key)?;
        if tenant.contains('\0') {
            return Ok(None);
        }
        let question = sqlx::query(AssertSqlSafe(view.get.clone())).bind(tenant);
        let question = key.iter().fold(question, bind);
        let row = self.asked(doing, question.fetch_optional(&self.questions)).await?;
        row.map(|row| read(&row, 0, &view.kinds)).transpose().map_err(|error| refused(doing, &error))
    }

    pub(super) async fn query_rows(&self, query: &Query) -> Result<Vec<Vec<Value>>, StoreError> {
        for _ in 0..ATTEMPTS {
            let held = self.catalog.live(query.table.name).await?;
            match self.answer(&held, query).await {
                Ok(rows) if !rows.is_empty() => return Ok(rows),
                Err(error @ StoreError::Transient(_)) => return Err(error),
                nothing if self.catalog.is_live(&held).await? => return nothing,
                _ => {}
            }
        }
        Err(switching(query.table.name))
    }

    async fn answer(&self, held: &Held, query: &Query) -> Result<Vec<Vec<Value>>, StoreError> {
        let doing = "reading rows";
        let question = Question::of(held, query)?;
        if query.tenant.contains('\0') {
            return Ok(Vec::new());
        }
        let asked = question.values.iter().fold(sqlx::query(AssertSqlSafe(question.sql)), bind);
        let rows = self.asked(doing, asked.fetch_all(&self.questions)).await?;
        rows.iter().map(|row| read(row, 0, &question.view.kinds)).collect::<Result<_, _>>().map_err(|e| refused(doing, &e))
    }

    /// A transaction that sees the generation as it is now, for as long as it takes.
    pub(super) async fn begin_snapshot(&self, doing: &str, generation: u64) -> Result<PgTransaction<'static>, StoreError> {
        let begin = self.questions.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
        let mut snapshot = self.asked(doing, begin).await?;
        let exists = sqlx::query(UNBOUNDED).bind(number(generation)?).fetch_optional(&mut *snapshot);
        if self.asked(doing, exists).await?.is_none() {
            self.catalog.forget(generation);
            return Err(absent(generation));
        }
        Ok(snapshot)
    }

    /// Rows as they come, from one snapshot. The server may take its time; what is bounded is the wait for a row.
    pub(super) async fn scan_rows(&self, generation: u64) -> Result<Scan, StoreError> {
        let doing = "scanning a generation";
        let held = self.catalog.get(generation).await?;
        let mut snapshot = self.begin_snapshot(doing, generation).await?;
        let mut sum = Scan { rows: 0, checksum: 0 };
        let mut rows = sqlx::query(AssertSqlSafe(held.sql.scan.clone())).fetch(&mut *snapshot);
        while let Some(row) = self.asked(doing, rows.try_next()).await? {
            let row = read(&row, 0, &held.sql.kinds).map_err(|error| refused(doing, &error))?;
            sum.rows += 1;
            sum.checksum = sum.checksum.wrapping_add(row_hash(&row));
        }
        drop(rows);
        self.asked(doing, snapshot.rollback()).await?;
        Ok(sum)
    }
}

/// An answer of the database, within its time.
pub(super) async fn within<T>(doing: &str, answer: impl Future<Output = sqlx::Result<T>>) -> Result<T, StoreError> {
    match tokio::time::timeout(ANSWER, answer).await {
        Ok(answer) => answer.map_err(|error| refused(doing, &error)),
        Err(_) => Err(silent(doing)),
    }
}

/// The rows of `keys`, in their order, through a pool or inside a transaction.
pub(super) async fn load_from<'e>(
    executor: impl PgExecutor<'e>,
    held: &Held,
    keys: &[Vec<Value>],
) -> Result<Vec<Option<Vec<Value>>>, StoreError> {
    let doing = "loading rows";
    let slices: Vec<&[Value]> = keys.iter().map(Vec::as_slice).collect();
    let question = sqlx::query(AssertSqlSafe(held.sql.load.clone()));
    let question = vectors(&held.sql.kinds[..held.sql.key], &slices).into_iter().fold(question, |q, column| column.bind(q));
    let found = within(doing, question.fetch_all(executor)).await?;
    let mut loaded = vec![None; keys.len()];
    for row in &found {
        let (number, row) = row
            .try_get::<i64, _>(0)
            .and_then(|number| Ok((number, read(row, 1, &held.sql.kinds)?)))
            .map_err(|error| refused(doing, &error))?;
        if let Some(place) = usize::try_from(number - 1).ok().and_then(|place| loaded.get_mut(place)) {
            *place = Some(row);
        }
    }
    Ok(loaded)
}

fn switching(name: &str) -> StoreError {
    StoreError::Transient(format!("read model {name} is switched from one generation to the next; try again"))
}
