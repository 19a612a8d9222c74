//! Several archivers of one log, each with a part of the partitions.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use log::{Append, Durability, Log, sqlite::SqliteLog};
use objects::Objects;
use std::{sync::Arc, time::Duration};
use support::*;
use swarmlog_consumer_archive::{Roll, files, records, verify};
use tempfile::TempDir;

const PARTITIONS: u32 = 3;

/// Whatever waits is archived soon.
const QUICK: Roll = Roll { records: 7, bytes: 8 << 20, age: Duration::from_millis(20) };

async fn fill_to(log: &SqliteLog, end: u64) {
    for partition in 0..PARTITIONS {
        let from = log.end(&source(partition)).await.unwrap() + 1;
        let appends = (from..=end).map(|position| {
            let (envelope, payload) = numbered(partition, position);
            Append { source: source(partition), key: "default/job/1".into(), envelope, payload, time: position as i64 }
        });
        log.append(appends.collect(), Durability::Durable).await.unwrap();
    }
}

/// Waits until everything is archived, each record once.
async fn is_archived(log: &SqliteLog, objects: &Objects, end: u64) {
    let timeline = log.timeline().0;
    for partition in 0..PARTITIONS {
        let archived = || async {
            let files = files(objects, timeline, &source(partition)).await.unwrap_or_default();
            files.last().is_some_and(|file| file.sidecar.last == end)
        };
        eventually("it is archived", archived).await;
        let mut positions = Vec::new();
        for file in files(objects, timeline, &source(partition)).await.unwrap() {
            positions.extend(records(objects, &file).await.unwrap().into_iter().map(|record| record.position));
        }
        assert_eq!(positions, (1..=end).collect::<Vec<_>>());
    }
    let report = verify(objects, timeline).await.unwrap();
    assert!(report.is_sound(), "{report:?}");
}

async fn open(home: &TempDir) -> (Arc<SqliteLog>, Objects) {
    let log = Arc::new(SqliteLog::open(home.path(), PARTITIONS).unwrap());
    log.create_topics(&[TOPIC]).await.unwrap();
    (log, directory(home.path()))
}

#[tokio::test]
async fn archivers_share_the_partitions_and_the_rest_take_over_from_one_that_ends_or_dies() {
    let home = TempDir::new().unwrap();
    let (log, objects) = open(&home).await;
    let first = Running::start(&log, &objects, QUICK);
    fill_to(&log, 40).await;
    is_archived(&log, &objects, 40).await;
    let (second, third) = (Running::start(&log, &objects, QUICK), Running::start(&log, &objects, QUICK));
    let all_have = || async { [&first, &second, &third].iter().all(|archiver| archiver.has_partitions()) };
    eventually("each has a partition", all_have).await;
    fill_to(&log, 80).await;
    is_archived(&log, &objects, 80).await;
    fill_to(&log, 90).await;
    first.kill().await;
    fill_to(&log, 120).await;
    is_archived(&log, &objects, 120).await;
    second.stop().await;
    fill_to(&log, 150).await;
    is_archived(&log, &objects, 150).await;
    third.stop().await;
}

#[tokio::test]
async fn what_waits_for_its_file_goes_to_the_next_owner_and_makes_no_small_file() {
    let home = TempDir::new().unwrap();
    let (log, objects) = open(&home).await;
    let patient = Roll { records: 50, bytes: 8 << 20, age: PATIENT };
    let first = Running::start(&log, &objects, patient);
    fill_to(&log, 30).await;
    let second = Running::start(&log, &objects, patient);
    eventually("each has a partition", || async { first.has_partitions() && second.has_partitions() }).await;
    fill_to(&log, 50).await;
    is_archived(&log, &objects, 50).await;
    for partition in 0..PARTITIONS {
        assert_eq!(files(&objects, log.timeline().0, &source(partition)).await.unwrap().len(), 1);
    }
    first.stop().await;
    second.stop().await;
}

#[tokio::test]
async fn an_archiver_without_a_partition_is_ready_and_says_nothing_of_the_archive() {
    let home = TempDir::new().unwrap();
    let (log, objects) = open(&home).await;
    let busy: Vec<_> = (0..PARTITIONS).map(|_| Running::start(&log, &objects, QUICK)).collect();
    eventually("each has a partition", || async { busy.iter().all(Running::has_partitions) }).await;
    let idle = Running::start(&log, &objects, QUICK);
    let is_ready = || async { idle.lifecycle.health().is_ready() && !idle.lifecycle.health().statuses().is_empty() };
    eventually("it is ready", is_ready).await;
    assert!(!idle.has_partitions());
    for archiver in busy {
        archiver.stop().await;
    }
    eventually("it takes over", || async { idle.has_partitions() }).await;
    idle.stop().await;
}
