//! `jobs`: every job as it stands, ended ones too.
//!
//! A row appears when the job is submitted and stays for ever. The numbers of the last lease, its holder and the last
//! failure stay readable after the job has ended. An event that the job's rules could not have let happen is unfit.

#[cfg(test)]
mod specs;

use crate::words::words;
use schemas::{
    Grain, Message, Projection, Recorded, Row, Unfit,
    envelope::Envelope,
    row::{Json, Time},
    work::{JobEvent, JobSubmitted, Priority},
};

words! {
    /// Where a job stands in its life.
    Status {
        /// It waits for a worker.
        Queued = "queued",
        /// A worker holds it and has not reported yet.
        Leased = "leased",
        /// A worker holds it and reports.
        Running = "running",
        /// It ended well.
        Completed = "completed",
        /// Its last attempt failed; it can be retried.
        Failed = "failed",
        /// It was stopped for good.
        Cancelled = "cancelled",
    }
}

/// A job as it stands.
#[derive(Debug, Clone, PartialEq, Row)]
#[row(table = "jobs", index(queue, status))]
pub struct Job {
    /// Identity of the job.
    #[row(key)]
    pub job_id: String,
    /// Name of its queue.
    pub queue: String,
    /// What the worker has to do.
    pub kind: String,
    /// `normal`, `urgent` or `critical`.
    pub priority: String,
    /// Where it stands in its life.
    pub status: Status,
    /// Free settings for the worker.
    pub config: Json,
    /// Leases granted so far.
    pub attempts: i64,
    /// Leases that may be granted.
    pub max_attempts: i64,
    /// Number of the newest lease, 0 before the first.
    pub fence: i64,
    /// Who holds it; of a job that ended, who held it last.
    pub worker: Option<String>,
    /// When the lease ends unless it is renewed.
    pub lease_until: Option<Time>,
    /// Steps done, as last reported.
    pub step: Option<i64>,
    /// Steps there are, if known.
    pub total_steps: Option<i64>,
    /// What is going on, as last reported.
    pub message: Option<String>,
    /// Steps done at the newest checkpoint.
    pub checkpoint_step: Option<i64>,
    /// Where the newest checkpoint lies.
    pub checkpoint_uri: Option<String>,
    /// SHA-256 of the newest checkpoint, hexadecimal.
    pub checkpoint_sha256: Option<String>,
    /// Size of the newest checkpoint in bytes.
    pub checkpoint_size_bytes: Option<i64>,
    /// What came out.
    pub result: Option<Json>,
    /// Where a large result lies.
    pub result_uri: Option<String>,
    /// What the last failed attempt said; absent once the job has completed.
    pub error: Option<String>,
    /// Who submitted it.
    pub submitted_by: String,
    /// When it was submitted.
    pub submitted_at: Time,
    /// When its last event was recorded.
    pub updated_at: Time,
    /// When it completed, failed or was cancelled.
    pub ended_at: Option<Time>,
    /// Number of its last event.
    pub seq: i64,
}

/// The read model.
#[derive(Debug)]
pub enum Jobs {}

impl Projection for Jobs {
    const NAME: &'static str = "jobs";
    const VERSION: u32 = 1;
    const GRAIN: Grain = Grain::Aggregate;
    type Event = JobEvent;
    type Row = Job;

    fn keys(event: &Recorded<JobEvent>, out: &mut Vec<String>) {
        out.push(event.message.aggregate_id().to_owned());
    }

    fn fold(_: &String, row: &mut Option<Job>, event: &Recorded<JobEvent>) -> Result<(), Unfit> {
        let job = match (&event.message, row.as_mut()) {
            (JobEvent::JobSubmitted(submitted), None) => {
                *row = Some(Job::submitted(submitted, &event.envelope));
                return Ok(());
            }
            (JobEvent::JobSubmitted(_), Some(_)) => return Err(Unfit("the job was submitted before".to_owned())),
            (other, None) => return Err(Unfit(format!("{} of a job that nobody submitted", other.name()))),
            (_, Some(job)) => job,
        };
        if !job.takes(&event.message) {
            return Err(Unfit(format!("{} of a job that is {}", event.message.name(), job.status.as_str())));
        }
        job.take(&event.message, Time(event.envelope.recorded_at));
        job.seq = event.envelope.seq;
        Ok(())
    }
}

impl Job {
    fn submitted(submitted: &JobSubmitted, envelope: &Envelope) -> Self {
        Self {
            job_id: submitted.job_id.clone(),
            queue: submitted.queue.clone(),
            kind: submitted.kind.clone(),
            priority: word(submitted.priority).to_owned(),
            status: Status::Queued,
            config: Json(submitted.config.clone()),
            attempts: 0,
            max_attempts: submitted.max_attempts.into(),
            fence: 0,
            worker: None,
            lease_until: None,
            step: None,
            total_steps: None,
            message: None,
            checkpoint_step: None,
            checkpoint_uri: None,
            checkpoint_sha256: None,
            checkpoint_size_bytes: None,
            result: None,
            result_uri: None,
            error: None,
            submitted_by: envelope.actor.clone(),
            submitted_at: Time(envelope.recorded_at),
            updated_at: Time(envelope.recorded_at),
            ended_at: None,
            seq: envelope.seq,
        }
    }

    /// Whether the event can follow what is known.
    fn takes(&self, event: &JobEvent) -> bool {
        match self.status {
            Status::Queued | Status::Leased | Status::Running => true,
            Status::Failed => matches!(event, JobEvent::JobRetried(_) | JobEvent::JobCancelled(_)),
            Status::Completed | Status::Cancelled => false,
        }
    }

    fn take(&mut self, event: &JobEvent, at: Time) {
        self.updated_at = at;
        match event {
            JobEvent::JobSubmitted(_) => {}
            JobEvent::JobLeased(e) => {
                self.status = Status::Leased;
                self.worker = Some(e.worker.clone());
                self.fence = e.fence;
                self.attempts = e.attempt.into();
                self.lease_until = Some(Time(e.until));
            }
            JobEvent::LeaseRenewed(e) => self.lease_until = Some(Time(e.until)),
            JobEvent::JobProgressed(e) => {
                self.status = Status::Running;
                self.step = Some(e.step);
                self.total_steps = e.total_steps;
                self.message.clone_from(&e.message);
            }
            JobEvent::CheckpointRecorded(e) => {
                self.checkpoint_step = Some(e.step);
                self.checkpoint_uri = Some(e.uri.clone());
                self.checkpoint_sha256 = Some(e.sha256.clone());
                self.checkpoint_size_bytes = Some(e.size_bytes);
            }
            JobEvent::LeaseLost(_) => self.queue_again(),
            JobEvent::JobRetried(e) => {
                self.queue_again();
                self.attempts = e.attempt.into();
            }
            JobEvent::JobFailed(e) => {
                self.end(Status::Failed, at);
                self.error = Some(e.message.clone());
            }
            JobEvent::JobCompleted(e) => {
                self.end(Status::Completed, at);
                self.result = Some(Json(e.result.clone()));
                self.result_uri.clone_from(&e.result_uri);
                self.error = None;
            }
            JobEvent::JobCancelled(_) => self.end(Status::Cancelled, at),
        }
    }

    fn queue_again(&mut self) {
        self.status = Status::Queued;
        self.worker = None;
        self.lease_until = None;
        self.ended_at = None;
    }

    fn end(&mut self, status: Status, at: Time) {
        self.status = status;
        self.lease_until = None;
        self.ended_at = Some(at);
    }
}

fn word(priority: Priority) -> &'static str {
    match priority {
        Priority::Normal => "normal",
        Priority::Urgent => "urgent",
        Priority::Critical => "critical",
    }
}
