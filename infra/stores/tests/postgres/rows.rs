//! A table, writes that count, and the oracle for them.

use schemas::{Row, row::Value};
use std::{future::Future, time::Duration};
use swarmlog_stores::{Advance, Generation, PostgresConfig, PostgresStore, Scan, Store, StoreError, Write, row_hash};

/// What no test takes unless it hangs.
pub const BOUND: Duration = Duration::from_secs(120);

/// Every write adds rows with keys of its own and counts the row `total` up.
#[derive(Debug, Clone, PartialEq, Row)]
#[row(table = "counters", index(value))]
pub struct Counter {
    #[row(key)]
    pub id: String,
    pub value: i64,
}

pub fn full(id: String, value: i64) -> Vec<Value> {
    std::iter::once(Value::Text("default".into())).chain(Counter { id, value }.into_values()).collect()
}

fn rows_of(turn: u64, rows: u64) -> impl Iterator<Item = Vec<Value>> {
    let value = i64::try_from(turn).unwrap();
    (0..rows).map(move |n| full(format!("{turn}/{n}"), value)).chain([full("total".into(), value)])
}

/// The write that steps from `turn - 1` to `turn`.
pub fn write(generation: &Generation, turn: u64, rows: u64) -> Write {
    let advance = Advance { topic: "work.events".into(), partition: 0, from: turn - 1, to: turn, next_offset: turn };
    Write { generation: generation.id, advance: vec![advance], upserts: rows_of(turn, rows).collect(), ..Write::default() }
}

/// What is stored after writes of so many rows.
pub fn expected(writes: &[u64]) -> Scan {
    let mut sum = Scan { rows: 0, checksum: 0 };
    let mut add = |row: &[Value]| {
        sum.rows += 1;
        sum.checksum = sum.checksum.wrapping_add(row_hash(row));
    };
    for (turn, rows) in (1..).zip(writes) {
        rows_of(turn, *rows).filter(|row| row[1] != Value::Text("total".into())).for_each(|row| add(&row));
    }
    if !writes.is_empty() {
        add(&full("total".into(), i64::try_from(writes.len()).unwrap()));
    }
    sum
}

/// A live generation of counters.
pub async fn live(store: &PostgresStore) -> Generation {
    let made = store.create(&Counter::TABLE, 1).await.unwrap();
    store.switch(made.id, "").await.unwrap();
    made
}

pub async fn open(config: &PostgresConfig) -> PostgresStore {
    PostgresStore::connect(config.clone()).await.unwrap()
}

pub async fn position(store: &PostgresStore, generation: &Generation) -> u64 {
    let positions = patiently(|| store.positions(generation.id)).await;
    positions.get(&("work.events".to_owned(), 0)).map_or(0, |(position, _)| *position)
}

/// Tries again as long as the store is busy or away, and only then.
pub async fn patiently<T, F: Future<Output = Result<T, StoreError>>>(work: impl Fn() -> F) -> T {
    let tries = async {
        loop {
            match work().await {
                Ok(done) => return done,
                Err(StoreError::Transient(_)) => tokio::time::sleep(Duration::from_millis(5)).await,
                Err(other) => panic!("{other}"),
            }
        }
    };
    tokio::time::timeout(BOUND, tries).await.expect("the store comes back")
}

/// A connection beside the store's.
pub async fn connection(url: &str) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}
