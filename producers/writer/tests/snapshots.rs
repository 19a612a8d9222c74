//! Writers that die and go on from their snapshots, on both logs: nothing is lost, nothing happens twice, answers stay.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use local::{Server, Servers};
use log::{
    Log, Source,
    kafka::{KafkaConfig, KafkaLog},
    sqlite::SqliteLog,
};
use std::{process::Command, sync::Arc};
use support::{
    caller::Caller,
    checker::check,
    commands::{Sent, job, lease, sent, submit},
    host::{Host, eventually, send},
};
use swarmlog_writer::Config;
use tokio::task::JoinSet;

/// Jobs that a writer submits in its life, each with a key.
const JOBS: u128 = 150;

fn keyed(number: u128) -> Sent {
    sent(number, &submit(&job(number))).idempotent(1)
}

/// Sends them all at once, with their numbers; gives what was answered.
async fn answers(caller: &Arc<Caller>, numbers: impl Iterator<Item = u128>) -> Vec<(u128, i64, i32, i64)> {
    let mut calls = JoinSet::new();
    for number in numbers {
        let caller = caller.clone();
        calls.spawn(async move {
            let (envelope, result) = caller.call(&keyed(number)).await;
            (number, envelope.seq, result.status, result.position)
        });
    }
    let mut answers = calls.join_all().await;
    answers.sort_unstable();
    answers
}

/// The last record of each partition of the snapshots.
async fn ends(log: &dyn Log) -> Vec<u64> {
    let mut ends = Vec::new();
    for partition in 0..log.partitions() {
        ends.push(log.end(&Source { topic: "work.snapshots".into(), partition }).await.unwrap());
    }
    ends
}

/// Three writers, each killed in the middle of its work; `open` gives the log as a new process finds it.
async fn three_lives(open: impl AsyncFn(Option<Arc<dyn Log>>) -> Arc<dyn Log>) {
    let mut log = open(None).await;
    let (mut first_answers, mut snapshots) = (Vec::new(), vec![0; log.partitions() as usize]);
    for life in 1..=3 {
        let host = Host::with(log.clone(), Config { snapshot_after: 20, ..Config::default() });
        host.ready().await;
        let caller = Arc::new(Caller::new(log.clone()).await);
        let again = answers(&caller, (1..life).flat_map(|life| life * 1000..life * 1000 + JOBS)).await;
        assert_eq!(again, first_answers, "life {life}");
        for earlier in 1..life {
            assert_eq!(caller.status(&keyed(earlier * 1000).idempotent(2)).await, 422);
        }
        first_answers.extend(answers(&caller, life * 1000..life * 1000 + JOBS).await);
        let grown = async || ends(log.as_ref()).await.iter().zip(&snapshots).all(|(now, before)| now > before).then_some(());
        eventually("every partition has snapshots", grown).await;
        let leases: Vec<Sent> = (life * 1000..life * 1000 + JOBS).map(|n| sent(n + 500, &lease(&job(n)))).collect();
        send(log.as_ref(), &leases).await;
        host.kill().await;
        drop(caller);
        snapshots = ends(log.as_ref()).await;
        log = open(Some(log)).await;
    }
    let host = Host::start(log.clone());
    let caller = Arc::new(Caller::new(log.clone()).await);
    assert_eq!(caller.status(&sent(9_000, &submit(&job(1000)))).await, 409);
    // Every lane has answered what its dead predecessor left behind once it answers this.
    answers(&caller, 9_100..9_150).await;
    host.stop().await.unwrap();
    let checked = check(log.as_ref()).await;
    let lives = JOBS as usize * 3;
    assert_eq!(checked.jobs.len(), lives + 50);
    assert_eq!(checked.jobs.values().filter(|(seq, _)| *seq == 2).count(), lives, "every lease was decided once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_that_die_leave_good_snapshots_on_the_embedded_log() {
    let dir = tempfile::tempdir().unwrap();
    three_lives(async |old: Option<Arc<dyn Log>>| {
        // The file is free when nobody has the log any more.
        eventually("the old log is let go", async || old.as_ref().is_none_or(|log| Arc::strong_count(log) == 1).then_some(()))
            .await;
        drop(old);
        Arc::new(SqliteLog::open(dir.path(), 2).unwrap()) as Arc<dyn Log>
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_that_die_leave_good_snapshots_on_kafka() {
    let dir = tempfile::tempdir().unwrap();
    // No S3 server is started here.
    let servers = Servers::open(dir.path(), || Command::new("false")).unwrap();
    let servers = tokio::task::spawn_blocking(move || {
        servers.end_with_this_process().unwrap();
        servers.up(&[Server::Kafka]).unwrap();
        servers
    });
    let servers = servers.await.unwrap();
    let config = KafkaConfig { prefix: "snapshots.".into(), ..KafkaConfig::new(&servers.addresses().kafka) };
    three_lives(async |_: Option<Arc<dyn Log>>| Arc::new(KafkaLog::connect(config.clone()).await.unwrap()) as Arc<dyn Log>).await;
    tokio::task::spawn_blocking(move || servers.kill(Server::Kafka).unwrap()).await.unwrap();
}
