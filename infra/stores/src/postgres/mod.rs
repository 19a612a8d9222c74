//! The store on a PostgreSQL server: several processes write and ask at the same time.
//!
//! Enters: writes with the positions they come from. Leaves: rows. Promised: rows, parked records and positions of a
//! write are stored together or not at all, whatever kills this process, a connection or the server; of two owners of a
//! source one is told that it is stale; an answer is of a generation that is live. Not done: TLS, and making the
//! database; its schema is made.

mod catalog;
mod check;
mod connect;
mod distinct;
mod failure;
mod life;
mod outcome;
mod parked;
mod pulse;
mod reading;
mod session;
mod snapshot;
mod statements;
mod steps;
mod values;
mod waiting;
mod write;

pub use check::Fitness;
pub use connect::PostgresConfig;

use crate::{Answer, Generation, ParkedRecord, Query, Scan, Snapshot, Store, StoreError, Write};
use catalog::Catalog;
use deadpool_postgres::Pool;
use pulse::Pulse;
use schemas::row::{Table, Value};
use sqlx::PgPool;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::task::JoinHandle;

/// The store on a PostgreSQL server.
pub struct PostgresStore {
    writes: Pool,
    questions: PgPool,
    catalog: Catalog,
    pulse: Arc<Pulse>,
    tasks: [JoinHandle<()>; 2],
}

impl PostgresStore {
    /// Connects, and makes the schema if there is none. Transient if the server is away.
    pub async fn connect(config: PostgresConfig) -> Result<Self, StoreError> {
        let connect::Connected { writes, questions } = connect::connect(&config).await?;
        let pulse = Arc::<Pulse>::default();
        let channel = format!("swarmlog_{}", config.schema);
        let tasks = [
            tokio::spawn(Arc::clone(&pulse).speak(questions.clone(), channel.clone())),
            tokio::spawn(Arc::clone(&pulse).listen(questions.clone(), channel)),
        ];
        Ok(Self { writes, catalog: Catalog::new(questions.clone()), questions, pulse, tasks })
    }
}

impl Drop for PostgresStore {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
        self.writes.close();
    }
}

impl Store for PostgresStore {
    fn generations<'a>(&'a self, name: &'a str) -> Answer<'a, Vec<Generation>> {
        Box::pin(self.catalog.named(name))
    }

    fn create<'a>(&'a self, table: &'a Table, version: u32) -> Answer<'a, Generation> {
        Box::pin(self.make(table, version))
    }

    fn switch<'a>(&'a self, generation: u64, note: &'a str) -> Answer<'a, ()> {
        Box::pin(self.make_live(generation, note))
    }

    fn discard(&self, generation: u64) -> Answer<'_, ()> {
        Box::pin(self.drop_generation(generation))
    }

    fn positions(&self, generation: u64) -> Answer<'_, BTreeMap<(String, u32), (u64, u64)>> {
        Box::pin(self.positions_of(generation))
    }

    fn load<'a>(&'a self, generation: u64, keys: &'a [Vec<Value>]) -> Answer<'a, Vec<Option<Vec<Value>>>> {
        Box::pin(self.load_rows(generation, keys))
    }

    fn write(&self, write: Write) -> Answer<'_, ()> {
        Box::pin(async move { self.write_rows(&write).await })
    }

    fn parked_aggregates(&self, generation: u64) -> Answer<'_, Vec<String>> {
        Box::pin(self.parked_aggregates_of(generation))
    }

    fn parked(&self, limit: usize) -> Answer<'_, Vec<(String, ParkedRecord)>> {
        Box::pin(self.parked_records(limit))
    }

    fn get<'a>(&'a self, table: &'a Table, tenant: &'a str, key: &'a [Value]) -> Answer<'a, Option<Vec<Value>>> {
        Box::pin(self.get_row(table, tenant, key))
    }

    fn query<'a>(&'a self, query: &'a Query) -> Answer<'a, Vec<Vec<Value>>> {
        Box::pin(self.query_rows(query))
    }

    fn scan(&self, generation: u64) -> Answer<'_, Scan> {
        Box::pin(self.scan_rows(generation))
    }

    fn snapshot(&self, generation: u64) -> Answer<'_, Box<dyn Snapshot>> {
        Box::pin(async move { Ok(Box::new(self.snapshot_of(generation).await?) as Box<dyn Snapshot>) })
    }

    fn reached<'a>(&'a self, name: &'a str, topic: &'a str, partition: u32, position: u64, wait: Duration) -> Answer<'a, bool> {
        Box::pin(self.reach(name, topic, partition, position, wait))
    }
}
