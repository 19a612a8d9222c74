//! The table and the writes that the cases share.

use crate::{Advance, Direction, Filter, Generation, ParkedRecord, Query, Store, Write};
use schemas::{
    Row,
    row::{Json, Time, Value},
};

/// A row with every kind of column, some of them with the names of SQL's words.
#[derive(Debug, Clone, PartialEq, Row)]
#[row(table = "samples", index(group, rank), index(maybe))]
pub(super) struct Sample {
    #[row(key)]
    pub(super) id: String,
    #[row(key)]
    pub(super) part: i64,
    pub(super) group: String,
    pub(super) rank: i64,
    pub(super) weight: f64,
    pub(super) done: bool,
    pub(super) at: Time,
    pub(super) config: Json,
    pub(super) maybe: Option<i64>,
    pub(super) name: Option<String>,
    pub(super) share: Option<f64>,
    pub(super) open: Option<bool>,
    pub(super) until: Option<Time>,
    pub(super) result: Option<Json>,
}

impl Sample {
    pub(super) fn new(id: impl Into<String>, rank: i64) -> Self {
        Self {
            id: id.into(),
            part: 0,
            group: "a".into(),
            rank,
            weight: 0.5,
            done: false,
            at: Time(1_790_000_000_000_000 + rank),
            config: Json("{}".into()),
            maybe: None,
            name: None,
            share: None,
            open: None,
            until: None,
            result: None,
        }
    }
}

/// Rows with raw bytes, which stores may keep in another way.
#[derive(Debug, Clone, PartialEq, Row)]
#[row(table = "records", index(kind))]
pub(super) struct Record {
    #[row(key)]
    pub(super) id: String,
    #[row(key)]
    pub(super) seq: i64,
    pub(super) kind: String,
    pub(super) payload: Vec<u8>,
    pub(super) extra: Option<Vec<u8>>,
}

impl Record {
    pub(super) fn new(id: impl Into<String>, seq: i64, payload: impl Into<Vec<u8>>) -> Self {
        Self { id: id.into(), seq, kind: "k".into(), payload: payload.into(), extra: None }
    }
}

pub(super) const TENANT: &str = "default";
pub(super) const TOPIC: &str = "work.events";

/// A row as it is written.
pub(super) fn full(tenant: &str, row: impl Row) -> Vec<Value> {
    std::iter::once(Value::Text(tenant.into())).chain(row.into_values()).collect()
}

/// A key as it is loaded and deleted.
pub(super) fn full_key<R: Row>(tenant: &str, key: &R::Key) -> Vec<Value> {
    std::iter::once(Value::Text(tenant.into())).chain(R::key_values(key)).collect()
}

pub(super) fn key(id: &str) -> (String, i64) {
    (id.into(), 0)
}

pub(super) fn step(partition: u32, from: u64, to: u64) -> Advance {
    Advance { topic: TOPIC.into(), partition, from, to, next_offset: to * 10 }
}

/// A write of rows that moves partition 0.
pub(super) fn write<R: Row>(generation: &Generation, from: u64, to: u64, rows: impl IntoIterator<Item = R>) -> Write {
    Write {
        generation: generation.id,
        advance: vec![step(0, from, to)],
        upserts: rows.into_iter().map(|row| full(TENANT, row)).collect(),
        ..Write::default()
    }
}

pub(super) fn parked(aggregate: &str, position: u64) -> ParkedRecord {
    ParkedRecord {
        topic: TOPIC.into(),
        partition: 0,
        position,
        offset: position + 5,
        aggregate: aggregate.into(),
        reason: "no such symbol".into(),
        envelope: vec![0, 1, 255],
        payload: vec![],
    }
}

pub(super) async fn generation<R: Row>(store: &dyn Store) -> Generation {
    store.create(&R::TABLE, 1).await.unwrap()
}

/// A generation that queries see.
pub(super) async fn live<R: Row>(store: &dyn Store) -> Generation {
    let generation = generation::<R>(store).await;
    store.switch(generation.id, "the first").await.unwrap();
    generation
}

pub(super) async fn get<R: Row>(store: &dyn Store, tenant: &str, key: &R::Key) -> Option<R> {
    let row = store.get(&R::TABLE, tenant, &R::key_values(key)).await.unwrap();
    row.map(|row| R::from_values(row).unwrap())
}

pub(super) async fn load<R: Row>(store: &dyn Store, generation: &Generation, keys: &[R::Key]) -> Vec<Option<R>> {
    let keys: Vec<_> = keys.iter().map(|key| full_key::<R>(TENANT, key)).collect();
    let rows = store.load(generation.id, &keys).await.unwrap();
    rows.into_iter().map(|row| row.map(|row| R::from_values(row.into_iter().skip(1).collect()).unwrap())).collect()
}

pub(super) fn query<R: Row>(filters: Vec<Filter>, order: &[(&'static str, Direction)], limit: usize) -> Query {
    Query { table: R::TABLE, tenant: TENANT.into(), filters, order: order.to_vec(), after: None, limit }
}

/// The ids that a query of samples finds.
pub(super) async fn ids(store: &dyn Store, query: &Query) -> Vec<String> {
    let rows = store.query(query).await.unwrap();
    rows.into_iter().map(|row| Sample::from_values(row).unwrap().id).collect()
}

pub(super) async fn position(store: &dyn Store, generation: &Generation, partition: u32) -> (u64, u64) {
    let positions = store.positions(generation.id).await.unwrap();
    positions.get(&(TOPIC.to_owned(), partition)).copied().unwrap_or_default()
}
