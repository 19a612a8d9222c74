//! What holds for a job whatever is sent to it, in whatever order, by whatever clock.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use proptest::prelude::*;
use schemas::{
    Decider, Recorded, Refusal as _,
    envelope::Envelope,
    work::{
        CancelJob, CompleteJob, FailJob, FailureClass, JobCommand, JobEvent, LeaseJob, Priority, RecordCheckpoint, RenewLease,
        ReportProgress, RetryJob, SubmitJob,
    },
};
use std::sync::Arc;
use swarmlog_work::{Job, JobState, Phase};
use uuid::Uuid;

fn envelope(recorded_at: i64) -> Arc<Envelope> {
    Arc::new(Envelope {
        id: Uuid::nil(),
        tenant: "default".into(),
        aggregate_type: "job".into(),
        aggregate_id: "j".into(),
        seq: 0,
        position: 0,
        timeline: Uuid::nil(),
        r#type: String::new(),
        schema_id: 0,
        command_id: Uuid::nil(),
        causation_id: Uuid::nil(),
        correlation_id: Uuid::nil(),
        traceparent: None,
        actor: "somebody".into(),
        occurred_at: None,
        recorded_at,
        expected_seq: -2,
        idempotent: false,
        body_hash: None,
    })
}

/// Small numbers, so that commands meet, and now and then an absurd one.
fn number() -> impl Strategy<Value = i64> {
    prop_oneof![9 => -1..6_i64, 1 => any::<i64>()]
}

fn command() -> impl Strategy<Value = JobCommand> {
    let job_id = || "j".to_owned();
    let worker = || prop_oneof![Just("ada".to_owned()), Just("bob".to_owned())];
    let class = || prop_oneof![4 => Just(FailureClass::Transient), 1 => Just(FailureClass::Permanent)];
    prop_oneof![
        2 => prop_oneof![4 => 1..5_i32, 1 => any::<i32>()].prop_map(move |max_attempts| SubmitJob {
            job_id: job_id(), queue: "q".into(), kind: "k".into(), priority: Priority::Normal, config: "{}".into(), max_attempts,
        }.into()),
        6 => (worker(), number()).prop_map(move |(worker, duration_ms)| LeaseJob { job_id: job_id(), worker, duration_ms }.into()),
        3 => (number(), number()).prop_map(move |(fence, duration_ms)| RenewLease { job_id: job_id(), fence, duration_ms }.into()),
        3 => (number(), number()).prop_map(move |(fence, step)| ReportProgress {
            job_id: job_id(), fence, step, total_steps: None, message: None,
        }.into()),
        3 => (number(), number()).prop_map(move |(fence, step)| RecordCheckpoint {
            job_id: job_id(), fence, step, uri: "u".into(), sha256: "s".into(), size_bytes: 1,
        }.into()),
        1 => number().prop_map(move |fence| CompleteJob { job_id: job_id(), fence, result: "{}".into(), result_uri: None }.into()),
        3 => (number(), class()).prop_map(move |(fence, class)| FailJob { job_id: job_id(), fence, class, message: "m".into() }.into()),
        2 => Just(RetryJob { job_id: job_id(), reason: None }.into()),
        1 => Just(CancelJob { job_id: job_id(), reason: None }.into()),
    ]
}

/// A clock that mostly runs on by up to three seconds, and sometimes is anything.
fn clock() -> impl Strategy<Value = i64> {
    prop_oneof![9 => 0..3_000_000_i64, 1 => any::<i64>()]
}

fn is_terminal(phase: Phase) -> bool {
    matches!(phase, Phase::Completed | Phase::Cancelled)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn the_invariants_of_a_job_hold(steps in prop::collection::vec((command(), clock()), 0..60)) {
        let mut job = JobState::default();
        let mut now = 1_800_000_000_000_000_i64;
        for (message, tick) in steps {
            now = now.saturating_add(tick);
            let before = job.clone();
            let decided = Job::decide(&Recorded { envelope: envelope(now), message: message.clone() }, &job);
            for event in decided.iter().flatten() {
                Job::evolve(&mut job, event);
            }
            match decided {
                Err(refusal) => prop_assert!(!refusal.code().is_empty() && !refusal.to_string().is_empty()),
                Ok(events) => {
                    prop_assert!(!events.is_empty());
                    if let Some(JobEvent::JobLeased(lease)) = events.last() {
                        prop_assert!(before.phase == Phase::Queued || before.until <= now, "two live leases");
                        prop_assert_eq!(lease.fence, before.fence + 1);
                        prop_assert_eq!(lease.attempt, before.attempts + 1);
                    }
                }
            }
            prop_assert!(job.fence >= before.fence, "the fence shrank");
            prop_assert!(job.attempts <= job.max_attempts, "more attempts than allowed");
            prop_assert!(job.checkpoint >= before.checkpoint, "a checkpoint went back");
            prop_assert_eq!(job.phase == Phase::Leased, job.worker.is_some());
            if is_terminal(before.phase) {
                prop_assert_eq!(&job, &before, "an ended job changed");
            }
            if before.phase == job.phase && before.fence == job.fence && job.phase == Phase::Leased {
                prop_assert!(job.step >= before.step, "progress went back under one lease");
            }
        }
    }

    #[test]
    fn any_order_of_events_is_taken_without_a_panic(steps in prop::collection::vec((command(), clock()), 0..40), order in any::<u64>()) {
        let mut job = JobState::default();
        let mut events: Vec<JobEvent> = Vec::new();
        for (message, now) in steps {
            if let Ok(more) = Job::decide(&Recorded { envelope: envelope(now), message }, &job) {
                more.iter().for_each(|event| Job::evolve(&mut job, event));
                events.extend(more);
            }
        }
        let len = events.len().max(1);
        events.rotate_left(order as usize % len);
        let mut jumbled = JobState::default();
        events.iter().for_each(|event| Job::evolve(&mut jumbled, event));
    }
}
