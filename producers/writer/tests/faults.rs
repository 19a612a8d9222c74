//! A log that fails in every way its port names: nothing is lost, nothing happens twice.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use log::{Log, Source};
use proptest::prelude::*;
use schemas::envelope::Envelope;
use service::Status;
use std::sync::Arc;
use support::{
    checker::check,
    commands::{Sent, cancel, complete, job, lease, sent, submit},
    host::{Host, answers, eventually, send},
    memory::{Fault, MemoryLog},
};
use swarmlog_writer::WriterError;

/// A life of each of the jobs `0..count`, in turns: four commands, the last refused.
fn lives(count: u128) -> Vec<Sent> {
    let of = |step: u128, number: u128| {
        let id = job(number);
        let command = match step {
            0 => submit(&id),
            1 => lease(&id),
            2 => complete(&id, 1),
            _ => cancel(&id),
        };
        sent(step * count + number + 1, &command)
    };
    (0..4).flat_map(|step| (0..count).map(move |number| of(step, number))).collect()
}

async fn survives(faults: &[Fault]) {
    let log = MemoryLog::new(2);
    log.fail(faults.iter().copied());
    let host = Host::start(Arc::new(log.clone()));
    // One after the other, so that there are at least as many commits as faults.
    let mut count = 0;
    for life in lives(4).chunks(2) {
        send(&log, life).await;
        count += life.len();
        answers(&log, count).await;
    }
    let checked = check(&log).await;
    assert_eq!(log.faults_left(), 0, "every fault was met");
    assert_eq!(checked.statuses(1..=4), [201; 4]);
    assert_eq!(checked.statuses(5..=12), [200; 8]);
    assert_eq!(checked.statuses(13..=16), [409; 4]);
    host.stop().await.unwrap();
}

#[tokio::test]
async fn a_batch_that_was_not_committed_is_decided_anew() {
    survives(&[Fault::Transient, Fault::Transient, Fault::Transient]).await;
}

#[tokio::test]
async fn a_batch_whose_answer_was_lost_is_not_decided_again() {
    survives(&[Fault::LostAnswer, Fault::LostAnswer]).await;
}

#[tokio::test]
async fn a_batch_whose_request_was_lost_is_decided_again() {
    survives(&[Fault::LostRequest, Fault::LostRequest]).await;
}

#[tokio::test]
async fn a_fenced_lane_joins_anew_and_goes_on() {
    survives(&[Fault::Fenced]).await;
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn no_row_of_faults_loses_or_doubles_a_command(
        faults in prop::collection::vec(prop_oneof![Just(Fault::Transient), Just(Fault::LostAnswer), Just(Fault::LostRequest)], 0..6),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(survives(&faults));
    }
}

#[tokio::test]
async fn an_unknown_outcome_takes_a_new_epoch() {
    let log = MemoryLog::new(1);
    log.fail([Fault::LostAnswer]);
    let host = Host::start(Arc::new(log.clone()));
    send(&log, &[sent(1, &submit(&job(1)))]).await;
    answers(&log, 1).await;
    send(&log, &[sent(2, &lease(&job(1)))]).await;
    answers(&log, 2).await;
    assert_eq!((log.epoch("writer-0"), log.commits()), (2, 2));
    host.stop().await.unwrap();
}

#[tokio::test]
async fn reads_that_fail_only_delay_a_recovery() {
    let log = MemoryLog::new(1);
    let host = Host::start(Arc::new(log.clone()));
    send(&log, &lives(5)).await;
    answers(&log, 20).await;
    host.stop().await.unwrap();
    log.fail_reads(4);
    let host = Host::start(Arc::new(log.clone()));
    host.ready().await;
    send(&log, &[sent(99, &cancel(&job(1)))]).await;
    assert_eq!(answers(&log, 21).await.statuses([99]), [409]);
    host.stop().await.unwrap();
}

#[tokio::test]
async fn of_two_writers_that_own_the_same_lane_only_the_newer_commits() {
    let log = MemoryLog::new(2);
    let old = Host::start(Arc::new(log.clone()));
    old.ready().await;
    send(&log, &lives(8)[..8]).await;
    answers(&log, 8).await;
    // This log's groups give every partition to everybody, so the first writer becomes a zombie.
    let new = Host::start(Arc::new(log.clone()));
    new.ready().await;
    send(&log, &lives(8)[8..16]).await;
    let fenced = eventually("the old writer notices", async || match old.status() {
        Status::Failing(why) => Some(why),
        _ => None,
    });
    assert!(fenced.await.contains("was fenced"));
    old.stop().await.unwrap();
    send(&log, &lives(8)[16..]).await;
    let checked = answers(&log, 32).await;
    assert_eq!(checked.statuses(9..=24), [200; 16]);
    new.stop().await.unwrap();
}

#[tokio::test]
async fn a_hole_in_the_events_stops_the_writer_and_is_named() {
    let log = MemoryLog::new(1);
    let host = Host::start(Arc::new(log.clone()));
    send(&log, &lives(3)).await;
    answers(&log, 12).await;
    host.stop().await.unwrap();
    log.tamper("work.events", 0, |events| drop(events.remove(4)));
    let error = Host::start(Arc::new(log.clone())).ended().await.unwrap_err();
    assert!(matches!(&error, WriterError::Damaged { .. }), "{error}");
    assert!(error.to_string().contains("position 6 follows position 4"), "{error}");
}

#[tokio::test]
async fn a_doubled_event_stops_the_writer() {
    let log = MemoryLog::new(1);
    let host = Host::start(Arc::new(log.clone()));
    send(&log, &lives(3)).await;
    answers(&log, 12).await;
    host.stop().await.unwrap();
    log.tamper("work.events", 0, |events| {
        let mut double = events[2].clone();
        // With a position that follows, so that only its seq gives it away.
        let mut envelope = Envelope::decode(&double.envelope).unwrap();
        envelope.position = events.len() as i64 + 1;
        let mut bytes = Vec::new();
        envelope.encode(&mut bytes).unwrap();
        double.envelope = bytes.into();
        double.offset = 1000;
        events.push(double);
    });
    let error = Host::start(Arc::new(log.clone())).ended().await.unwrap_err();
    assert!(error.to_string().contains("follows seq"), "{error}");
}

#[tokio::test]
async fn without_a_committed_offset_the_writer_goes_on_after_the_last_answer() {
    let log = MemoryLog::new(1);
    let host = Host::start(Arc::new(log.clone()));
    let keyed = || sent(1, &submit(&job(1))).idempotent(1);
    send(&log, &[keyed(), sent(2, &submit(&job(2))), keyed()]).await;
    answers(&log, 3).await;
    host.stop().await.unwrap();
    log.forget_committed();
    // Another repeat of the command that was answered last, and one that is new.
    send(&log, &[keyed(), sent(3, &submit(&job(3)))]).await;
    let host = Host::start(Arc::new(log.clone()));
    let checked = answers(&log, 5).await;
    assert_eq!(checked.statuses([2, 3]), [201, 201]);
    host.stop().await.unwrap();
    let source = Source { topic: "work.commands".into(), partition: 0 };
    assert_eq!(log.committed("writer", &source).await.unwrap(), Some(5));
}

#[tokio::test]
async fn commands_that_were_sent_before_the_first_start_are_decided() {
    let log = MemoryLog::new(3);
    send(&log, &lives(6)).await;
    let host = Host::start(Arc::new(log.clone()));
    let checked = answers(&log, 24).await;
    assert_eq!(checked.jobs.len(), 6);
    host.stop().await.unwrap();
}

#[tokio::test]
async fn a_shutdown_answers_what_was_sent_before_it() {
    let log = MemoryLog::new(2);
    let host = Host::start(Arc::new(log.clone()));
    host.ready().await;
    send(&log, &lives(500)).await;
    host.stop().await.unwrap();
    assert_eq!(check(&log).await.answers, 2000);
}
