//! Commands as a gateway would append them.

use log::{Append, Source};
use schemas::{
    Message,
    envelope::Envelope,
    work::{CancelJob, CompleteJob, JobCommand, LeaseJob, Priority, RetryJob, SubmitJob},
};
use uuid::Uuid;

/// A fixed moment, in microseconds.
pub const NOW: i64 = 1_800_000_000_000_000;

pub fn job(number: u128) -> String {
    Uuid::from_u128(number).to_string()
}

pub fn submit(job_id: &str) -> JobCommand {
    let (queue, kind, config) = ("gpu".into(), "train".into(), "{}".into());
    SubmitJob { job_id: job_id.into(), queue, kind, priority: Priority::Normal, config, max_attempts: 3 }.into()
}

pub fn lease(job_id: &str) -> JobCommand {
    LeaseJob { job_id: job_id.into(), worker: "ada".into(), duration_ms: 30_000 }.into()
}

pub fn complete(job_id: &str, fence: i64) -> JobCommand {
    CompleteJob { job_id: job_id.into(), fence, result: "{}".into(), result_uri: None }.into()
}

pub fn cancel(job_id: &str) -> JobCommand {
    CancelJob { job_id: job_id.into(), reason: None }.into()
}

pub fn retry(job_id: &str) -> JobCommand {
    RetryJob { job_id: job_id.into(), reason: None }.into()
}

/// A command to append, which a test may still change.
#[derive(Debug, Clone)]
pub struct Sent {
    pub envelope: Envelope,
    pub payload: Vec<u8>,
}

/// `id` is the number of the command.
pub fn sent(id: u128, command: &JobCommand) -> Sent {
    let mut payload = Vec::new();
    command.encode(&mut payload).expect("a command can be written");
    let id = Uuid::from_u128(id);
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
        traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into()),
        actor: "somebody".into(),
        occurred_at: Some(NOW - 5),
        recorded_at: NOW,
        expected_seq: -2,
        idempotent: false,
        body_hash: None,
    };
    Sent { envelope, payload }
}

impl Sent {
    pub fn with(mut self, change: impl FnOnce(&mut Envelope)) -> Self {
        change(&mut self.envelope);
        self
    }

    /// With an Idempotency-Key; `body` stands for the hash of its body.
    pub fn idempotent(self, body: u8) -> Self {
        self.with(|envelope| {
            envelope.idempotent = true;
            envelope.body_hash = Some(vec![body; 32]);
        })
    }

    pub fn expecting(self, seq: i64) -> Self {
        self.with(|envelope| envelope.expected_seq = seq)
    }

    /// As a record for a log with so many partitions.
    pub fn append(&self, partitions: u32) -> Append {
        let key = self.envelope.key();
        let mut envelope = Vec::new();
        self.envelope.encode(&mut envelope).expect("an envelope can be written");
        let partition = schemas::partition(key.as_bytes(), partitions);
        Append {
            source: Source { topic: "work.commands".into(), partition },
            key: key.into(),
            envelope: envelope.into(),
            payload: self.payload.clone().into(),
            time: self.envelope.recorded_at,
        }
    }
}
