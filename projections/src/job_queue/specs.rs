#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use super::*;
use schemas::{
    spec::{History, ProjectionSpec},
    work::{
        FailureClass, JobCancelled, JobCompleted, JobFailed, JobLeased, JobProgressed, JobRetried, JobSubmitted, LeaseLost,
        LeaseRenewed, LossReason,
    },
};

fn id() -> String {
    "11111111-1111-4111-8111-111111111111".to_owned()
}

fn start() -> History {
    History::new().at(100).event(JobSubmitted {
        job_id: id(),
        queue: "gpu".into(),
        kind: "train.wine".into(),
        priority: Priority::Critical,
        config: "{}".into(),
        max_attempts: 3,
    })
}

fn leased() -> JobLeased {
    JobLeased { job_id: id(), worker: "w".into(), fence: 1, attempt: 1, until: 5_000 }
}

fn failed() -> JobFailed {
    JobFailed { job_id: id(), fence: 1, class: FailureClass::Permanent, message: "no data".into() }
}

fn queued(history: History) -> Option<QueuedJob> {
    let spec = ProjectionSpec::<JobQueue>::given(history);
    assert_eq!(spec.parked(), []);
    spec.row(id())
}

#[test]
fn a_submitted_job_is_available_at_once() {
    let job = queued(start()).unwrap();
    assert_eq!((job.queue.as_str(), job.rank, job.submitted_at, job.available_at), ("gpu", 0, Time(100), Time(0)));
}

#[test]
fn priorities_rank_in_the_order_in_which_they_are_handed_out() {
    assert_eq!([Priority::Critical, Priority::Urgent, Priority::Normal].map(rank), [0, 1, 2]);
}

#[test]
fn a_leased_job_is_available_when_its_lease_ends_and_at_once_when_it_was_lost() {
    let history = start().event(leased());
    assert_eq!(queued(history.clone()).map(|job| (job.available_at, job.attempts)), Some((Time(5_000), 1)));
    let history = history.event(LeaseRenewed { job_id: id(), fence: 1, until: 9_000 }).event(JobProgressed {
        job_id: id(),
        fence: 1,
        step: 1,
        total_steps: None,
        message: None,
    });
    assert_eq!(queued(history.clone()).unwrap().available_at, Time(9_000));
    let lost = LeaseLost { job_id: id(), fence: 1, worker: "w".into(), reason: LossReason::Preempted };
    assert_eq!(queued(history.event(lost)).unwrap().available_at, Time(0));
}

#[test]
fn a_completed_or_cancelled_job_is_gone() {
    let completed = JobCompleted { job_id: id(), fence: 1, result: "{}".into(), result_uri: None };
    assert_eq!(queued(start().event(leased()).event(completed)), None);
    assert_eq!(queued(start().event(JobCancelled { job_id: id(), reason: None })), None);
}

#[test]
fn a_failed_job_stands_in_no_queue_until_a_retry_brings_it_back_to_its_own() {
    let history = start().event(leased()).event(failed());
    let out = queued(history.clone()).unwrap();
    assert_eq!((out.queue.as_str(), out.available_at), ("", NEVER));
    let back = queued(history.event(JobRetried { job_id: id(), attempt: 1, reason: None })).unwrap();
    assert_eq!((back.queue.as_str(), back.available_at, back.left_queue, back.rank), ("gpu", Time(0), None, 0));
    assert_eq!(back.submitted_at, Time(100), "it keeps its age");
}

#[test]
fn what_cannot_follow_is_set_aside() {
    for history in [
        History::new().event(leased()),
        start().event(leased()).event(failed()).event(leased()),
        start().event(JobCancelled { job_id: id(), reason: None }).event(leased()),
    ] {
        let spec = ProjectionSpec::<JobQueue>::given(history);
        assert_eq!(spec.parked().len(), 1, "{:?}", spec.rows());
    }
}
