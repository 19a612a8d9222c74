//! Measures how fast a million events and a million metric points get from the log into the store: into the engine of
//! this process, or with the argument `tcp` over TCP into one of another process.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a benchmark")]

#[path = "../tests/world/mod.rs"]
mod world;

#[path = "../tests/served/mod.rs"]
mod served;

use log::{Durability, Log};
use served::EngineProcess;
use service::Lifecycle;
use std::{sync::Arc, time::Instant};
use swarmlog_consumer_analytics::run;
use world::{append_events, number, points, source};

const PARTITIONS: u32 = 4;
const EVENTS: u64 = 1_000_000;
const POINTS: u64 = 1_000_000;

fn main() {
    served::be_engine_if_asked();
    tokio::runtime::Runtime::new().unwrap().block_on(measure());
}

async fn measure() {
    let folder = tempfile::tempdir().unwrap();
    let log = world::log(&folder.path().join("log"), PARTITIONS).await;
    for partition in 0..PARTITIONS {
        append_events(&*log, &source("work.events", partition), 1, EVENTS / u64::from(PARTITIONS)).await;
    }
    let data = folder.path().join("analytics");
    let server = std::env::args().any(|argument| argument == "tcp").then(|| EngineProcess::start(&data, &[]));
    let analytics = server.as_ref().map_or_else(|| world::analytics(&data), |server| served::remote(server.address));
    analytics.prepare().await.unwrap();
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("load before: {}", load.trim());
    let spent = || cpu_seconds() + server.as_ref().map_or(0.0, EngineProcess::cpu_seconds);
    feed(&log, &analytics, "events", EVENTS, &spent).await;
    let timeline = log.timeline().0;
    let batches = (0..POINTS / 1000).map(|batch| {
        let source = source("telemetry.metric", (batch % u64::from(PARTITIONS)) as u32);
        points(timeline, &source, batch, 1000)
    });
    for some in batches.collect::<Vec<_>>().chunks(100) {
        log.append(some.to_vec(), Durability::Durable).await.unwrap();
    }
    feed(&log, &analytics, "run_metrics", POINTS, &spent).await;
    analytics.close().await.unwrap();
    log.close().await.unwrap();
}

async fn feed(
    log: &Arc<log::sqlite::SqliteLog>,
    analytics: &analytics::Analytics,
    table: &str,
    rows: u64,
    cpu: &dyn Fn() -> f64,
) {
    let lifecycle = Lifecycle::new();
    let (started, spent) = (Instant::now(), cpu());
    let running = tokio::spawn(run(log.clone(), analytics.clone(), lifecycle.clone()));
    let count = format!("SELECT count() FROM {table}");
    while number(analytics, &count).await < rows {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let (seconds, spent) = (started.elapsed().as_secs_f64(), cpu() - spent);
    lifecycle.shutdown().cancel();
    running.await.unwrap().unwrap();
    assert_eq!(number(analytics, &count).await, rows);
    let rate = rows as f64 / seconds;
    println!(
        "{table}: {rows} rows in {seconds:.2} s, {rate:.0} rows/s, {spent:.2} s of CPU; durable as ClickHouse writes, without fsync"
    );
}

/// What this process has used of all cores, in seconds (Linux counts it in hundredths).
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |place: usize| fields.get(place).and_then(|ticks| ticks.parse::<f64>().ok()).unwrap_or_default();
    (ticks(11) + ticks(12)) / 100.0
}
