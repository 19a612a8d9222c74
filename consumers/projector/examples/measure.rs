//! Measures a rebuild: `cargo run --release -p swarmlog-projector --example measure [EVENTS]`.
//!
//! Fills an embedded log with events of jobs in a temporary directory, once with a job for every event and once with 20
//! events for every job, lets the projector build `jobs` and `history` from nothing, asks for a rebuild, and prints
//! events a second of each. Switches and comparisons are included.

#![allow(clippy::unwrap_used, reason = "a measurement, which may stop at any surprise")]

use log::{Append, Durability, Log, Source, sqlite::SqliteLog};
use schemas::{
    AnyProjection, Message,
    envelope::Envelope,
    work::{JobEvent, JobProgressed, JobSubmitted, Priority},
};
use service::Lifecycle;
use std::{
    path::Path,
    sync::{Arc, LazyLock},
    time::{Duration, Instant},
};
use stores::{GenerationState, SqliteStore, Store};

const PARTITIONS: u32 = 4;

static JOBS: LazyLock<Vec<&'static dyn AnyProjection>> = LazyLock::new(|| projections::find("jobs").into_iter().collect());
static HISTORY: LazyLock<Vec<&'static dyn AnyProjection>> = LazyLock::new(|| projections::find("history").into_iter().collect());

#[tokio::main]
async fn main() {
    let events: u64 = std::env::args().nth(1).map_or(1_000_000, |count| count.parse().unwrap());
    for (about, per_job) in [("a job each", 1), ("20 per job", 20)] {
        let dir = tempfile::tempdir().unwrap();
        let log = Arc::new(SqliteLog::open(&dir.path().join("log"), PARTITIONS).unwrap());
        fill(&log, events, per_job).await;
        for projections in [&*JOBS, &*HISTORY] {
            measure(dir.path(), log.clone(), projections, events, about).await;
        }
        log.close().await.unwrap();
    }
}

async fn measure(dir: &Path, log: Arc<SqliteLog>, projections: &'static [&'static dyn AnyProjection], events: u64, about: &str) {
    let projection = projections[0];
    let (name, table, version) = (projection.name(), projection.table(), projection.version());
    let store = Arc::new(SqliteStore::open(&dir.join(name)).unwrap());
    let lifecycle = Lifecycle::new();
    let start = Instant::now();
    let task = tokio::spawn(swarmlog_projector::run(log.clone(), store.clone(), projections, lifecycle.clone()));
    until(async || {
        let generations = store.generations(name).await.unwrap();
        let Some(live) = generations.iter().find(|g| g.state == GenerationState::Live) else { return false };
        store.positions(live.id).await.unwrap().values().map(|(position, _)| position).sum::<u64>() == events
    })
    .await;
    report(&format!("{name}, {about}, from nothing"), events, start);
    let start = Instant::now();
    let new = store.create(&table, version).await.unwrap();
    until(async || {
        let generations = store.generations(name).await.unwrap();
        generations.iter().any(|g| g.id == new.id && g.state == GenerationState::Live && g.note.starts_with("identical"))
    })
    .await;
    report(&format!("{name}, {about}, rebuild with comparison"), events, start);
    lifecycle.finished().await.unwrap();
    task.await.unwrap().unwrap();
}

async fn until(is: impl AsyncFn() -> bool) {
    while !is().await {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn report(what: &str, events: u64, start: Instant) {
    let seconds = start.elapsed().as_secs_f64();
    println!("{what}: {:.0} events/s ({seconds:.2} s)", events as f64 / seconds);
}

/// Events as a writer would append them.
async fn fill(log: &SqliteLog, events: u64, per_job: u64) {
    log.create_topics(&["work.events"]).await.unwrap();
    let topic: Arc<str> = "work.events".into();
    let mut positions = [0_i64; PARTITIONS as usize];
    let jobs = events.div_ceil(per_job);
    let mut appends = Vec::new();
    for n in 0..events {
        let (job, seq) = (n % jobs, n / jobs + 1);
        let job_id = format!("0192f0c1-7a5e-7c3d-9f00-{job:012x}");
        let partition = (job % u64::from(PARTITIONS)) as u32;
        let position = &mut positions[partition as usize];
        *position += 1;
        let event: JobEvent = if seq == 1 {
            let (queue, kind) = ("gpu".to_owned(), "train.wine".to_owned());
            let config = r#"{"depth":3,"rate":0.1}"#.to_owned();
            JobSubmitted { job_id: job_id.clone(), queue, kind, priority: Priority::Normal, config, max_attempts: 3 }.into()
        } else {
            let message = Some("epoch done".to_owned());
            JobProgressed { job_id: job_id.clone(), fence: 1, step: seq as i64, total_steps: Some(20), message }.into()
        };
        let id = schemas::aggregate_id(uuid::Uuid::from_u128(u128::from(n)));
        let envelope = Envelope {
            id,
            tenant: "default".into(),
            aggregate_type: "job".into(),
            aggregate_id: job_id,
            seq: seq as i64,
            position: *position,
            timeline: log.timeline().0,
            r#type: event.name().into(),
            schema_id: event.schema_id().0 as i32,
            command_id: id,
            causation_id: id,
            correlation_id: id,
            traceparent: None,
            actor: "measure".into(),
            occurred_at: None,
            recorded_at: 1_800_000_000_000_000 + n as i64,
            expected_seq: -2,
            idempotent: false,
            body_hash: None,
        };
        let (mut encoded, mut payload) = (Vec::new(), Vec::new());
        envelope.encode(&mut encoded).unwrap();
        event.encode(&mut payload).unwrap();
        let source = Source { topic: topic.clone(), partition };
        let (key, time) = (envelope.key().into(), envelope.recorded_at);
        appends.push(Append { source, key, envelope: encoded.into(), payload: payload.into(), time });
        if appends.len() == 10_000 || n + 1 == events {
            log.append(std::mem::take(&mut appends), Durability::Durable).await.unwrap();
        }
    }
}
