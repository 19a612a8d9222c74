//! How fast the log on Kafka is here: `make up`, then
//! `cargo run --release -p swarmlog-log --example measure_kafka 127.0.0.1:PORT`.
//!
//! Prints the load of the machine before and after, since other work on the same cores changes every figure. "Durable"
//! means: in the page cache of every in-sync replica. Each run makes a log of its own under a new prefix.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a measurement")]

use bytes::Bytes;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use swarmlog_log::{
    Append, Consumed, Delivery, Durability, Log, Source, Transaction,
    kafka::{KafkaConfig, KafkaLog},
};
use tokio::task::JoinSet;
use uuid::Uuid;

const TIME: Duration = Duration::from_secs(4);
const WAIT: Duration = Duration::from_secs(30);

fn source(topic: &str, partition: u32) -> Source {
    Source { topic: topic.into(), partition }
}

/// An envelope of the first version, as real ones are.
fn envelope() -> Bytes {
    let hex: String = include_str!("../../../schemas/golden/envelope.Envelope.v1.hex").split_whitespace().collect();
    (0..hex.len() / 2).map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap()).collect()
}

fn append(source: &Source, envelope: &Bytes) -> Append {
    let payload = Bytes::from_static(&[9; 100]);
    let time = i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_micros()).unwrap();
    Append { source: source.clone(), key: "default/job/01890a5d".into(), envelope: envelope.clone(), payload, time }
}

fn print_load(when: &str) {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("load {when}: {}", load.trim());
}

fn report(what: &str, unit: &str, count: usize, time: Duration, mut latencies: Vec<Duration>) {
    latencies.sort_unstable();
    let at = |share: f64| latencies[((latencies.len() - 1) as f64 * share) as usize];
    let rate = count as f64 / time.as_secs_f64();
    println!("{what}: {rate:.0} {unit}/s, p50 {:.1?}, p99 {:.1?}, max {:.1?}", at(0.5), at(0.99), at(1.0));
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let bootstrap = std::env::args().nth(1).expect("usage: measure_kafka HOST:PORT");
    let prefix = format!("m{}.", &Uuid::new_v4().simple().to_string()[..8]);
    print_load("before");
    let start = Instant::now();
    let log = Arc::new(KafkaLog::connect(KafkaConfig { prefix, ..KafkaConfig::new(bootstrap) }).await.unwrap());
    log.create_topics(&["commands", "events", "results", "single"]).await.unwrap();
    println!("connect and create: {:.1?}", start.elapsed());
    for (lanes, records) in [(1, 1), (1, 100), (1, 1000), (4, 1), (4, 100)] {
        commits(&log, lanes, records).await;
    }
    for appenders in [1, 64] {
        appends(&log, appenders).await;
    }
    follow(&log).await;
    consume(&log).await;
    scan(&log).await;
    print_load("after");
}

/// Transactions of each lane: events and as many results, and the consumed offset, back to back.
async fn commits(log: &Arc<KafkaLog>, lanes: u32, records: u64) {
    let mut tasks = JoinSet::new();
    for lane in 0..lanes {
        let log = log.clone();
        let mut owner = log.transactional(&format!("writer-{lane}")).await.unwrap();
        tasks.spawn(async move {
            let (envelope, mut latencies, mut next) = (envelope(), Vec::new(), 0);
            let (commands, events, results) = (source("commands", lane), source("events", lane), source("results", lane));
            let start = Instant::now();
            while start.elapsed() < TIME {
                next += records;
                let both = |_| [append(&events, &envelope), append(&results, &envelope)];
                let moved = Consumed { group: "writer".into(), source: commands.clone(), next };
                let transaction = Transaction { append: (0..records).flat_map(both).collect(), consumed: vec![moved] };
                let before = Instant::now();
                owner.commit(transaction).await.unwrap();
                latencies.push(before.elapsed());
            }
            latencies
        });
    }
    let (start, all) = (Instant::now(), tasks.join_all().await);
    let latencies: Vec<Duration> = all.into_iter().flatten().collect();
    let what = format!("{lanes} lanes, {records} commands a transaction (as many events and results)");
    report(&what, "commits", latencies.len(), start.elapsed(), latencies);
}

async fn appends(log: &Arc<KafkaLog>, appenders: u32) {
    let mut tasks = JoinSet::new();
    for at in 0..appenders {
        let log = log.clone();
        tasks.spawn(async move {
            let (to, envelope, mut latencies) = (source("single", at % 4), envelope(), Vec::new());
            let start = Instant::now();
            while start.elapsed() < TIME {
                let before = Instant::now();
                log.append(vec![append(&to, &envelope)], Durability::Durable).await.unwrap();
                latencies.push(before.elapsed());
            }
            latencies
        });
    }
    let (start, all) = (Instant::now(), tasks.join_all().await);
    let latencies: Vec<Duration> = all.into_iter().flatten().collect();
    report(&format!("{appenders} appenders"), "appends", latencies.len(), start.elapsed(), latencies);
}

/// From an append to the record in the hands of a reader that waits, as a gateway does.
async fn follow(log: &Arc<KafkaLog>) {
    let (to, envelope) = (source("single", 0), envelope());
    let mut from = log.end(&to).await.unwrap();
    let (mut latencies, start) = (Vec::new(), Instant::now());
    while start.elapsed() < TIME {
        let before = Instant::now();
        let (_, records) =
            tokio::join!(async { log.append(vec![append(&to, &envelope)], Durability::Durable).await.unwrap() }, async {
                assert!(log.wait(&to, from, WAIT).await.unwrap());
                log.read(&to, from, 100).await.unwrap()
            });
        from = records.last().unwrap().offset + 1;
        latencies.push(before.elapsed());
    }
    report("append, wait and read", "records", latencies.len(), start.elapsed(), latencies);
}

/// From an append to the record in the hands of a member of a group, as a writer does.
async fn consume(log: &Arc<KafkaLog>) {
    let (to, envelope) = (source("single", 0), envelope());
    let from = log.end(&to).await.unwrap();
    let mut member = log.consume("group", &["single"]).await.unwrap();
    while !matches!(member.next(1, WAIT).await.unwrap(), Delivery::Assigned(_)) {}
    member.seek(&to, from);
    let (mut latencies, start) = (Vec::new(), Instant::now());
    while start.elapsed() < TIME {
        let before = Instant::now();
        let (_, delivery) =
            tokio::join!(async { log.append(vec![append(&to, &envelope)], Durability::Durable).await.unwrap() }, async {
                member.next(100, WAIT).await.unwrap()
            });
        assert!(matches!(delivery, Delivery::Records(..)), "{delivery:?}");
        latencies.push(before.elapsed());
    }
    report("append and consume", "records", latencies.len(), start.elapsed(), latencies);
}

async fn scan(log: &Arc<KafkaLog>) {
    let from = source("single", 0);
    let (mut next, mut count, mut latencies, start) = (0, 0, Vec::new(), Instant::now());
    loop {
        let before = Instant::now();
        let records = log.read(&from, next, 1000).await.unwrap();
        latencies.push(before.elapsed());
        let Some(last) = records.last() else { break };
        (next, count) = (last.offset + 1, count + records.len());
    }
    report("scan, 1,000 a read", "records", count, start.elapsed(), latencies);
}
