//! Measures a store: `cargo run --release -p swarmlog-stores --example measure [DIR | postgres]`.
//!
//! The embedded one in a directory, or one on a PostgreSQL server that is started for it. Prints rows a second of writes
//! of 1,000, 5,000 and 20,000 rows (jobs with all their indexes; facts with payloads), of loads
//! and scans, and rows by key a second from 64 tasks, alone and beside a writer. An embedded commit is not
//! flushed to the disk, the server's is.

#![allow(clippy::unwrap_used, reason = "a measurement, which may stop at any surprise")]
#![allow(clippy::duplicated_attributes, reason = "the indexes of a table share columns")]

use local::{Server, Servers};
use schemas::{
    Row,
    row::{Json, Time, Value},
};
use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};
use swarmlog_stores::{
    Advance, Direction, Filter, Generation, Operator, PostgresConfig, PostgresStore, Query, SqliteStore, Store, Write,
};

#[derive(Debug, Clone, PartialEq, Row)]
#[row(table = "jobs", index(status, submitted_at), index(queue, status, submitted_at))]
struct Job {
    #[row(key)]
    job_id: String,
    queue: String,
    kind: String,
    priority: String,
    status: String,
    config: Json,
    attempts: i64,
    max_attempts: i64,
    fence: i64,
    worker: Option<String>,
    lease_until: Option<Time>,
    step: Option<i64>,
    total_steps: Option<i64>,
    message: Option<String>,
    result: Option<Json>,
    error: Option<String>,
    submitted_by: String,
    submitted_at: Time,
    updated_at: Time,
    ended_at: Option<Time>,
    seq: i64,
}

#[derive(Debug, Clone, PartialEq, Row)]
#[row(table = "history")]
struct Event {
    #[row(key)]
    aggregate_type: String,
    #[row(key)]
    aggregate_id: String,
    #[row(key)]
    seq: i64,
    position: i64,
    topic: String,
    partition: i64,
    name: String,
    event_id: String,
    command_id: String,
    causation_id: String,
    correlation_id: String,
    actor: String,
    occurred_at: Option<Time>,
    recorded_at: Time,
    schema_id: i64,
    payload: Vec<u8>,
}

/// Spread over the key space, like ids that are hashes.
fn id(n: u64) -> String {
    let mixed = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    format!("{mixed:016x}{:016x}", mixed.rotate_left(29) ^ n)
}

/// Growing, like ids that begin with the time.
fn growing(n: u64) -> String {
    format!("{:012x}{:020x}", 1_790_000_000_000 + n / 20, n.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

fn job(id: String, n: u64, seq: i64) -> Job {
    let at = Time(1_790_000_000_000_000 + i64::try_from(n).unwrap() * 50);
    Job {
        job_id: id,
        queue: format!("queue-{}", n % 5),
        kind: "train.vision".into(),
        priority: "normal".into(),
        status: ["queued", "leased", "running", "completed"][usize::try_from((n + seq.unsigned_abs()) % 4).unwrap()].into(),
        config: Json(r#"{"dataset":"images-2026","epochs":12,"learning_rate":0.001,"model":"resnet50"}"#.into()),
        attempts: seq,
        max_attempts: 3,
        fence: seq,
        worker: (seq > 1).then(|| "worker-17".into()),
        lease_until: (seq > 1).then_some(at),
        step: None,
        total_steps: None,
        message: None,
        result: None,
        error: None,
        submitted_by: "user/anna".into(),
        submitted_at: at,
        updated_at: Time(at.0 + seq),
        ended_at: None,
        seq,
    }
}

fn event(aggregate_id: String, n: u64, seq: i64) -> Event {
    Event {
        aggregate_type: "Job".into(),
        aggregate_id,
        seq,
        position: i64::try_from(n).unwrap(),
        topic: "work.events".into(),
        partition: 0,
        name: "work.JobSubmitted".into(),
        event_id: growing(n),
        command_id: growing(n + 1),
        causation_id: growing(n + 1),
        correlation_id: growing(n + 1),
        actor: "user/anna".into(),
        occurred_at: None,
        recorded_at: Time(1_790_000_000_000_000 + i64::try_from(n).unwrap() * 50),
        schema_id: 12,
        payload: vec![7; 160],
    }
}

fn full(row: impl Row) -> Vec<Value> {
    std::iter::once(Value::Text("default".into())).chain(row.into_values()).collect()
}

fn advance(position: &mut u64, by: u64) -> Vec<Advance> {
    let from = std::mem::replace(position, *position + by);
    vec![Advance { topic: "work.events".into(), partition: 0, from, to: *position, next_offset: *position }]
}

/// Time of the processor that this program has had, in steps of 10 ms.
fn processor() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let ticks: u64 =
        stat.rsplit(')').next().unwrap_or_default().split(' ').skip(12).take(2).filter_map(|n| n.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

async fn timed<T>(what: &str, unit: &str, count: u64, work: impl Future<Output = T>) -> T {
    let (begun, cpu) = (Instant::now(), processor());
    let done = work.await;
    let (took, cpu) = (begun.elapsed(), processor() - cpu);
    let rate = count as f64 / took.as_secs_f64();
    println!("{what:<58} {rate:>11.0} {unit}/s   ({count} in {took:.2?}, of the processor {cpu:.2?})");
    done
}

async fn writes(
    store: &dyn Store,
    what: &str,
    made: &Generation,
    position: &mut u64,
    facts: bool,
    batches: Vec<Vec<Vec<Value>>>,
) {
    let rows: usize = batches.iter().map(Vec::len).sum();
    timed(what, "rows", rows as u64, async {
        for upserts in batches {
            let advance = advance(position, upserts.len() as u64);
            store.write(Write { generation: made.id, advance, upserts, facts, ..Write::default() }).await.unwrap();
        }
    })
    .await;
}

fn batches(rows: u64, per_write: u64, row: impl Fn(u64) -> Vec<Value>) -> Vec<Vec<Vec<Value>>> {
    (0..rows / per_write).map(|b| (b * per_write..(b + 1) * per_write).map(&row).collect()).collect()
}

async fn gets(store: &Arc<dyn Store>, what: &str, rows: u64) {
    const TASKS: u64 = 64;
    let answered = Arc::new(AtomicU64::new(0));
    let over = Arc::new(AtomicBool::new(false));
    let (begun, cpu) = (Instant::now(), processor());
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let (store, answered, over) = (Arc::clone(store), Arc::clone(&answered), Arc::clone(&over));
            tokio::spawn(async move {
                let mut n = task;
                while !over.load(Relaxed) {
                    n = n.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    let key = [Value::Text(id((n >> 20) % rows))];
                    assert!(store.get(&Job::TABLE, "default", &key).await.unwrap().is_some());
                    answered.fetch_add(1, Relaxed);
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_secs(3)).await;
    over.store(true, Relaxed);
    for task in tasks {
        task.await.unwrap();
    }
    let (answered, took, cpu) = (answered.load(Relaxed), begun.elapsed(), processor() - cpu);
    let rate = answered as f64 / took.as_secs_f64();
    println!("{what:<58} {rate:>11.0} rows/s   ({answered} in {took:.2?}, of the processor {cpu:.2?})");
}

async fn measure(store: Arc<dyn Store>) {
    let jobs = store.create(&Job::TABLE, 1).await.unwrap();
    store.switch(jobs.id, "").await.unwrap();
    let mut position = 0;
    let rows = 300_000;
    for per_write in [1_000, 5_000, 20_000] {
        let made = store.create(&Job::TABLE, 1).await.unwrap();
        let new = batches(rows, per_write, |n| full(job(growing(n), n, 1)));
        writes(&*store, &format!("jobs, new, growing keys, {per_write} a write"), &made, &mut 0, false, new).await;
        store.discard(made.id).await.unwrap();
    }
    let new = batches(rows, 10_000, |n| full(job(id(n), n, 1)));
    writes(&*store, "jobs, new, scattered keys, 10000 a write", &jobs, &mut position, false, new).await;
    for per_write in [1_000, 5_000, 20_000] {
        let old = batches(rows / 2, per_write, |n| full(job(id(n * 7919 % rows), n * 7919 % rows, 2)));
        writes(&*store, &format!("jobs, changed, scattered keys, {per_write} a write"), &jobs, &mut position, false, old).await;
    }
    for per_write in [1_000, 5_000, 20_000] {
        let old = batches(rows / 2, per_write, |n| {
            full(job(id(rows - 40_000 + n * 7919 % 40_000), rows - 40_000 + n * 7919 % 40_000, 2))
        });
        writes(&*store, &format!("jobs, changed, the newest 40,000, {per_write} a write"), &jobs, &mut position, false, old)
            .await;
    }
    let history = store.create(&Event::TABLE, 1).await.unwrap();
    let mut historic = 0;
    for (round, per_write) in [(0, 1_000), (1, 5_000), (2, 20_000)] {
        let new = batches(rows, per_write, |n| full(event(id(n % 100_000), n, i64::try_from(n / 100_000 + round * 10).unwrap())));
        writes(&*store, &format!("facts, scattered keys, {per_write} a write"), &history, &mut historic, true, new).await;
    }
    let keys: Vec<_> =
        (0..100_000).map(|n| vec![Value::Text("default".into()), Value::Text(id(n * 7919 % (2 * rows)))]).collect();
    timed("load, half of them absent, 10000 at once", "keys", 100_000, async {
        for keys in keys.chunks(10_000) {
            store.load(jobs.id, keys).await.unwrap();
        }
    })
    .await;
    timed("scan of jobs", "rows", rows, store.scan(jobs.id)).await.unwrap();
    let query = Query {
        table: Job::TABLE,
        tenant: "default".into(),
        filters: vec![
            Filter { column: "queue", operator: Operator::Equal, value: Value::Text("queue-1".into()) },
            Filter { column: "status", operator: Operator::Equal, value: Value::Text("queued".into()) },
        ],
        order: vec![("submitted_at", Direction::Descending)],
        after: None,
        limit: 50,
    };
    timed("pages of 50 jobs by index", "pages", 5_000, async {
        for _ in 0..5_000 {
            assert_eq!(store.query(&query).await.unwrap().len(), 50);
        }
    })
    .await;
    gets(&store, "get by key, 64 tasks", rows).await;
    let over = Arc::new(AtomicBool::new(false));
    let writer = tokio::spawn({
        let (store, over, jobs) = (Arc::clone(&store), Arc::clone(&over), jobs.clone());
        async move {
            let (mut n, mut written) = (0, 0);
            let mut tick = tokio::time::interval(Duration::from_millis(10));
            while !over.load(Relaxed) {
                tick.tick().await;
                let upserts: Vec<_> = (n..n + 200).map(|n| full(job(id(n * 7919 % rows), n * 7919 % rows, 3))).collect();
                n += 200;
                let advance = advance(&mut position, 200);
                store.write(Write { generation: jobs.id, advance, upserts, ..Write::default() }).await.unwrap();
                written += 200;
            }
            (written, position)
        }
    });
    gets(&store, "get by key, 64 tasks, beside 100 writes/s of 200 rows", rows).await;
    over.store(true, Relaxed);
    println!("  the writer wrote {} rows meanwhile", writer.await.unwrap().0);
    let made: Vec<Generation> = {
        let mut made = Vec::new();
        for _ in 0..4 {
            made.push(store.create(&Job::TABLE, 1).await.unwrap());
        }
        made
    };
    timed("16 writers of 20 rows into 4 generations", "rows", 16 * 300 * 20, async {
        let writers: Vec<_> = (0..16_u32)
            .map(|writer| {
                let (store, generation) = (Arc::clone(&store), made[writer as usize / 4].id);
                tokio::spawn(async move {
                    for turn in 0..300_u64 {
                        let base = (u64::from(writer) * 300 + turn) * 20;
                        let upserts = (base..base + 20).map(|n| full(job(growing(n), n, 1))).collect();
                        let step =
                            Advance { topic: "work.events".into(), partition: writer, from: turn, to: turn + 1, next_offset: 0 };
                        store.write(Write { generation, advance: vec![step], upserts, ..Write::default() }).await.unwrap();
                    }
                })
            })
            .collect();
        for writer in writers {
            writer.await.unwrap();
        }
    })
    .await;
}

fn main() {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("load of the machine before: {}", load.trim());
    let place = std::env::args().nth(1);
    let own = std::env::temp_dir().join(format!("swarmlog-store-{}", std::process::id()));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let store: Arc<dyn Store> = if place.as_deref() == Some("postgres") {
            let servers = Servers::open(&own, || std::process::Command::new("false")).unwrap();
            servers.end_with_this_process().unwrap();
            servers.up(&[Server::Postgres]).unwrap();
            let config = PostgresConfig::new(servers.addresses().postgres.clone());
            Arc::new(PostgresStore::connect(config).await.unwrap())
        } else {
            Arc::new(SqliteStore::open(place.as_deref().map_or(own.as_path(), std::path::Path::new)).unwrap())
        };
        measure(store).await;
    });
    if place.is_none() {
        let _ = std::fs::remove_dir_all(&own);
    }
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("and after: {}", load.trim());
}
