//! One engine and one runtime for all tests of a process: the engine is there once, and the client's connections live
//! on the runtime that made them.
#![allow(dead_code, reason = "no test file uses everything")]

use std::{future::Future, path::PathBuf, sync::LazyLock};
use swarmlog_analytics::{
    Analytics, find_library,
    tables::{EventRow, MetricRow},
};
use tokio::runtime::Runtime;
use uuid::Uuid;

struct World {
    runtime: Runtime,
    analytics: Analytics,
    data: PathBuf,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let data = tempfile::tempdir().unwrap().keep();
    match Analytics::embedded(&find_library(), &data) {
        Ok(analytics) => World { runtime: Runtime::new().unwrap(), analytics, data },
        Err(error) => panic!("{error}"),
    }
});

/// Runs a test with the engine of this process.
pub fn with_analytics<F: Future<Output = ()>>(test: impl FnOnce(Analytics) -> F) {
    WORLD.runtime.block_on(test(WORLD.analytics.clone()));
}

/// The engine's folder.
pub fn data() -> PathBuf {
    WORLD.data.clone()
}

/// 2026-11-21 02:00:00 UTC in microseconds.
pub const TIME: i64 = 1_795_226_400_000_000;

/// An event of a job.
pub fn event(topic: &str, partition: u32, position: u64) -> EventRow {
    EventRow {
        tenant: "default".to_owned(),
        context: "work".to_owned(),
        topic: topic.to_owned(),
        partition,
        position,
        timeline: Uuid::from_u128(7),
        event_id: Uuid::from_u128(u128::from(position) + 1000),
        r#type: if position.is_multiple_of(2) { "work.JobSubmitted" } else { "work.JobLeased" }.to_owned(),
        aggregate_type: "job".to_owned(),
        aggregate_id: format!("job-{}", position % 10),
        seq: 1 + position / 10,
        command_id: Uuid::from_u128(1),
        causation_id: Uuid::from_u128(2),
        correlation_id: Uuid::from_u128(3),
        actor: "it's \"me\" \u{1F600}\n\n".to_owned(),
        occurred_at: position.is_multiple_of(3).then_some(TIME - 1),
        recorded_at: TIME + i64::try_from(position).unwrap(),
        schema_id: 12,
        payload: format!(r#"{{"job_id":"job-{}","queue":"q","attempts":{position},"tags":["a","b"]}}"#, position % 10),
    }
}

/// A measured value.
pub fn metric(offset: u64, row: u32) -> MetricRow {
    MetricRow {
        tenant: "default".to_owned(),
        source: "gpu-1".to_owned(),
        job_id: format!("job-{}", offset % 10),
        name: "loss".to_owned(),
        step: i64::try_from(offset).unwrap(),
        value: 1.0 / (offset + 1) as f64,
        at: TIME,
        recorded_at: TIME,
        topic: "telemetry.metric".to_owned(),
        partition: 0,
        offset,
        row,
        timeline: Uuid::from_u128(7),
        batch_id: Uuid::from_u128(u128::from(offset)),
    }
}
