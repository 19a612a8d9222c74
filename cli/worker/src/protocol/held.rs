//! What a worker says under a lease, and how it hears that the lease is lost.

use super::{
    client::{Ask, Body, Client, Heard},
    messages::{Class, JobView, Lease, Leases, MetricPoint, Renewal},
};
use crate::{Config, WorkerError};
use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::time::{Duration, Instant};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use uuid::Uuid;

/// How long the view of a job may take to show what was decided.
const SETTLED: Duration = Duration::from_secs(5);
/// How often the view is looked at meanwhile.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// What came of a word under a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Said {
    /// It counts.
    Heard,
    /// The lease is lost, and why; drop the work.
    Lost(String),
}

/// Asks for one lease, waiting up to `wait` for a job.
pub(crate) async fn lease(client: &Client, config: &Config, wait: Duration) -> Result<Option<Lease>, WorkerError> {
    let body = json!({
        "worker": config.name, "n": 1, "duration_ms": millis(config.lease), "wait_ms": millis(wait),
    });
    let path = ["v1", "queues", &config.queue, "lease"];
    match client.ask(Ask { wait, ..Ask::post(&path, &body) }).await? {
        Heard::Yes(answer) => {
            let mut leases: Leases = serde_json::from_slice(&answer).map_err(|error| strange(&path, &error.to_string()))?;
            Ok(leases.leases.pop())
        }
        Heard::No { detail, .. } => Err(strange(&path, &detail)),
    }
}

/// A lease that is held, and renewed in the background until it is dropped or silenced.
pub(crate) struct Held {
    client: Client,
    pub lease: Lease,
    lost: CancellationToken,
    renewal: Option<AbortOnDropHandle<()>>,
}

impl Held {
    /// Holds on to a lease.
    pub fn new(client: &Client, lease: Lease, duration: Duration) -> Self {
        let lost = CancellationToken::new();
        let renewal = renew(client.clone(), lease.lease_id.clone(), duration, lost.clone());
        let renewal = Some(AbortOnDropHandle::new(tokio::spawn(renewal)));
        Self { client: client.clone(), lease, lost, renewal }
    }

    /// Cancelled when a renewal hears that the job was cancelled or that the lease is lost.
    pub fn lost(&self) -> CancellationToken {
        self.lost.clone()
    }

    /// Reports measured values. The batch is named after the job and the step, so that a step that is done again after
    /// a resume counts once, whoever did it.
    pub async fn metrics(&self, step: u64, points: Vec<MetricPoint>) -> Result<Said, WorkerError> {
        let job = self.lease.job_id;
        let batch_id = Uuid::new_v5(&job, format!("metrics/{step}").as_bytes());
        let body = json!({ "source": job, "batch_id": batch_id, "points": points });
        let path = ["v1", "telemetry:batch"];
        match self.client.ask(Ask::post(&path, &body)).await? {
            Heard::Yes(_) => Ok(Said::Heard),
            Heard::No { detail, .. } => Err(strange(&path, &detail)),
        }
    }

    /// Says how far the job is.
    pub async fn progress(&self, step: u64, total_steps: u64, message: String) -> Result<Said, WorkerError> {
        self.say("progress", json!({ "step": step, "total_steps": total_steps, "message": message })).await
    }

    /// Stores a checkpoint and records it.
    pub async fn checkpoint(&self, step: u64, bytes: &[u8]) -> Result<Said, WorkerError> {
        let (uri, sha256) = self.store(bytes).await?;
        self.say("checkpoint", json!({ "step": step, "uri": uri, "sha256": sha256, "size_bytes": bytes.len() })).await
    }

    /// Stores bytes under their SHA-256; answers their URI and it.
    pub async fn store(&self, bytes: &[u8]) -> Result<(String, String), WorkerError> {
        let sha256 = hex(&Sha256::digest(bytes));
        let path = ["v1", "blobs", &sha256];
        let put = Ask { method: Method::PUT, body: Body::Bytes(bytes), ..Ask::get(&path) };
        match self.client.ask(put).await? {
            Heard::Yes(_) => Ok((format!("blob:{sha256}"), sha256)),
            Heard::No { detail, .. } => Err(strange(&path, &detail)),
        }
    }

    /// The bytes of the checkpoint to resume from; a reason if they are not to be had.
    pub async fn resume(&self) -> Result<Option<Result<Vec<u8>, String>>, WorkerError> {
        let Some(checkpoint) = &self.lease.checkpoint else { return Ok(None) };
        let path = ["v1", "blobs", &checkpoint.sha256];
        let heard = self.client.ask(Ask::get(&path)).await?;
        Ok(Some(match heard {
            Heard::Yes(bytes) if bytes.len() as u64 != checkpoint.size_bytes => {
                Err("its size is not what was recorded".to_owned())
            }
            Heard::Yes(bytes) if hex(&Sha256::digest(&bytes)) != checkpoint.sha256 => Err("its bytes are damaged".to_owned()),
            Heard::Yes(bytes) => Ok(bytes),
            Heard::No { detail, .. } => Err(detail),
        }))
    }

    /// Ends the job well.
    pub async fn complete(mut self, result: Value, result_uri: String) -> Result<Said, WorkerError> {
        self.silence();
        self.last("complete", json!({ "result": result, "result_uri": result_uri }), "completed").await
    }

    /// Ends the attempt.
    pub async fn fail(mut self, class: Class, message: String) -> Result<Said, WorkerError> {
        self.silence();
        self.last("fail", json!({ "class": class, "message": message }), "failed").await
    }

    /// Stops the renewal: after the last word under a lease, it could only hear that the lease has ended.
    fn silence(&mut self) {
        self.renewal = None;
    }

    /// A word that ends the lease. Every try is the same command, so a repeat gets the answer that was lost. Should the
    /// server refuse it all the same although it may have heard it before, the job tells which is true.
    async fn last(&self, word: &str, body: Value, expected: &str) -> Result<Said, WorkerError> {
        let key = format!("{}.{word}", self.lease.lease_id);
        let (said, maybe_heard_before) = self.word(word, body, Some(&key)).await?;
        if said == Said::Heard || !maybe_heard_before {
            return Ok(said);
        }
        let path = ["v1", "jobs", &self.lease.job_id.to_string()];
        let until = Instant::now() + SETTLED;
        loop {
            let Heard::Yes(answer) = self.client.ask(Ask::get(&path)).await? else { return Ok(said) };
            let job: JobView = serde_json::from_slice(&answer).map_err(|error| strange(&path, &error.to_string()))?;
            // Nobody else can have ended the job under this fence.
            if job.status == expected && job.fence == self.lease.fence {
                return Ok(Said::Heard);
            }
            // While the job seems to be held under this lease, the view is older than the refusal.
            let is_old = job.fence == self.lease.fence && matches!(job.status.as_str(), "leased" | "running");
            if !is_old || Instant::now() >= until {
                return Ok(said);
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    async fn say(&self, word: &str, body: Value) -> Result<Said, WorkerError> {
        self.word(word, body, None).await.map(|(said, _)| said)
    }

    async fn word(&self, word: &str, body: Value, key: Option<&str>) -> Result<(Said, bool), WorkerError> {
        let path = ["v1", "leases", &self.lease.lease_id, word];
        Ok(match self.client.ask(Ask { key, ..Ask::post(&path, &body) }).await? {
            Heard::Yes(_) => (Said::Heard, false),
            // It was said before, by this worker or by the one whose work it repeats.
            Heard::No { code, .. } if matches!(code.as_str(), "checkpoint_not_newer" | "step_backwards") => (Said::Heard, false),
            Heard::No { detail, maybe_heard_before, .. } => (Said::Lost(detail), maybe_heard_before),
        })
    }
}

/// Renews a lease three times in its duration; ends when it is lost.
async fn renew(client: Client, lease_id: String, duration: Duration, lost: CancellationToken) {
    let body = json!({ "duration_ms": millis(duration) });
    let path = ["v1", "leases", &lease_id, "renew"];
    loop {
        tokio::time::sleep(duration / 3).await;
        let renewal = match client.ask(Ask::post(&path, &body)).await {
            Ok(Heard::Yes(answer)) => serde_json::from_slice(&answer).unwrap_or_default(),
            Ok(Heard::No { .. }) | Err(_) => Renewal { cancel: false, lost: true },
        };
        if renewal.cancel || renewal.lost {
            return lost.cancel();
        }
    }
}

fn strange(path: &[&str], detail: &str) -> WorkerError {
    WorkerError::Refused { call: format!("/{}", path.join("/")), status: 0, detail: format!("unexpected answer: {detail}") }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
