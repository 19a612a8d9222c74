//! The process that is killed: a writer, and whoever sends it commands.

use crate::{
    load,
    support::{
        caller::Caller,
        commands::{job, lease, sent},
        host::Host,
    },
};
use log::{
    Log, LogError, Source,
    kafka::{KafkaConfig, KafkaLog},
    sqlite::SqliteLog,
};
use std::{
    io::BufRead,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};
use uuid::Uuid;

/// Snapshots have settled when none came for so long.
const SETTLED: Duration = Duration::from_secs(4);

/// Hosts a writer and does what standard input says.
pub fn main(place: &str) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(host(place));
}

async fn host(place: &str) {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_target(false).init();
    let started = Instant::now();
    let log = open(place).await;
    let opened = started.elapsed();
    let host = Host::start(log.clone());
    log.create_topics(&["work.commands", "work.events", "work.results"]).await.unwrap();
    let caller = Arc::new(Caller::new(log.clone()).await);
    caller.call(&sent(Uuid::new_v4().as_u128(), &lease(&job(1)))).await;
    println!("log opened after {opened:.2?}, first answer {:.2?} after the start", started.elapsed());
    for line in std::io::stdin().lock().lines() {
        let line = line.unwrap();
        let words: Vec<&str> = line.split(' ').collect();
        let number = |at: usize| words[at].parse::<u64>().unwrap();
        let answer = match words[0] {
            "calls" => load::calls(&caller, number(1), Duration::from_secs(number(2))).await,
            "submit" => load::jobs(log.as_ref(), number(1)).await,
            "history" => load::history(log.as_ref(), number(1)).await,
            "settle" => settle(log.as_ref()).await,
            "memory" => memory(),
            other => panic!("{other:?} is nothing that can be done"),
        };
        println!("{answer}");
    }
    drop(host);
}

async fn open(place: &str) -> Arc<dyn Log> {
    match place.split(' ').collect::<Vec<_>>()[..] {
        ["kafka", brokers, prefix] => {
            let config = KafkaConfig { prefix: prefix.to_owned(), ..KafkaConfig::new(brokers) };
            Arc::new(KafkaLog::connect(config).await.unwrap())
        }
        _ => Arc::new(SqliteLog::open_default(Path::new(place)).unwrap()),
    }
}

/// Waits until no more snapshots are written.
async fn settle(log: &dyn Log) -> String {
    let started = Instant::now();
    let mut ends = Vec::new();
    loop {
        let mut now = Vec::new();
        for partition in 0..log.partitions() {
            match log.end(&Source { topic: "work.snapshots".into(), partition }).await {
                Ok(end) => now.push(end),
                Err(LogError::Absent(_)) => return "there are no snapshots".to_owned(),
                Err(error) => panic!("{error}"),
            }
        }
        if now == ends {
            return format!("snapshot topics end at {ends:?} after {:.1?}", started.elapsed().saturating_sub(SETTLED));
        }
        ends = now;
        tokio::time::sleep(SETTLED).await;
    }
}

fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().find(|line| line.starts_with("VmRSS")).unwrap_or("unknown").to_owned()
}
