//! `job_queue`: what a worker that asks for a job may be given, best first.
//!
//! A queue is read in the order of rank and age; a job may be handed out once `available_at` has passed, which for a
//! leased job is the end of its lease. A job that completed or was cancelled is gone. One that failed leaves its queue,
//! but its row stays: a retry has to bring it back, and says nothing of where it came from.

#[cfg(test)]
mod specs;

use schemas::{
    Grain, Message, Projection, Recorded, Row, Unfit,
    row::Time,
    work::{JobEvent, Priority},
};

/// When a failed job may be handed out: the last day that calendars know, 9999-12-30.
pub const NEVER: Time = Time(253_402_128_000_000_000);

/// A job that may be handed out now, later, or after a retry.
#[derive(Debug, Clone, PartialEq, Row)]
#[row(table = "job_queue", index(queue, rank, submitted_at))]
pub struct QueuedJob {
    /// Identity of the job.
    #[row(key)]
    pub job_id: String,
    /// Name of the queue that it stands in; empty after a failure.
    pub queue: String,
    /// Its priority, smallest first: critical 0, urgent 1, normal 2.
    pub rank: i64,
    /// When it was submitted; the oldest of a rank is handed out first.
    pub submitted_at: Time,
    /// From when on it may be handed out: 0 while nobody holds it, else the end of the lease.
    pub available_at: Time,
    /// Leases granted so far.
    pub attempts: i64,
    /// The queue that it left when it failed, and returns to when it is retried.
    pub left_queue: Option<String>,
}

/// The read model.
#[derive(Debug)]
pub enum JobQueue {}

impl Projection for JobQueue {
    const NAME: &'static str = "job_queue";
    const VERSION: u32 = 1;
    const GRAIN: Grain = Grain::Aggregate;
    type Event = JobEvent;
    type Row = QueuedJob;

    fn keys(event: &Recorded<JobEvent>, out: &mut Vec<String>) {
        // A report of a running job changes nothing here, and most events are reports.
        if !matches!(event.message, JobEvent::JobProgressed(_) | JobEvent::CheckpointRecorded(_)) {
            out.push(event.message.aggregate_id().to_owned());
        }
    }

    fn fold(_: &String, row: &mut Option<QueuedJob>, event: &Recorded<JobEvent>) -> Result<(), Unfit> {
        let name = event.message.name();
        let job = match (&event.message, row.as_mut()) {
            (JobEvent::JobSubmitted(e), None) => {
                *row = Some(QueuedJob {
                    job_id: e.job_id.clone(),
                    queue: e.queue.clone(),
                    rank: rank(e.priority),
                    submitted_at: Time(event.envelope.recorded_at),
                    available_at: Time(0),
                    attempts: 0,
                    left_queue: None,
                });
                return Ok(());
            }
            (JobEvent::JobSubmitted(_), Some(_)) => return Err(Unfit("the job was submitted before".to_owned())),
            (_, None) => return Err(Unfit(format!("{name} of a job that nobody submitted or that has ended"))),
            (_, Some(job)) => job,
        };
        match &event.message {
            JobEvent::JobCompleted(_) | JobEvent::JobCancelled(_) => *row = None,
            JobEvent::JobRetried(e) => {
                if let Some(queue) = job.left_queue.take() {
                    job.queue = queue;
                }
                job.available_at = Time(0);
                job.attempts = e.attempt.into();
            }
            _ if job.left_queue.is_some() => return Err(Unfit(format!("{name} of a job that is failed"))),
            JobEvent::JobFailed(_) => {
                job.left_queue = Some(std::mem::take(&mut job.queue));
                job.available_at = NEVER;
            }
            JobEvent::JobLeased(e) => {
                job.available_at = Time(e.until);
                job.attempts = e.attempt.into();
            }
            JobEvent::LeaseRenewed(e) => job.available_at = Time(e.until),
            JobEvent::LeaseLost(_) => job.available_at = Time(0),
            JobEvent::JobSubmitted(_) | JobEvent::JobProgressed(_) | JobEvent::CheckpointRecorded(_) => {}
        }
        Ok(())
    }
}

fn rank(priority: Priority) -> i64 {
    match priority {
        Priority::Critical => 0,
        Priority::Urgent => 1,
        Priority::Normal => 2,
    }
}
