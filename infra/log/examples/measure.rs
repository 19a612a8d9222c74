//! How fast the embedded log is here: `cargo run --release -p swarmlog-log --example measure [DIR]`.
//!
//! Prints the load of the machine before and after, since other work on the same cores and disk changes every figure.
//! "Durable" means: answered after an fsync. Records have about 300 bytes.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a measurement")]

use bytes::Bytes;
use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use swarmlog_log::{Append, Consumed, Delivery, Durability, Log, Source, Transaction, Transactional, sqlite::SqliteLog};
use tokio::{sync::oneshot, task::JoinSet};

const WAIT: Duration = Duration::from_secs(10);

fn source(topic: &str, partition: u32) -> Source {
    Source { topic: topic.into(), partition }
}

fn append(source: &Source, payload: Bytes) -> Append {
    let envelope = Bytes::from_static(&[7; 180]);
    Append { source: source.clone(), key: "default/job/01890a5d".into(), envelope, payload, time: 1 }
}

fn filler() -> Bytes {
    Bytes::from_static(&[9; 100])
}

fn print_load(when: &str) {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("load {when}: {}", load.trim());
}

fn report(what: &str, count: usize, time: Duration, mut latencies: Vec<Duration>) {
    let rate = count as f64 / time.as_secs_f64();
    print!("{what}: {rate:.0}/s");
    if !latencies.is_empty() {
        latencies.sort_unstable();
        let at = |share: f64| latencies[((latencies.len() - 1) as f64 * share) as usize];
        print!(", p50 {:?}, p99 {:?}, max {:?}", at(0.5), at(0.99), at(1.0));
    }
    println!();
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let dir = std::env::args().nth(1).unwrap_or_else(|| "measure.log".to_owned());
    let dir = Path::new(&dir);
    assert!(!dir.exists(), "{} is there already: name a new directory", dir.display());
    print_load("before");
    let log = Arc::new(SqliteLog::open_default(dir).unwrap());
    log.create_topics(&["commands", "events", "results", "bulk", "single"]).await.unwrap();
    one_appender(&log).await;
    many_appenders(&log, 64).await;
    for clients in [1, 64, 512] {
        commands(&log, clients).await;
    }
    batches(&log).await;
    scan(&log).await;
    let start = Instant::now();
    log.close().await.unwrap();
    println!("close: {:?}", start.elapsed());
    print_load("after");
    std::fs::remove_dir_all(dir).unwrap();
}

async fn one_appender(log: &SqliteLog) {
    let (start, mut latencies) = (Instant::now(), Vec::new());
    let to = source("single", 0);
    while start.elapsed() < Duration::from_secs(3) {
        let before = Instant::now();
        log.append(vec![append(&to, filler())], Durability::Durable).await.unwrap();
        latencies.push(before.elapsed());
    }
    report("one durable appender", latencies.len(), start.elapsed(), latencies);
}

async fn many_appenders(log: &Arc<SqliteLog>, appenders: usize) {
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for appender in 0..appenders {
        let log = log.clone();
        tasks.spawn(async move {
            let to = source("single", appender as u32 % 4);
            let mut latencies = Vec::new();
            while start.elapsed() < Duration::from_secs(3) {
                let before = Instant::now();
                log.append(vec![append(&to, filler())], Durability::Durable).await.unwrap();
                latencies.push(before.elapsed());
            }
            latencies
        });
    }
    let latencies: Vec<_> = tasks.join_all().await.into_iter().flatten().collect();
    report(&format!("{appenders} durable appenders"), latencies.len(), start.elapsed(), latencies);
}

/// Clients in a closed loop: an ordered command, decided by one of four lanes, answered when its result is read.
async fn commands(log: &Arc<SqliteLog>, clients: usize) {
    let waiting: Arc<Vec<Mutex<Option<oneshot::Sender<()>>>>> = Arc::new((0..clients).map(|_| Mutex::new(None)).collect());
    let mut lanes = JoinSet::new();
    for lane in 0..log.partitions() {
        let owner = log.transactional(&format!("writer-{lane}")).await.unwrap();
        lanes.spawn(decide(log.clone(), owner));
        lanes.spawn(answer(log.clone(), lane, waiting.clone()));
    }
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for client in 0..clients {
        let (log, waiting) = (log.clone(), waiting.clone());
        tasks.spawn(async move {
            let to = source("commands", client as u32 % 4);
            let mut latencies = Vec::new();
            while start.elapsed() < Duration::from_secs(4) {
                let before = Instant::now();
                let (done, answered) = oneshot::channel();
                *waiting[client].lock().unwrap() = Some(done);
                let mut payload = vec![9; 100];
                payload[..8].copy_from_slice(&client.to_le_bytes());
                log.append(vec![append(&to, payload.into())], Durability::Ordered).await.unwrap();
                answered.await.unwrap();
                latencies.push(before.elapsed());
            }
            latencies
        });
    }
    let latencies: Vec<_> = tasks.join_all().await.into_iter().flatten().collect();
    let time = start.elapsed();
    lanes.shutdown().await;
    report(&format!("{clients} clients: command, event and result, durable"), latencies.len(), time, latencies);
}

async fn decide(log: Arc<SqliteLog>, mut owner: Box<dyn Transactional>) {
    let mut consumer = log.consume("writer", &["commands"]).await.unwrap();
    let group: Arc<str> = "writer".into();
    let mut topics = None;
    loop {
        match consumer.next(1000, WAIT).await.unwrap() {
            Delivery::Assigned(sources) => {
                for source in sources {
                    let from = log.committed(&group, &source).await.unwrap().unwrap_or(0);
                    consumer.seek(&source, from);
                }
            }
            Delivery::Records(from, records) => {
                let (events, results) =
                    topics.get_or_insert_with(|| (source("events", from.partition), source("results", from.partition)));
                let mut transaction = Transaction::default();
                for record in &records {
                    transaction.append.push(append(events, record.payload.clone()));
                    transaction.append.push(append(results, record.payload.clone()));
                }
                let next = records.last().unwrap().offset + 1;
                transaction.consumed.push(Consumed { group: group.clone(), source: from, next });
                owner.commit(transaction).await.unwrap();
            }
            Delivery::Revoked(_) | Delivery::Idle => {}
        }
    }
}

async fn answer(log: Arc<SqliteLog>, lane: u32, waiting: Arc<Vec<Mutex<Option<oneshot::Sender<()>>>>>) {
    let from = source("results", lane);
    let mut next = log.end(&from).await.unwrap();
    loop {
        if !log.wait(&from, next, WAIT).await.unwrap() {
            continue;
        }
        for record in log.read(&from, next, 1000).await.unwrap() {
            next = record.offset + 1;
            let client = usize::from_le_bytes(record.payload[..8].try_into().unwrap());
            if let Some(done) = waiting[client].lock().unwrap().take() {
                let _ = done.send(());
            }
        }
    }
}

async fn batches(log: &SqliteLog) {
    let (start, mut latencies) = (Instant::now(), Vec::new());
    for batch in 0..1000u32 {
        let to = source("bulk", batch % 4);
        let before = Instant::now();
        let records = (0..1000).map(|_| append(&to, filler())).collect();
        log.append(records, Durability::Durable).await.unwrap();
        latencies.push(before.elapsed());
    }
    report("records in durable batches of 1,000", 1_000_000, start.elapsed(), latencies);
}

async fn scan(log: &SqliteLog) {
    let start = Instant::now();
    let (mut count, mut bytes) = (0, 0);
    for partition in 0..4 {
        let from = source("bulk", partition);
        let mut next = 0;
        loop {
            let records = log.read(&from, next, 2000).await.unwrap();
            let Some(last) = records.last() else { break };
            next = last.offset + 1;
            count += records.len();
            bytes += records.iter().map(|record| record.payload.len()).sum::<usize>();
        }
    }
    assert_eq!((count, bytes), (1_000_000, 100_000_000));
    report("records read from the file", count, start.elapsed(), Vec::new());
}
