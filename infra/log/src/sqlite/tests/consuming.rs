//! Consumers of the embedded log: fairness, what the tail has forgotten, members that keep silent.

use super::{LONG, append, dense, open, source};
use crate::{Consumer, Delivery, Durability, Log, Source, Transaction, sqlite::groups::HANDOVER};
use std::time::Duration;

async fn assigned(consumer: &mut dyn Consumer) -> Vec<Source> {
    match consumer.next(1, LONG).await.unwrap() {
        Delivery::Assigned(sources) => sources,
        other => panic!("{other:?} instead of an assignment"),
    }
}

async fn records(consumer: &mut dyn Consumer, max: usize) -> (u32, Vec<u64>) {
    match consumer.next(max, LONG).await.unwrap() {
        Delivery::Records(source, records) => (source.partition, records.iter().map(|record| record.offset).collect()),
        other => panic!("{other:?} instead of records"),
    }
}

#[tokio::test]
async fn partitions_take_turns_however_full_one_of_them_is() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path()).await;
    for (partition, count) in [(0, 1000), (1, 3), (2, 3)] {
        let source = source("events", partition);
        log.append((0..count).map(|_| append(&source, "")).collect(), Durability::Durable).await.unwrap();
    }
    let mut consumer = log.consume("g", &["events"]).await.unwrap();
    for source in assigned(&mut *consumer).await {
        consumer.seek(&source, 0);
    }
    let mut turns = Vec::new();
    for _ in 0..6 {
        turns.push(records(&mut *consumer, 2).await.0);
    }
    assert_eq!(turns, [0, 1, 2, 0, 1, 2]);
}

#[tokio::test]
async fn a_consumer_that_lags_behind_the_tail_misses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path()).await;
    let source = source("events", 3);
    for _ in 0..25 {
        log.append((0..1000).map(|_| append(&source, [7; 50])).collect(), Durability::Durable).await.unwrap();
    }
    let mut consumer = log.consume("g", &["events"]).await.unwrap();
    assigned(&mut *consumer).await;
    consumer.seek(&source, 0);
    let mut seen = Vec::new();
    while seen.len() < 25_000 {
        seen.extend(records(&mut *consumer, 777).await.1);
    }
    assert_eq!(seen, (0..25_000).collect::<Vec<_>>());
    assert_eq!(dense(&*log, &source).await.len(), 25_000);
}

#[tokio::test]
async fn large_records_come_in_deliveries_of_bounded_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path()).await;
    let source = source("events", 0);
    for _ in 0..24 {
        log.append(vec![append(&source, vec![1; 1 << 20])], Durability::Durable).await.unwrap();
    }
    let mut consumer = log.consume("g", &["events"]).await.unwrap();
    assigned(&mut *consumer).await;
    consumer.seek(&source, 0);
    let mut deliveries = Vec::new();
    while deliveries.iter().sum::<usize>() < 24 {
        deliveries.push(records(&mut *consumer, 1000).await.1.len());
    }
    assert_eq!(deliveries[..2], [8, 8]);
}

#[tokio::test]
async fn consumers_see_an_ordered_append_before_readers_do() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path()).await;
    let commands = source("commands", 0);
    let mut consumer = log.consume("writer", &["commands"]).await.unwrap();
    assigned(&mut *consumer).await;
    consumer.seek(&commands, 0);
    // While another program holds the file nothing can be committed, but a command can be seen.
    let holder = rusqlite::Connection::open(dir.path().join("log.db")).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    log.append(vec![append(&commands, "")], Durability::Ordered).await.unwrap();
    assert_eq!(records(&mut *consumer, 10).await, (0, vec![0]));
    assert_eq!(log.end(&commands).await.unwrap(), 0);
    assert!(log.read(&commands, 0, 10).await.unwrap().is_empty());
    holder.execute_batch("ROLLBACK").unwrap();
    assert!(log.wait(&commands, 0, LONG).await.unwrap());
    assert_eq!(dense(&*log, &commands).await.len(), 1);
}

#[tokio::test]
async fn a_member_that_keeps_silent_is_not_waited_for_and_hears_of_it_later() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path()).await;
    let mut silent = log.consume("g", &["events"]).await.unwrap();
    assert_eq!(assigned(&mut *silent).await.len(), 4);
    let mut old = log.transactional("g-2").await.unwrap();
    let mut eager = log.consume("g", &["events"]).await.unwrap();
    assert!(matches!(eager.next(1, Duration::from_millis(1)).await.unwrap(), Delivery::Idle));
    tokio::time::pause();
    let start = tokio::time::Instant::now();
    let taken = assigned(&mut *eager).await;
    assert!(start.elapsed() >= HANDOVER - Duration::from_secs(1));
    tokio::time::resume();
    assert_eq!(taken, [source("events", 2), source("events", 3)]);
    let mut new = log.transactional("g-2").await.unwrap();
    old.commit(Transaction::default()).await.unwrap_err();
    new.commit(Transaction::default()).await.unwrap();
    match silent.next(1, LONG).await.unwrap() {
        Delivery::Revoked(lost) => assert_eq!(lost, taken),
        other => panic!("{other:?} instead of the revocation"),
    }
}

#[tokio::test]
async fn a_delivery_that_is_given_up_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path()).await;
    let source = source("events", 0);
    // More than the tail keeps, so that deliveries have to wait for the file.
    for _ in 0..10 {
        log.append((0..1000).map(|_| append(&source, "")).collect(), Durability::Durable).await.unwrap();
    }
    let mut consumer = log.consume("g", &["events"]).await.unwrap();
    assigned(&mut *consumer).await;
    consumer.seek(&source, 0);
    let mut seen = Vec::new();
    let mut given_up = 0;
    while seen.len() < 10_000 {
        let delivery = consumer.next(100, LONG);
        tokio::select! {
            biased;
            delivery = delivery => if let Delivery::Records(_, records) = delivery.unwrap() {
                seen.extend(records.iter().map(|record| record.offset));
            },
            () = tokio::task::yield_now(), if given_up % 2 == 0 => {}
        }
        given_up += 1;
    }
    assert_eq!(seen, (0..10_000).collect::<Vec<_>>());
}
