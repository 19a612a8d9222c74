//! Two stores over one schema, as in two processes.

use crate::{rows::*, server::shared};
use schemas::{Row, row::Value};
use std::sync::Arc;
use swarmlog_stores::{Direction, PostgresStore, Query, Store, StoreError};

async fn total(store: &PostgresStore) -> Option<i64> {
    let row = store.get(&Counter::TABLE, "default", &[Value::Text("total".into())]).await.unwrap()?;
    Some(Counter::from_values(row).unwrap().value)
}

async fn pair() -> (PostgresStore, PostgresStore) {
    let config = shared().schema();
    tokio::join!(open(&config), open(&config))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_switch_is_seen_by_every_process_at_once() {
    let (here, there) = pair().await;
    let made = live(&here).await;
    here.write(write(&made, 1, 1)).await.unwrap();
    assert_eq!(total(&there).await, Some(1));
    let page = Query {
        table: Counter::TABLE,
        tenant: "default".into(),
        filters: vec![],
        order: vec![("value", Direction::Descending)],
        after: None,
        limit: 100,
    };
    for version in 2..12_u32 {
        let next = here.create(&Counter::TABLE, version).await.unwrap();
        for turn in 1..=u64::from(version) {
            here.write(write(&next, turn, 1)).await.unwrap();
        }
        here.switch(next.id, "").await.unwrap();
        if version % 2 == 0 {
            assert_eq!(total(&there).await, Some(version.into()));
            assert!(there.get(&Counter::TABLE, "default", &[Value::Text("1/0".into())]).await.unwrap().is_some());
        }
        assert_eq!(there.query(&page).await.unwrap().len(), version as usize + 1);
        assert!(there.get(&Counter::TABLE, "default", &[Value::Text("none".into())]).await.unwrap().is_none());
    }
    // The table that it knew is gone by now.
    assert!(matches!(there.write(write(&made, 2, 1)).await, Err(StoreError::Absent(_))));
    assert!(matches!(there.scan(made.id).await, Err(StoreError::Absent(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wait_ends_when_another_process_moves_the_position() {
    let (here, there) = pair().await;
    let made = live(&here).await;
    let there = Arc::new(there);
    for turn in 1..=20 {
        let waiting = tokio::spawn({
            let there = Arc::clone(&there);
            async move { there.reached("counters", "work.events", 0, turn, BOUND).await.unwrap() }
        });
        here.write(write(&made, turn, 1)).await.unwrap();
        assert!(waiting.await.unwrap());
        assert_eq!(total(&there).await, i64::try_from(turn).ok());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_owners_in_two_processes_one_is_stale() {
    let (here, there) = pair().await;
    let made = live(&here).await;
    for turn in 1..=20 {
        let (a, b) = tokio::join!(here.write(write(&made, turn, 20)), there.write(write(&made, turn, 20)));
        match (a, b) {
            (Ok(()), Err(StoreError::Stale { stored, .. })) | (Err(StoreError::Stale { stored, .. }), Ok(())) => {
                assert_eq!(stored, turn);
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(here.scan(made.id).await.unwrap(), expected(&[20; 20]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_text_for_the_server_is_found_by_no_question() {
    let (store, _) = pair().await;
    let made = live(&store).await;
    store.write(write(&made, 1, 1)).await.unwrap();
    let strange = Value::Text("total\0".into());
    let found = store.get(&Counter::TABLE, "default", std::slice::from_ref(&strange)).await;
    assert!(matches!(found, Err(StoreError::Absent(_))), "{found:?}");
    assert_eq!(store.get(&Counter::TABLE, "default\0", &[Value::Text("total".into())]).await.unwrap(), None);
}
