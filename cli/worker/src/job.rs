//! One job, from its lease to its last word.
//!
//! After every epoch: the metric points, then the checkpoint, then the progress. A worker that dies between two of
//! them repeats the epoch when the job is resumed, with the same values under the same batch id; nothing is missing and
//! nothing counts twice.

use crate::{
    WorkerError,
    protocol::{Class, Held, Lease, MetricPoint, Said},
    training::{Score, Settings, Trainer},
};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How long a worker may take to hand a job back when it is shut down; after that the lease just runs out.
const GRACE: Duration = Duration::from_secs(10);

/// How a job ended for this worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ended {
    Completed,
    Failed,
    /// Somebody else holds the job now, or it was cancelled.
    Lost,
    /// The worker was shut down; the job was handed back, or will be when the lease runs out.
    Left,
}

/// Works on a job until it ends, is lost, or the worker is shut down.
pub(crate) async fn perform(held: Held, shutdown: &CancellationToken) -> Result<Ended, WorkerError> {
    let lost = held.lost();
    let lease = held.lease.clone();
    tracing::info!(job.id = %lease.job_id, job.attempt = lease.attempt, job.max_attempts = lease.max_attempts, "took a job");
    let patience = async {
        shutdown.cancelled().await;
        tokio::time::sleep(GRACE).await;
    };
    let ended = tokio::select! {
        biased;
        () = lost.cancelled() => Ended::Lost,
        () = patience => Ended::Left,
        ended = attempt(held, shutdown) => ended?,
    };
    tracing::info!(job.id = %lease.job_id, job.ended = ?ended, "left a job");
    Ok(ended)
}

async fn attempt(held: Held, shutdown: &CancellationToken) -> Result<Ended, WorkerError> {
    let mut trainer = match prepare(&held.lease).await {
        Ok(trainer) => trainer,
        Err(message) => return fail(held, Class::Permanent, message).await,
    };
    match held.resume().await? {
        None => {}
        Some(Ok(checkpoint)) => {
            if let Err(error) = trainer.resume(&checkpoint) {
                tracing::warn!(job.id = %held.lease.job_id, error = %error, "training begins anew");
            }
        }
        Some(Err(why)) => {
            tracing::warn!(job.id = %held.lease.job_id, error = why, "the checkpoint cannot be read, training begins anew");
        }
    }
    // What was recorded before this attempt. A checkpoint must lie beyond it.
    let recorded = held.lease.checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.step);
    let mut score = trainer.score();
    while !trainer.is_done() {
        let until = Instant::now() + Duration::from_millis(trainer.settings().epoch_ms);
        (trainer, score) = match train_epoch(trainer).await {
            Ok(trained) => trained,
            Err(message) => return fail(held, Class::Permanent, message).await,
        };
        if let Said::Lost(why) = report(&held, &trainer, score, recorded).await? {
            return Ok(lost(&held, &why));
        }
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = tokio::time::sleep_until(until) => {}
        }
        if shutdown.is_cancelled() && !trainer.is_done() {
            // Transient: the job is queued at once and goes on from the checkpoint, instead of waiting for the lease to
            // run out. It costs no more attempts than that would.
            let message = "the worker was shut down; the job goes on from its last checkpoint".to_owned();
            return Ok(match fail(held, Class::Transient, message).await? {
                Ended::Failed => Ended::Left,
                other => other,
            });
        }
    }
    finish(held, &trainer, score).await
}

/// Makes the trainer that a job asks for.
async fn prepare(lease: &Lease) -> Result<Trainer, String> {
    if lease.kind != "train.wine" {
        return Err(format!("this worker does not know the kind {:?}, only \"train.wine\"", lease.kind));
    }
    let settings = Settings::from_config(&lease.config).map_err(|error| error.to_string())?;
    // Reading the data takes long enough to be in the way of the renewal.
    let made = tokio::task::spawn_blocking(move || Trainer::new(settings)).await;
    made.map_err(|error| format!("the training crashed: {error}"))?.map_err(|error| error.to_string())
}

async fn train_epoch(mut trainer: Trainer) -> Result<(Trainer, Score), String> {
    let trained = tokio::task::spawn_blocking(move || trainer.train_epoch().map(|score| (trainer, score))).await;
    trained.map_err(|error| format!("the training crashed: {error}"))?.map_err(|error| error.to_string())
}

/// Says what an epoch has brought.
async fn report(held: &Held, trainer: &Trainer, score: Score, recorded: u64) -> Result<Said, WorkerError> {
    let (step, job_id, at) = (trainer.epoch(), held.lease.job_id, now());
    let point = |name, value| MetricPoint { job_id, name, step, value, at: at.clone() };
    let points = vec![point("log_loss", score.log_loss), point("accuracy", score.accuracy), point("auc", score.auc)];
    if let said @ Said::Lost(_) = held.metrics(step, points).await? {
        return Ok(said);
    }
    if step > recorded {
        let checkpoint = trainer.checkpoint().map_err(|error| WorkerError::Settings(error.to_string()))?;
        if let said @ Said::Lost(_) = held.checkpoint(step, &checkpoint).await? {
            return Ok(said);
        }
    }
    let message = format!("auc {:.4}, log loss {:.4}", score.auc, score.log_loss);
    held.progress(step, trainer.settings().epochs, message).await
}

/// Stores the model and completes the job.
async fn finish(held: Held, trainer: &Trainer, score: Score) -> Result<Ended, WorkerError> {
    let model = trainer.checkpoint().map_err(|error| WorkerError::Settings(error.to_string()))?;
    let (uri, _) = held.store(&model).await?;
    let job_id = held.lease.job_id;
    match held.complete(result(trainer, score), uri).await? {
        Said::Heard => Ok(Ended::Completed),
        Said::Lost(why) => {
            tracing::info!(job.id = %job_id, job.reason = why, "the job is no longer ours");
            Ok(Ended::Lost)
        }
    }
}

/// The scores, the settings that led to them, and how many rows they were measured on.
fn result(trainer: &Trainer, score: Score) -> Value {
    let (train_rows, validation_rows, validation_good) = trainer.wine().sizes();
    let mut result = json!(trainer.settings());
    if let Some(fields) = result.as_object_mut() {
        fields.remove("epoch_ms");
        for (name, value) in [
            ("auc", json!(score.auc)),
            ("log_loss", json!(score.log_loss)),
            ("accuracy", json!(score.accuracy)),
            ("train_rows", json!(train_rows)),
            ("validation_rows", json!(validation_rows)),
            ("validation_good", json!(validation_good)),
        ] {
            fields.insert(name.to_owned(), value);
        }
    }
    result
}

async fn fail(held: Held, class: Class, message: String) -> Result<Ended, WorkerError> {
    tracing::info!(job.id = %held.lease.job_id, job.reason = message, "gives up an attempt");
    match held.fail(class, message).await? {
        Said::Heard => Ok(Ended::Failed),
        Said::Lost(_) => Ok(Ended::Lost),
    }
}

fn lost(held: &Held, why: &str) -> Ended {
    tracing::info!(job.id = %held.lease.job_id, job.reason = why, "the job is no longer ours");
    Ended::Lost
}

/// The time in RFC 3339, UTC, with microseconds.
fn now() -> String {
    format!("{:.6}", jiff::Timestamp::now())
}
