//! Commands as a gateway would append them, and records as nobody should.

use log::{Append, Source};
use schemas::{
    Message,
    envelope::Envelope,
    work::{CancelJob, JobCommand, LeaseJob, Priority, SubmitJob},
};
use uuid::Uuid;

pub fn job(number: u128) -> String {
    schemas::aggregate_id(Uuid::from_u128(number)).to_string()
}

pub fn submit(job_id: &str) -> JobCommand {
    let (queue, kind, config) = ("gpu".into(), "train".into(), "{}".into());
    SubmitJob { job_id: job_id.into(), queue, kind, priority: Priority::Normal, config, max_attempts: 3 }.into()
}

pub fn lease(job_id: &str) -> JobCommand {
    LeaseJob { job_id: job_id.into(), worker: "ada".into(), duration_ms: 30_000 }.into()
}

pub fn cancel(job_id: &str) -> JobCommand {
    CancelJob { job_id: job_id.into(), reason: None }.into()
}

/// A command record; one with a key is told to be idempotent.
pub fn command(id: Uuid, key: Option<u8>, command: &JobCommand, partitions: u32) -> Append {
    let mut payload = Vec::new();
    command.encode(&mut payload).unwrap();
    let now = writer::system_clock();
    let envelope = Envelope {
        id,
        tenant: "default".into(),
        aggregate_type: "job".into(),
        aggregate_id: command.aggregate_id().into(),
        seq: 0,
        position: 0,
        timeline: Uuid::from_u128(1),
        r#type: command.name().into(),
        schema_id: command.schema_id().0 as i32,
        command_id: id,
        causation_id: id,
        correlation_id: id,
        traceparent: None,
        actor: "somebody".into(),
        occurred_at: None,
        recorded_at: now,
        expected_seq: -2,
        idempotent: key.is_some(),
        body_hash: key.map(|body| vec![body; 32]),
    };
    let partition = schemas::partition(envelope.key().as_bytes(), partitions);
    record(Source { topic: "work.commands".into(), partition }, &envelope, payload)
}

/// Any record, its key being that of its envelope.
pub fn record(source: Source, envelope: &Envelope, payload: impl Into<bytes::Bytes>) -> Append {
    let mut bytes = Vec::new();
    envelope.encode(&mut bytes).unwrap();
    Append { source, key: envelope.key().into(), envelope: bytes.into(), payload: payload.into(), time: envelope.recorded_at }
}
