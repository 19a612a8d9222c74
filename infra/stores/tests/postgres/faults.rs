//! Writes while connections are cut, the server dies, and tables are locked.

use crate::{
    proxy::{Cut, Proxy},
    rows::*,
    server::{Postgres, shared},
};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use swarmlog_stores::{Generation, PostgresConfig, PostgresStore, Store, StoreError};

/// Rows of a write: arrays, and now and then COPY.
fn size(turn: u64) -> u64 {
    if turn.is_multiple_of(7) { 5_200 } else { 300 }
}

/// Writes until `over`, each write until it is done. Answers the sizes of the writes.
async fn write_until(store: Arc<PostgresStore>, made: Generation, over: Arc<AtomicBool>) -> Vec<u64> {
    let mut writes = Vec::new();
    while !over.load(Ordering::SeqCst) {
        let turn = writes.len() as u64 + 1;
        patiently(|| store.write(write(&made, turn, size(turn)))).await;
        writes.push(size(turn));
    }
    writes
}

async fn stored_as_written(store: &PostgresStore, made: &Generation, writes: &[u64]) {
    assert_eq!(position(store, made).await, writes.len() as u64);
    assert_eq!(patiently(|| store.scan(made.id)).await, expected(writes));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_are_killed_in_the_middle_of_writes_lose_and_double_nothing() {
    let config = shared().schema();
    let named = PostgresConfig { url: format!("{}?application_name={}", config.url, config.schema), ..config };
    let store = Arc::new(open(&named).await);
    let made = live(&store).await;
    let over = Arc::new(AtomicBool::new(false));
    let writer = tokio::spawn(write_until(Arc::clone(&store), made.clone(), Arc::clone(&over)));
    let killer = connection(&named.url.replace(&named.schema, "killer")).await;
    let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE application_name = $1 AND (state = 'active' OR state LIKE 'idle in transaction%')";
    let mut killed = 0;
    let kills = async {
        while killed < 25 {
            killed += killer.query(kill, &[&named.schema]).await.unwrap().len();
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(BOUND, kills).await.unwrap();
    over.store(true, Ordering::SeqCst);
    let writes = tokio::time::timeout(BOUND, writer).await.unwrap().unwrap();
    stored_as_written(&store, &made, &writes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_dies_and_comes_back_loses_and_doubles_nothing() {
    let server = Arc::new(tokio::task::spawn_blocking(Postgres::start).await.unwrap());
    let store = Arc::new(open(&server.schema()).await);
    let made = live(&store).await;
    let over = Arc::new(AtomicBool::new(false));
    let writer = tokio::spawn(write_until(Arc::clone(&store), made.clone(), Arc::clone(&over)));
    for _ in 0..3 {
        let stands = position(&store, &made).await;
        let server = Arc::clone(&server);
        tokio::task::spawn_blocking(move || server.crash()).await.unwrap();
        assert!(patiently(|| store.reached("counters", "work.events", 0, stands + 3, BOUND)).await, "writes go on");
    }
    over.store(true, Ordering::SeqCst);
    let writes = tokio::time::timeout(BOUND, writer).await.unwrap().unwrap();
    stored_as_written(&store, &made, &writes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_to_a_locked_table_is_transient_and_disturbs_no_other() {
    let config = shared().schema();
    let hasty = PostgresConfig { url: format!("{}?options=-c%20lock_timeout%3D300", config.url), ..config.clone() };
    let store = open(&hasty).await;
    let (made, other) = (live(&store).await, store.create(&<Counter as schemas::Row>::TABLE, 2).await.unwrap());
    store.write(write(&made, 1, 3)).await.unwrap();
    let locker = connection(&config.url).await;
    locker.batch_execute(&format!("BEGIN; LOCK TABLE {}.{}", config.schema, made.table)).await.unwrap();
    for turn in 1..5 {
        let locked = store.write(write(&made, 2, 3)).await;
        assert!(matches!(locked, Err(StoreError::Transient(_))), "{locked:?}");
        store.write(write(&other, turn, 3)).await.unwrap();
        assert_eq!(position(&store, &made).await, 1);
    }
    let copied = store.write(write(&made, 2, 5_500)).await;
    assert!(matches!(copied, Err(StoreError::Transient(_))), "{copied:?}");
    locker.batch_execute("COMMIT").await.unwrap();
    store.write(write(&made, 2, 4)).await.unwrap();
    stored_as_written(&store, &made, &[3, 4]).await;
    stored_as_written(&store, &other, &[3; 4]).await;
}

/// A store behind a proxy.
async fn cut_off() -> (Proxy, PostgresStore) {
    let config = shared().schema();
    let (user, target) = config.url.split_once('@').unwrap();
    let (address, database) = target.split_once('/').unwrap();
    let proxy = Proxy::before(address.to_owned()).await;
    let url = format!("{user}@127.0.0.1:{}/{database}", proxy.port);
    (proxy, open(&PostgresConfig { url, ..config }).await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_answer_is_lost_is_found_out_by_the_position() {
    let (proxy, store) = cut_off().await;
    let made = live(&store).await;
    let mut writes = Vec::new();
    for round in 0..30 {
        let cut = [Cut::Before, Cut::Within, Cut::After][round % 3];
        let turn = writes.len() as u64 + 1;
        proxy.arm(cut);
        let done = store.write(write(&made, turn, size(turn))).await;
        assert!(proxy.has_cut());
        let stands = position(&store, &made).await;
        match (cut, &done) {
            (Cut::After | Cut::Within, Ok(())) => assert_eq!(stands, turn),
            (Cut::Before | Cut::Within, Err(StoreError::Transient(_))) => {
                assert_eq!(stands, turn - 1);
                store.write(write(&made, turn, size(turn))).await.unwrap();
            }
            other => panic!("{other:?}"),
        }
        writes.push(size(turn));
    }
    stored_as_written(&store, &made, &writes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_generations_whose_answer_is_lost_is_found_out_too() {
    let (proxy, store) = cut_off().await;
    let first = live(&store).await;
    proxy.arm(Cut::After);
    let second = store.create(&<Counter as schemas::Row>::TABLE, 2).await.unwrap();
    proxy.arm(Cut::Before);
    let switched = store.switch(second.id, "").await;
    assert!(matches!(switched, Err(StoreError::Transient(_))), "{switched:?}");
    assert_eq!(live_id(&store).await, first.id);
    proxy.arm(Cut::After);
    store.switch(second.id, "").await.unwrap();
    assert_eq!(live_id(&store).await, second.id);
    proxy.arm(Cut::After);
    store.discard(first.id).await.unwrap();
    assert!(proxy.has_cut());
    assert_eq!(store.generations("counters").await.unwrap().len(), 1);
}

async fn live_id(store: &PostgresStore) -> u64 {
    let known = store.generations("counters").await.unwrap();
    known.iter().find(|generation| generation.state == swarmlog_stores::GenerationState::Live).unwrap().id
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_that_go_away_leave_nothing_locked() {
    let store = open(&shared().schema()).await;
    let made = live(&store).await;
    for turn in 1..=40 {
        let abandoned = tokio::time::timeout(std::time::Duration::from_millis(turn / 4), store.write(write(&made, turn, 500)));
        let _ = abandoned.await;
        match store.write(write(&made, turn, 500)).await {
            // It was committed all the same.
            Err(StoreError::Stale { stored, .. }) if stored == turn => {}
            done => done.unwrap(),
        }
    }
    stored_as_written(&store, &made, &[500; 40]).await;
}
