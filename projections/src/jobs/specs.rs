#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use super::*;
use schemas::{
    spec::{History, ProjectionSpec},
    work::{
        CheckpointRecorded, FailureClass, JobCancelled, JobCompleted, JobFailed, JobLeased, JobProgressed, JobRetried, LeaseLost,
        LeaseRenewed, LossReason,
    },
};

const ID: &str = "11111111-1111-4111-8111-111111111111";

fn id() -> String {
    ID.to_owned()
}

fn submitted() -> JobSubmitted {
    JobSubmitted {
        job_id: id(),
        queue: "gpu".into(),
        kind: "train.wine".into(),
        priority: Priority::Urgent,
        config: r#"{"depth":3}"#.into(),
        max_attempts: 3,
    }
}

fn leased(fence: i64) -> JobLeased {
    JobLeased { job_id: id(), worker: format!("w{fence}"), fence, attempt: fence as i32, until: 1_000 * fence }
}

fn progressed(step: i64) -> JobProgressed {
    JobProgressed { job_id: id(), fence: 1, step, total_steps: Some(9), message: Some("epoch".into()) }
}

fn failed() -> JobFailed {
    JobFailed { job_id: id(), fence: 1, class: FailureClass::Transient, message: "out of memory".into() }
}

fn retried() -> JobRetried {
    JobRetried { job_id: id(), attempt: 1, reason: None }
}

fn completed() -> JobCompleted {
    JobCompleted { job_id: id(), fence: 1, result: r#"{"loss":0.1}"#.into(), result_uri: Some("blob:9".into()) }
}

fn cancelled() -> JobCancelled {
    JobCancelled { job_id: id(), reason: None }
}

/// The job after these events, none of which was set aside.
fn job(history: History) -> Job {
    let spec = ProjectionSpec::<Jobs>::given(history);
    assert_eq!(spec.parked(), []);
    spec.row(id()).unwrap()
}

fn start() -> History {
    History::new().by("ada").at(100).event(submitted())
}

#[test]
fn a_submitted_job_is_queued_and_remembers_who_wanted_it() {
    let job = job(start());
    assert_eq!((job.status, job.queue.as_str(), job.priority.as_str()), (Status::Queued, "gpu", "urgent"));
    assert_eq!((job.submitted_by.as_str(), job.submitted_at, job.updated_at), ("ada", Time(100), Time(100)));
    assert_eq!((job.attempts, job.max_attempts, job.fence, job.seq), (0, 3, 0, 1));
    assert_eq!((job.config, job.worker, job.ended_at), (Json(r#"{"depth":3}"#.into()), None, None));
}

#[test]
fn a_lease_names_its_holder_and_a_renewal_moves_its_end() {
    let renewed = LeaseRenewed { job_id: id(), fence: 1, until: 5_000 };
    let history = start().at(200).event(leased(1));
    let before = job(history.clone());
    assert_eq!((before.status, before.worker.as_deref(), before.fence, before.attempts), (Status::Leased, Some("w1"), 1, 1));
    assert_eq!((before.lease_until, before.updated_at, before.seq), (Some(Time(1_000)), Time(200), 2));
    assert_eq!(job(history.event(renewed)).lease_until, Some(Time(5_000)));
}

#[test]
fn a_report_makes_a_job_running_and_a_checkpoint_is_kept_when_the_lease_is_lost() {
    let checkpoint =
        CheckpointRecorded { job_id: id(), fence: 1, step: 4, uri: "blob:1".into(), sha256: "ab".into(), size_bytes: 7 };
    let history = start().event(leased(1)).event(progressed(5)).event(checkpoint);
    let running = job(history.clone());
    assert_eq!((running.status, running.step, running.total_steps), (Status::Running, Some(5), Some(9)));
    assert_eq!(running.message.as_deref(), Some("epoch"));
    let lost = LeaseLost { job_id: id(), fence: 1, worker: "w1".into(), reason: LossReason::Expired };
    let queued = job(history.event(lost));
    assert_eq!((queued.status, queued.worker, queued.lease_until), (Status::Queued, None, None));
    assert_eq!((queued.checkpoint_step, queued.checkpoint_size_bytes), (Some(4), Some(7)));
    assert_eq!((queued.checkpoint_uri.as_deref(), queued.checkpoint_sha256.as_deref()), (Some("blob:1"), Some("ab")));
}

#[test]
fn a_failure_ends_a_job_and_a_retry_right_after_it_queues_it_again() {
    let history = start().event(leased(1)).at(300).event(failed());
    let dead = job(history.clone());
    assert_eq!((dead.status, dead.error.as_deref(), dead.ended_at), (Status::Failed, Some("out of memory"), Some(Time(300))));
    let queued = job(history.event(retried()));
    assert_eq!((queued.status, queued.ended_at, queued.worker, queued.attempts), (Status::Queued, None, None, 1));
    assert_eq!(queued.error.as_deref(), Some("out of memory"), "why it is tried again stays readable");
}

#[test]
fn a_completed_job_keeps_its_result_and_forgets_the_failures_before_it() {
    let history = start().event(leased(1)).event(failed()).event(retried()).event(leased(2)).at(900).event(completed());
    let job = job(history);
    assert_eq!((job.status, job.ended_at, job.lease_until), (Status::Completed, Some(Time(900)), None));
    assert_eq!((job.result, job.result_uri.as_deref()), (Some(Json(r#"{"loss":0.1}"#.into())), Some("blob:9")));
    assert_eq!((job.error, job.worker.as_deref()), (None, Some("w2")));
}

#[test]
fn a_job_can_be_cancelled_while_it_waits_and_after_it_failed() {
    assert_eq!(job(start().event(cancelled())).status, Status::Cancelled);
    assert_eq!(job(start().event(leased(1)).event(failed()).event(cancelled())).status, Status::Cancelled);
}

#[test]
fn events_that_cannot_follow_are_set_aside_with_all_that_follow_them() {
    let unknown = ProjectionSpec::<Jobs>::given(History::new().event(leased(1)).event(submitted()));
    assert_eq!((unknown.rows(), unknown.parked().len()), (vec![], 2));
    for (ended, late) in [
        (start().event(submitted()), JobEvent::from(leased(1))),
        (start().event(cancelled()), leased(1).into()),
        (start().event(leased(1)).event(completed()), retried().into()),
        (start().event(leased(1)).event(failed()), progressed(6).into()),
    ] {
        let spec = ProjectionSpec::<Jobs>::given(ended.event(late));
        assert!(!spec.parked().is_empty(), "{:?}", spec.row(id()));
        assert_ne!(spec.row(id()).unwrap().status, Status::Running);
    }
}

#[test]
fn tenants_do_not_share_jobs() {
    let history = start().tenant("other").event(submitted()).event(leased(1));
    let spec = ProjectionSpec::<Jobs>::given(history);
    assert_eq!((spec.parked(), spec.row(id()).unwrap().status), (&[][..], Status::Queued));
    assert_eq!(spec.of_tenant("other").row(id()).unwrap().status, Status::Leased);
}
