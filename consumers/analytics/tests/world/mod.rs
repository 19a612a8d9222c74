//! A log with events in it, and the store of this process.
#![allow(dead_code, reason = "no test file uses everything")]

use analytics::{Analytics, find_library};
use bytes::Bytes;
use log::{Append, Durability, Log, Source, sqlite::SqliteLog};
use schemas::{
    Message, SchemaId,
    envelope::Envelope,
    telemetry::{MetricPoint, MetricPoints},
    work,
};
use std::{path::Path, sync::Arc, time::Duration};
use uuid::Uuid;

/// 2026-11-21 02:00:00 UTC in microseconds.
pub const TIME: i64 = 1_795_226_400_000_000;

/// The store of this process; fails with the remedy where the library is missing.
pub fn analytics(data: &Path) -> Analytics {
    Analytics::embedded(&find_library(), data).unwrap_or_else(|error| panic!("{error}"))
}

/// A log with the topics that are fed.
pub async fn log(dir: &Path, partitions: u32) -> Arc<SqliteLog> {
    let log = SqliteLog::open(dir, partitions).unwrap();
    log.create_topics(&["work.events", "telemetry.metric"]).await.unwrap();
    Arc::new(log)
}

pub fn source(topic: &str, partition: u32) -> Source {
    Source { topic: topic.into(), partition }
}

/// The envelope of a record of a job.
pub fn envelope(timeline: Uuid, position: u64, name: &str, schema: SchemaId) -> Envelope {
    Envelope {
        id: Uuid::from_u128(u128::from(position) << 32 | 7),
        tenant: "default".to_owned(),
        aggregate_type: "job".to_owned(),
        aggregate_id: format!("job-{}", position % 100),
        seq: i64::try_from(position).unwrap(),
        position: i64::try_from(position).unwrap(),
        timeline,
        r#type: name.to_owned(),
        schema_id: i32::try_from(schema.0).unwrap(),
        command_id: Uuid::from_u128(1),
        causation_id: Uuid::from_u128(1),
        correlation_id: Uuid::from_u128(1),
        traceparent: None,
        actor: "tester".to_owned(),
        occurred_at: None,
        recorded_at: TIME + i64::try_from(position).unwrap(),
        expected_seq: -2,
        idempotent: false,
        body_hash: None,
    }
}

/// A record to append.
pub fn append(source: &Source, envelope: &Envelope, payload: Vec<u8>) -> Append {
    let mut bytes = Vec::new();
    envelope.encode(&mut bytes).unwrap();
    Append {
        source: source.clone(),
        key: Bytes::from(envelope.key()),
        envelope: bytes.into(),
        payload: payload.into(),
        time: envelope.recorded_at,
    }
}

/// Event number `position` of a partition.
pub fn event(timeline: Uuid, source: &Source, position: u64) -> Append {
    let submitted = work::JobSubmitted {
        job_id: Uuid::from_u128(u128::from(position)).to_string(),
        queue: "q".to_owned(),
        kind: "train".to_owned(),
        priority: work::Priority::Urgent,
        config: r#"{"lr":0.1,"layers":[1,2]}"#.to_owned(),
        max_attempts: 3,
    };
    let mut payload = Vec::new();
    submitted.encode(&mut payload).unwrap();
    append(source, &envelope(timeline, position, submitted.name(), submitted.schema_id()), payload)
}

/// A batch of metric points.
pub fn points(timeline: Uuid, source: &Source, batch: u64, count: i64) -> Append {
    let points = (0..count).map(|step| MetricPoint {
        job_id: "job-1".to_owned(),
        name: "loss".to_owned(),
        step,
        value: 1.0 / (step + 1) as f64,
        at: TIME + step,
    });
    let message = MetricPoints { source: "gpu-1".to_owned(), batch_id: Uuid::from_u128(batch.into()), points: points.collect() };
    let mut payload = Vec::new();
    message.encode(&mut payload).unwrap();
    let mut envelope = envelope(timeline, 0, message.name(), message.schema_id());
    envelope.recorded_at = TIME;
    append(source, &envelope, payload)
}

/// Appends events `from..=to` to a partition.
pub async fn append_events(log: &dyn Log, source: &Source, from: u64, to: u64) {
    let events: Vec<Append> = (from..=to).map(|position| event(log.timeline().0, source, position)).collect();
    for some in events.chunks(5000) {
        log.append(some.to_vec(), Durability::Durable).await.unwrap();
    }
}

/// A number that a statement answers.
pub async fn number(analytics: &Analytics, sql: &str) -> u64 {
    analytics.client().unwrap().query(sql).fetch_one::<u64>().await.unwrap()
}

/// Waits until a statement answers `expected`.
pub async fn eventually(analytics: &Analytics, sql: &str, expected: u64) {
    let waited = tokio::time::timeout(Duration::from_secs(60), async {
        while number(analytics, sql).await != expected {
            tokio::task::yield_now().await;
        }
    });
    if waited.await.is_err() {
        panic!("{sql}: {}, not {expected}, after a minute", number(analytics, sql).await);
    }
}
