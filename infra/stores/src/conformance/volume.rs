//! Large writes, and many writers.

use super::{Fixture, sample::*};
use crate::{Direction, Filter, Operator, StoreError, Write};
use schemas::row::Value;
use std::sync::Arc;

async fn rows_in_one_write(fixture: impl Fixture, count: i64) {
    let store = fixture.store();
    let made = live::<Sample>(&*store).await;
    let rows = |add: i64| (0..count).map(move |n| Sample::new(format!("{n}"), n + add));
    store.write(write(&made, 0, 1, rows(0))).await.unwrap();
    store.write(write(&made, 1, 2, rows(1))).await.unwrap();
    assert_eq!(store.scan(made.id).await.unwrap().rows, u64::try_from(count).unwrap());
    for n in [0, 1, count / 2, count - 1] {
        assert_eq!(get(&*store, TENANT, &key(&n.to_string())).await, Some(Sample::new(n.to_string(), n + 1)));
    }
    let mut most = write::<Sample>(&made, 2, 3, []);
    most.upserts = rows(2).skip(1).map(|row| full(TENANT, row)).collect();
    most.deletes = vec![full_key::<Sample>(TENANT, &key("0"))];
    store.write(most).await.unwrap();
    assert_eq!(get::<Sample>(&*store, TENANT, &key("0")).await, None);
    let delete: Write = Write {
        deletes: (1..count).map(|n| full_key::<Sample>(TENANT, &key(&n.to_string()))).collect(),
        ..write::<Sample>(&made, 3, 4, [])
    };
    store.write(delete).await.unwrap();
    assert_eq!(store.scan(made.id).await.unwrap().rows, 0);
}

/// A common batch.
pub async fn five_thousand_rows_in_one_write(fixture: impl Fixture) {
    rows_in_one_write(fixture, 5_000).await;
}

/// A batch of a rebuild.
pub async fn twenty_thousand_rows_in_one_write(fixture: impl Fixture) {
    rows_in_one_write(fixture, 20_000).await;
}

/// However long it takes, the answer comes, and the runtime does not stand still for it.
pub async fn a_question_that_no_index_helps_is_answered(fixture: impl Fixture) {
    let store = fixture.store();
    let made = live::<Sample>(&*store).await;
    let rows = (0..20_000).map(|n| Sample { weight: n as f64, ..Sample::new(format!("{n:05}"), n) });
    store.write(write(&made, 0, 1, rows)).await.unwrap();
    let filter = |operator, weight| Filter { column: "weight", operator, value: Value::F64(weight) };
    let last = query::<Sample>(vec![filter(Operator::Above, 19_998.0)], &[], 5);
    assert_eq!(ids(&*store, &last).await, ["19999"]);
    let sorted = query::<Sample>(vec![filter(Operator::AtMost, 15_000.0)], &[("weight", Direction::Descending)], 2);
    assert_eq!(ids(&*store, &sorted).await, ["15000", "14999"]);
    assert!(ids(&*store, &query::<Sample>(vec![filter(Operator::Equal, 0.5)], &[], 5)).await.is_empty());
}

/// Each has its rows and its position in the end.
pub async fn writers_of_different_generations_do_not_disturb_each_other(fixture: impl Fixture) {
    let store = fixture.store();
    let mut writers = Vec::new();
    let mut made = Vec::new();
    for number in 0..4 {
        let generation = generation::<Sample>(&*store).await;
        made.push(generation.clone());
        let store = Arc::clone(&store);
        writers.push(tokio::spawn(async move {
            for turn in 0..50_u64 {
                let rank = i64::try_from(turn).unwrap();
                let rows = [Sample::new("x", rank), Sample::new(format!("{number}-{turn}"), rank)];
                store.write(write(&generation, turn, turn + 1, rows)).await.unwrap();
                assert_eq!(load(&*store, &generation, &[key("x")]).await, [Some(Sample::new("x", rank))]);
            }
        }));
    }
    for writer in writers {
        writer.await.unwrap();
    }
    for generation in made {
        assert_eq!(position(&*store, &generation, 0).await, (50, 500));
        assert_eq!(store.scan(generation.id).await.unwrap().rows, 51);
    }
}

/// They race for every step; each step is made once.
pub async fn of_two_writers_of_one_source_one_is_stale(fixture: impl Fixture) {
    let store = fixture.store();
    let made = generation::<Sample>(&*store).await;
    for turn in 0..30 {
        let of = |name: &str| write(&made, turn, turn + 1, [Sample::new("x", i64::from(name == "a")), Sample::new(name, 1)]);
        let (a, b) = tokio::join!(store.write(of("a")), store.write(of("b")));
        let won = match (a, b) {
            (Ok(()), Err(StoreError::Stale { .. })) => "a",
            (Err(StoreError::Stale { .. }), Ok(())) => "b",
            other => panic!("{other:?}"),
        };
        let row = load::<Sample>(&*store, &made, &[key("x")]).await;
        assert_eq!(row[0].as_ref().unwrap().rank, i64::from(won == "a"));
    }
    assert_eq!(position(&*store, &made, 0).await, (30, 300));
}
