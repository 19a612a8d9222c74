//! Rows to store.

use swarmlog_analytics::tables::{EventRow, MetricRow};
use uuid::Uuid;

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
