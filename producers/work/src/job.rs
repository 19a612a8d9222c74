//! A job: queued, leased to one worker at a time, and ended once.
//!
//! Every lease has a fence, a number that only grows; what a worker says counts only with the newest. A lease that ran
//! out still counts until somebody else takes the job, so a slow worker loses nothing while nobody waits. Attempts are
//! the leases granted; they never exceed `max_attempts`. The step of a checkpoint only grows over the whole life of a
//! job, the step of its progress within one lease. Completed and cancelled are final; a failed job can be retried.

use schemas::{
    Decider, Recorded, RefusalKind,
    work::{
        CheckpointRecorded, FailureClass, JobCancelled, JobCommand, JobCompleted, JobEvent, JobFailed, JobLeased, JobProgressed,
        JobRetried, JobSubmitted, LeaseLost, LeaseRenewed, LossReason,
    },
};
use serde::{Deserialize, Serialize};

/// The rules of a job.
#[derive(Debug)]
pub enum Job {}

/// What the rules need to know of a job's past.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobState {
    /// Where it is in its life.
    pub phase: Phase,
    /// Number of the newest lease, 0 before the first.
    pub fence: i64,
    /// End of the newest lease, in microseconds.
    pub until: i64,
    /// Leases granted.
    pub attempts: i32,
    /// Leases that may be granted.
    pub max_attempts: i32,
    /// Step last reported under the newest lease.
    pub step: i64,
    /// Step of the last checkpoint.
    pub checkpoint: Option<i64>,
    /// Holder of the lease.
    pub worker: Option<Box<str>>,
}

/// Where a job is in its life.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Nobody submitted it.
    #[default]
    Absent,
    /// It waits for a worker.
    Queued,
    /// A worker holds it.
    Leased,
    /// It failed; it can be retried.
    Failed,
    /// It ended well.
    Completed,
    /// It was stopped for good.
    Cancelled,
}

/// Why a command on a job is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// `job_absent`
    #[error("there is no such job; submit it first")]
    Absent,
    /// `job_exists`
    #[error("a job with this id exists already; choose another id, or leave it out to get a fresh one")]
    Exists,
    /// `job_ended`
    #[error("the job is {0}, which is final; submit a new job instead")]
    Ended(&'static str),
    /// `job_cancelled`
    #[error("the job was cancelled; stop working on it")]
    Cancelled,
    /// `job_failed`
    #[error("the job has failed; retry it before anything else")]
    Failed,
    /// `lease_held`
    #[error("{worker} holds the job for another {remaining_ms} ms; ask again after that or take another job")]
    LeaseHeld {
        /// The holder.
        worker: String,
        /// How long its lease lasts from now.
        remaining_ms: i64,
    },
    /// `stale_fence`
    #[error("lease {given} does not hold the job, the newest lease is {current}; stop working on it or lease it anew")]
    StaleFence {
        /// The fence of the command.
        given: i64,
        /// The newest.
        current: i64,
    },
    /// `not_leased`
    #[error("no worker holds the job; lease it first")]
    NotLeased,
    /// `step_backwards`
    #[error("step {given} lies before step {last}, which was reported already; report growing steps")]
    StepBackwards {
        /// The step of the command.
        given: i64,
        /// The last.
        last: i64,
    },
    /// `checkpoint_not_newer`
    #[error("a checkpoint of step {last} exists; only one of a later step than {given} can replace it")]
    CheckpointNotNewer {
        /// The step of the command.
        given: i64,
        /// The last.
        last: i64,
    },
    /// `attempts_exhausted`
    #[error("all {max} attempts were made; submit a new job with more of them")]
    AttemptsExhausted {
        /// How many there were.
        max: i32,
    },
    /// `not_failed`
    #[error("the job has not failed; only a failed job can be retried")]
    NotFailed,
}

impl schemas::Refusal for Refusal {
    fn kind(&self) -> RefusalKind {
        match self {
            Self::Absent => RefusalKind::Absent,
            _ => RefusalKind::Conflict,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Absent => "job_absent",
            Self::Exists => "job_exists",
            Self::Ended(_) => "job_ended",
            Self::Cancelled => "job_cancelled",
            Self::Failed => "job_failed",
            Self::LeaseHeld { .. } => "lease_held",
            Self::StaleFence { .. } => "stale_fence",
            Self::NotLeased => "not_leased",
            Self::StepBackwards { .. } => "step_backwards",
            Self::CheckpointNotNewer { .. } => "checkpoint_not_newer",
            Self::AttemptsExhausted { .. } => "attempts_exhausted",
            Self::NotFailed => "not_failed",
        }
    }
}

impl Decider for Job {
    const NAME: &'static str = "job";
    const SOURCE: &'static [&'static str] = &[include_str!("job.rs")];
    type Command = JobCommand;
    type Event = JobEvent;
    type State = JobState;
    type Refusal = Refusal;

    fn id(command: &JobCommand) -> &str {
        command.aggregate_id()
    }

    fn evolve(job: &mut JobState, event: &JobEvent) {
        match event {
            JobEvent::JobSubmitted(e) => {
                *job = JobState { phase: Phase::Queued, max_attempts: e.max_attempts, ..JobState::default() };
            }
            JobEvent::JobLeased(e) => {
                job.phase = Phase::Leased;
                job.fence = e.fence;
                job.until = e.until;
                job.attempts = e.attempt;
                job.step = job.checkpoint.unwrap_or(0);
                job.worker = Some(e.worker.as_str().into());
            }
            JobEvent::LeaseRenewed(e) => job.until = e.until,
            JobEvent::JobProgressed(e) => job.step = e.step,
            JobEvent::CheckpointRecorded(e) => job.checkpoint = Some(e.step),
            JobEvent::LeaseLost(_) | JobEvent::JobRetried(_) => job.leave(Phase::Queued),
            JobEvent::JobFailed(_) => job.leave(Phase::Failed),
            JobEvent::JobCompleted(_) => job.leave(Phase::Completed),
            JobEvent::JobCancelled(_) => job.leave(Phase::Cancelled),
        }
    }

    fn decide(command: &Recorded<JobCommand>, job: &JobState) -> Result<Vec<JobEvent>, Refusal> {
        let now = command.envelope.recorded_at;
        let event: JobEvent = match &command.message {
            JobCommand::SubmitJob(c) => {
                if job.phase != Phase::Absent {
                    return Err(Refusal::Exists);
                }
                JobSubmitted {
                    job_id: c.job_id.clone(),
                    queue: c.queue.clone(),
                    kind: c.kind.clone(),
                    priority: c.priority,
                    config: c.config.clone(),
                    max_attempts: c.max_attempts.clamp(1, 1000),
                }
                .into()
            }
            JobCommand::LeaseJob(c) => return job.lease(&c.job_id, &c.worker, until(now, c.duration_ms), now),
            JobCommand::RenewLease(c) => {
                job.held_under(c.fence)?;
                LeaseRenewed { job_id: c.job_id.clone(), fence: c.fence, until: until(now, c.duration_ms) }.into()
            }
            JobCommand::ReportProgress(c) => {
                job.held_under(c.fence)?;
                if c.step < job.step {
                    return Err(Refusal::StepBackwards { given: c.step, last: job.step });
                }
                JobProgressed {
                    job_id: c.job_id.clone(),
                    fence: c.fence,
                    step: c.step,
                    total_steps: c.total_steps,
                    message: c.message.clone(),
                }
                .into()
            }
            JobCommand::RecordCheckpoint(c) => {
                job.held_under(c.fence)?;
                let last = job.checkpoint.unwrap_or(-1);
                if c.step <= last {
                    return Err(Refusal::CheckpointNotNewer { given: c.step, last });
                }
                CheckpointRecorded {
                    job_id: c.job_id.clone(),
                    fence: c.fence,
                    step: c.step,
                    uri: c.uri.clone(),
                    sha256: c.sha256.clone(),
                    size_bytes: c.size_bytes,
                }
                .into()
            }
            JobCommand::CompleteJob(c) => {
                job.held_under(c.fence)?;
                JobCompleted {
                    job_id: c.job_id.clone(),
                    fence: c.fence,
                    result: c.result.clone(),
                    result_uri: c.result_uri.clone(),
                }
                .into()
            }
            JobCommand::FailJob(c) => {
                job.held_under(c.fence)?;
                let failed = JobFailed { job_id: c.job_id.clone(), fence: c.fence, class: c.class, message: c.message.clone() };
                if c.class == FailureClass::Transient && job.has_attempts() {
                    let retried = JobRetried { job_id: c.job_id.clone(), attempt: job.attempts, reason: Some(c.message.clone()) };
                    return Ok(vec![failed.into(), retried.into()]);
                }
                failed.into()
            }
            JobCommand::RetryJob(c) => {
                job.not_ended()?;
                if job.phase != Phase::Failed {
                    return Err(Refusal::NotFailed);
                }
                if !job.has_attempts() {
                    return Err(Refusal::AttemptsExhausted { max: job.max_attempts });
                }
                JobRetried { job_id: c.job_id.clone(), attempt: job.attempts, reason: c.reason.clone() }.into()
            }
            JobCommand::CancelJob(c) => {
                job.not_ended()?;
                JobCancelled { job_id: c.job_id.clone(), reason: c.reason.clone() }.into()
            }
        };
        Ok(vec![event])
    }
}

impl JobState {
    fn lease(&self, job_id: &str, worker: &str, until: i64, now: i64) -> Result<Vec<JobEvent>, Refusal> {
        self.not_ended()?;
        let mut events = Vec::with_capacity(2);
        match (self.phase, &self.worker) {
            (Phase::Failed, _) => return Err(Refusal::Failed),
            (Phase::Leased, Some(holder)) if self.until > now => {
                let remaining_ms = self.until.saturating_sub(now).saturating_add(999) / 1000;
                return Err(Refusal::LeaseHeld { worker: holder.to_string(), remaining_ms });
            }
            (Phase::Leased, Some(holder)) => events.push(
                LeaseLost {
                    job_id: job_id.to_owned(),
                    fence: self.fence,
                    worker: holder.to_string(),
                    reason: LossReason::Expired,
                }
                .into(),
            ),
            _ => {}
        }
        events.push(if self.has_attempts() {
            JobLeased {
                job_id: job_id.to_owned(),
                worker: worker.to_owned(),
                fence: self.fence.saturating_add(1),
                attempt: self.attempts + 1,
                until,
            }
            .into()
        } else {
            JobFailed {
                job_id: job_id.to_owned(),
                fence: self.fence,
                class: FailureClass::Transient,
                message: "no attempt is left".to_owned(),
            }
            .into()
        });
        Ok(events)
    }

    /// Whether the lease `fence` may speak for the job.
    fn held_under(&self, fence: i64) -> Result<(), Refusal> {
        match self.phase {
            Phase::Absent => Err(Refusal::Absent),
            Phase::Cancelled => Err(Refusal::Cancelled),
            _ if fence != self.fence => Err(Refusal::StaleFence { given: fence, current: self.fence }),
            Phase::Leased => Ok(()),
            Phase::Completed => Err(Refusal::Ended("completed")),
            Phase::Queued | Phase::Failed => Err(Refusal::NotLeased),
        }
    }

    fn not_ended(&self) -> Result<(), Refusal> {
        match self.phase {
            Phase::Absent => Err(Refusal::Absent),
            Phase::Completed => Err(Refusal::Ended("completed")),
            Phase::Cancelled => Err(Refusal::Ended("cancelled")),
            Phase::Queued | Phase::Leased | Phase::Failed => Ok(()),
        }
    }

    fn has_attempts(&self) -> bool {
        self.attempts < self.max_attempts
    }

    fn leave(&mut self, phase: Phase) {
        self.phase = phase;
        self.worker = None;
    }
}

/// End of a lease that starts now; total for any number a client may send.
fn until(now: i64, duration_ms: i64) -> i64 {
    now.saturating_add(duration_ms.clamp(1_000, 3_600_000) * 1_000)
}

#[cfg(test)]
mod specs {
    use super::*;
    use schemas::{
        spec::DeciderSpec,
        work::{
            CancelJob, CompleteJob, FailJob, LeaseJob, Priority, RecordCheckpoint, RenewLease, ReportProgress, RetryJob,
            SubmitJob,
        },
    };

    const ID: &str = "7f8c2f0a-5f0e-4d9e-9a55-0a7d3b1c2d3e";
    const NOW: i64 = 1_800_000_000_000_000;
    const SECOND: i64 = 1_000_000;

    fn id() -> String {
        ID.to_owned()
    }
    fn given(events: impl IntoIterator<Item = JobEvent>) -> DeciderSpec<Job> {
        DeciderSpec::given(events).at(NOW)
    }

    fn submit() -> SubmitJob {
        let config = r#"{"depth":3}"#.to_owned();
        SubmitJob {
            job_id: id(),
            queue: "gpu".into(),
            kind: "train.wine".into(),
            priority: Priority::Urgent,
            config,
            max_attempts: 2,
        }
    }
    fn lease(worker: &str) -> LeaseJob {
        LeaseJob { job_id: id(), worker: worker.into(), duration_ms: 30_000 }
    }
    fn renew(fence: i64) -> RenewLease {
        RenewLease { job_id: id(), fence, duration_ms: 10_000 }
    }
    fn report(fence: i64, step: i64) -> ReportProgress {
        ReportProgress { job_id: id(), fence, step, total_steps: Some(100), message: None }
    }
    fn record(fence: i64, step: i64) -> RecordCheckpoint {
        RecordCheckpoint { job_id: id(), fence, step, uri: "blob:1".into(), sha256: "ab".into(), size_bytes: 9 }
    }
    fn complete(fence: i64) -> CompleteJob {
        CompleteJob { job_id: id(), fence, result: "{}".into(), result_uri: None }
    }
    fn fail(fence: i64, class: FailureClass) -> FailJob {
        FailJob { job_id: id(), fence, class, message: "disk full".into() }
    }
    fn retry() -> RetryJob {
        RetryJob { job_id: id(), reason: Some("disk is empty again".into()) }
    }
    fn cancel() -> CancelJob {
        CancelJob { job_id: id(), reason: None }
    }

    fn submitted() -> JobEvent {
        let SubmitJob { job_id, queue, kind, priority, config, max_attempts } = submit();
        JobSubmitted { job_id, queue, kind, priority, config, max_attempts }.into()
    }
    fn leased(worker: &str, fence: i64, attempt: i32, until: i64) -> JobEvent {
        JobLeased { job_id: id(), worker: worker.into(), fence, attempt, until }.into()
    }
    fn lost(fence: i64) -> JobEvent {
        LeaseLost { job_id: id(), fence, worker: "ada".into(), reason: LossReason::Expired }.into()
    }
    fn renewed(fence: i64, until: i64) -> JobEvent {
        LeaseRenewed { job_id: id(), fence, until }.into()
    }
    fn progressed(fence: i64, step: i64) -> JobEvent {
        JobProgressed { job_id: id(), fence, step, total_steps: Some(100), message: None }.into()
    }
    fn checkpointed(fence: i64, step: i64) -> JobEvent {
        CheckpointRecorded { job_id: id(), fence, step, uri: "blob:1".into(), sha256: "ab".into(), size_bytes: 9 }.into()
    }
    fn completed(fence: i64) -> JobEvent {
        JobCompleted { job_id: id(), fence, result: "{}".into(), result_uri: None }.into()
    }
    fn failed(fence: i64, class: FailureClass, message: &str) -> JobEvent {
        JobFailed { job_id: id(), fence, class, message: message.into() }.into()
    }
    fn retried(attempt: i32, reason: &str) -> JobEvent {
        JobRetried { job_id: id(), attempt, reason: Some(reason.into()) }.into()
    }
    fn cancelled() -> JobEvent {
        JobCancelled { job_id: id(), reason: None }.into()
    }

    /// Ada holds the job until ten seconds from now, under fence 1.
    fn held() -> [JobEvent; 2] {
        [submitted(), leased("ada", 1, 1, NOW + 10 * SECOND)]
    }
    /// Ada's lease ran out a second ago.
    fn expired() -> [JobEvent; 2] {
        [submitted(), leased("ada", 1, 1, NOW - SECOND)]
    }

    #[test]
    fn a_job_is_submitted_once() {
        given([]).when(submit()).then([submitted()]);
        given([submitted()]).when(submit()).then_refused(Refusal::Exists);
        given([submitted(), cancelled()]).when(submit()).then_refused(Refusal::Exists);
    }

    #[test]
    fn a_queued_job_is_leased_under_the_next_fence() {
        given([submitted()]).when(lease("ada")).then([leased("ada", 1, 1, NOW + 30 * SECOND)]);
    }

    #[test]
    fn a_held_job_is_not_leased_twice() {
        let held_by_ada = Refusal::LeaseHeld { worker: "ada".into(), remaining_ms: 10_000 };
        given(held()).when(lease("bob")).then_refused(held_by_ada);
    }

    #[test]
    fn an_expired_lease_is_lost_to_the_next_worker() {
        given(expired()).when(lease("bob")).then([lost(1), leased("bob", 2, 2, NOW + 30 * SECOND)]);
        let ends_now = [submitted(), leased("ada", 1, 1, NOW)];
        given(ends_now).when(lease("bob")).then([lost(1), leased("bob", 2, 2, NOW + 30 * SECOND)]);
    }

    #[test]
    fn an_expired_last_attempt_fails_the_job() {
        let past = [submitted(), leased("bob", 1, 1, 0), lost(1), leased("ada", 2, 2, NOW)];
        given(past).when(lease("cy")).then([lost(2), failed(2, FailureClass::Transient, "no attempt is left")]);
    }

    #[test]
    fn the_holder_renews_even_after_its_lease_ran_out() {
        given(held()).when(renew(1)).then([renewed(1, NOW + 10 * SECOND)]);
        given(expired()).when(renew(1)).then([renewed(1, NOW + 10 * SECOND)]);
    }

    #[test]
    fn a_stale_fence_is_refused_and_told_the_newest() {
        let past = || [submitted(), leased("ada", 1, 1, 0), lost(1), leased("bob", 2, 2, NOW + SECOND)];
        let stale = || Refusal::StaleFence { given: 1, current: 2 };
        given(past()).when(renew(1)).then_refused(stale());
        given(past()).when(report(1, 5)).then_refused(stale());
        given(past()).when(record(1, 5)).then_refused(stale());
        given(past()).when(complete(1)).then_refused(stale());
        given(past()).when(fail(1, FailureClass::Transient)).then_refused(stale());
    }

    #[test]
    fn progress_never_runs_backwards_under_one_lease() {
        given(held()).when(report(1, 5)).then([progressed(1, 5)]);
        let [a, b] = held();
        let past = [a, b, progressed(1, 5)];
        given(past.clone()).when(report(1, 5)).then([progressed(1, 5)]);
        given(past).when(report(1, 4)).then_refused(Refusal::StepBackwards { given: 4, last: 5 });
    }

    #[test]
    fn progress_starts_again_at_the_checkpoint_under_the_next_lease() {
        let [a, b] = expired();
        let past = [a, b, checkpointed(1, 3), progressed(1, 50), lost(1), leased("bob", 2, 2, NOW)];
        given(past.clone()).when(report(2, 4)).then([progressed(2, 4)]);
        given(past).when(report(2, 2)).then_refused(Refusal::StepBackwards { given: 2, last: 3 });
    }

    #[test]
    fn a_checkpoint_is_newer_than_the_last() {
        given(held()).when(record(1, 0)).then([checkpointed(1, 0)]);
        let [a, b] = held();
        let past = [a, b, checkpointed(1, 7)];
        given(past.clone()).when(record(1, 8)).then([checkpointed(1, 8)]);
        given(past).when(record(1, 7)).then_refused(Refusal::CheckpointNotNewer { given: 7, last: 7 });
    }

    #[test]
    fn a_completed_job_is_final() {
        given(held()).when(complete(1)).then([completed(1)]);
        let past = || [submitted(), leased("ada", 1, 1, NOW), completed(1)];
        given(past()).when(complete(1)).then_refused(Refusal::Ended("completed"));
        given(past()).when(lease("bob")).then_refused(Refusal::Ended("completed"));
        given(past()).when(cancel()).then_refused(Refusal::Ended("completed"));
        given(past()).when(retry()).then_refused(Refusal::Ended("completed"));
    }

    #[test]
    fn a_transient_failure_queues_the_job_again_while_attempts_are_left() {
        let fails = |attempt| fail(attempt, FailureClass::Transient);
        let failure = |fence| failed(fence, FailureClass::Transient, "disk full");
        given(held()).when(fails(1)).then([failure(1), retried(1, "disk full")]);
        let past = [submitted(), leased("ada", 1, 1, 0), lost(1), leased("bob", 2, 2, NOW)];
        given(past).when(fails(2)).then([failure(2)]);
    }

    #[test]
    fn a_permanent_failure_waits_for_somebody_to_retry_it() {
        given(held()).when(fail(1, FailureClass::Permanent)).then([failed(1, FailureClass::Permanent, "disk full")]);
        let [a, b] = held();
        let past = [a, b, failed(1, FailureClass::Permanent, "disk full")];
        given(past.clone()).when(lease("bob")).then_refused(Refusal::Failed);
        given(past.clone()).when(renew(1)).then_refused(Refusal::NotLeased);
        given(past).when(retry()).then([retried(1, "disk is empty again")]);
    }

    #[test]
    fn a_job_without_attempts_left_is_not_retried() {
        let last = [submitted(), leased("ada", 1, 1, 0), lost(1), leased("bob", 2, 2, NOW)];
        let past = last.into_iter().chain([failed(2, FailureClass::Permanent, "x")]);
        given(past).when(retry()).then_refused(Refusal::AttemptsExhausted { max: 2 });
        given([submitted()]).when(retry()).then_refused(Refusal::NotFailed);
    }

    #[test]
    fn anything_not_ended_is_cancelled_and_its_worker_learns_it() {
        given([submitted()]).when(cancel()).then([cancelled()]);
        given(held()).when(cancel()).then([cancelled()]);
        let [a, b] = held();
        let past = [a, b, cancelled()];
        given(past.clone()).when(renew(1)).then_refused(Refusal::Cancelled);
        given(past.clone()).when(lease("bob")).then_refused(Refusal::Ended("cancelled"));
        given(past).when(cancel()).then_refused(Refusal::Ended("cancelled"));
    }

    #[test]
    fn nothing_happens_to_a_job_that_nobody_submitted() {
        given([]).when(lease("ada")).then_refused(Refusal::Absent);
        given([]).when(complete(0)).then_refused(Refusal::Absent);
        given([]).when(retry()).then_refused(Refusal::Absent);
        given([]).when(cancel()).then_refused(Refusal::Absent);
    }

    #[test]
    fn a_queued_job_has_no_lease_that_could_speak() {
        given([submitted()]).when(complete(0)).then_refused(Refusal::NotLeased);
    }

    #[test]
    fn numbers_out_of_range_are_brought_into_it() {
        let greedy = LeaseJob { duration_ms: i64::MAX, ..lease("ada") };
        given([submitted()]).when(greedy).then([leased("ada", 1, 1, NOW + 3600 * SECOND)]);
        let spec = given([]).when(SubmitJob { max_attempts: -1, ..submit() });
        assert_eq!(spec.state.max_attempts, 1);
    }
}
