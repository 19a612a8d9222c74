//! Commands that the writer itself answers with a no.

use super::{
    Rig,
    commands::{Sent, cancel, job, lease, sent, submit},
    total, unreadable,
};
use crate::telemetry::Outcome;

/// Status, code and seq of the answer to a command on a job that stands at seq 2.
fn answer_to(command: Sent) -> (i32, Option<String>, i64) {
    let mut rig = Rig::new();
    rig.batch(&[sent(101, &submit(&job(1))), sent(102, &lease(&job(1)))]);
    let events = rig.events.len();
    rig.batch(&[command]);
    let answered = rig.last_answer();
    assert_eq!(answered.result.status < 300, rig.events.len() > events);
    (answered.result.status, answered.result.code, answered.envelope.seq)
}

#[test]
fn an_expected_seq_is_held_against_the_actual_one() {
    let mismatch = |seq| (412, Some("seq_mismatch".to_owned()), seq);
    let cancelled = (200, None, 3);
    assert_eq!(answer_to(sent(1, &cancel(&job(1))).expecting(2)), cancelled);
    assert_eq!(answer_to(sent(1, &cancel(&job(1))).expecting(-1)), cancelled);
    assert_eq!(answer_to(sent(1, &cancel(&job(1))).expecting(-2)), cancelled);
    assert_eq!(answer_to(sent(1, &cancel(&job(1))).expecting(1)), mismatch(2));
    assert_eq!(answer_to(sent(1, &cancel(&job(1))).expecting(0)), mismatch(2));
    assert_eq!(answer_to(sent(1, &submit(&job(2))).expecting(-1)), mismatch(0));
    assert_eq!(answer_to(sent(1, &submit(&job(2))).expecting(0)), (201, None, 1));
}

#[test]
fn a_mismatch_names_the_actual_seq() {
    let mut rig = Rig::new();
    rig.batch(&[sent(1, &submit(&job(1))), sent(2, &cancel(&job(1))).expecting(5)]);
    let detail = rig.last_answer().result.detail.unwrap();
    assert!(detail.contains("it is at seq 1"), "{detail}");
}

#[test]
fn a_command_that_cannot_be_decoded_is_answered() {
    let undecodable = |seq| (400, Some("undecodable".to_owned()), seq);
    let mut torn = sent(1, &cancel(&job(1)));
    torn.payload.truncate(9);
    assert_eq!(answer_to(torn), undecodable(2));
    assert_eq!(answer_to(sent(1, &cancel(&job(1))).with(|e| e.r#type = "work.DanceJob".into())), undecodable(0));
    assert_eq!(answer_to(sent(1, &cancel(&job(1))).with(|e| e.r#type = "work.JobCancelled".into())), undecodable(0));
    assert_eq!(answer_to(sent(1, &cancel(&job(1))).with(|e| e.aggregate_type = "study".into())), undecodable(0));
    assert_eq!(answer_to(sent(1, &cancel(&job(1))).with(|e| e.aggregate_id = job(2))), undecodable(0));
}

#[test]
fn a_command_under_a_foreign_key_is_answered_and_changes_nothing() {
    let mut rig = Rig::new();
    let mut taken = rig.taken(&[sent(1, &submit(&job(1)))]);
    taken[0].record.key = "default/job/other".into();
    let batch = rig.decide(&taken);
    rig.commit(&batch.transaction);
    assert_eq!(rig.statuses(), [400]);
    assert!(rig.events.is_empty());
}

#[test]
fn a_command_in_the_wrong_partition_is_answered_and_changes_nothing() {
    let mut rig = Rig::new();
    rig.lane.address.partitions = 64;
    let right: Vec<u128> = (0..500).filter(|n| schemas::partition(key(*n).as_bytes(), 64) == 0).collect();
    let wrong = (0..500).find(|n| !right.contains(n)).unwrap();
    rig.batch(&[sent(1, &submit(&job(right[0]))), sent(2, &submit(&job(wrong)))]);
    assert_eq!(rig.statuses(), [201, 400]);
}

fn key(number: u128) -> String {
    schemas::key("default", "job", &job(number))
}

#[test]
fn what_no_one_can_read_does_not_hold_up_the_others() {
    let mut rig = Rig::new();
    let mut taken = vec![unreadable()];
    taken.extend(rig.taken(&[sent(1, &submit(&job(1)))]));
    let last = unreadable();
    taken.push(crate::command::Taken { record: log::Record { offset: 900, ..last.record }, ..last });
    let batch = rig.decide(&taken);
    assert_eq!((batch.tally.of(Outcome::Unreadable), total(&batch.tally)), (2, 3));
    assert_eq!(batch.transaction.append.len(), 2, "an event and a result of the readable one");
    assert_eq!(batch.transaction.consumed[0].next, 901, "the unreadable one is consumed");
}
