//! Idempotency keys.

use super::{
    Rig,
    commands::{NOW, cancel, job, lease, sent, submit},
    dump,
};
use crate::telemetry::Outcome;

#[test]
fn a_repeat_in_a_later_batch_gets_the_first_answer_and_has_no_effect() {
    let (mut rig, id) = (Rig::new(), job(1));
    rig.batch(&[sent(1, &submit(&id)).idempotent(1)]);
    rig.batch(&[sent(2, &lease(&id)), sent(3, &submit(&job(2)))]);
    let tally = rig.batch(&[sent(1, &submit(&id)).idempotent(1)]);
    assert_eq!((tally.of(Outcome::Repeated), rig.events.len()), (1, 3));
    let answers = rig.answers();
    let (first, repeated) = (answers.first().unwrap(), answers.last().unwrap());
    assert_eq!(repeated.result, first.result);
    assert_eq!((repeated.envelope.seq, repeated.envelope.command_id), (1, first.envelope.command_id));
    assert_ne!(repeated.envelope.id, first.envelope.id);
}

#[test]
fn a_repeat_in_the_same_batch_gets_the_first_answer_and_has_no_effect() {
    let (mut rig, id) = (Rig::new(), job(1));
    rig.batch(&[sent(1, &submit(&id)).idempotent(1), sent(2, &lease(&id)), sent(1, &submit(&id)).idempotent(1)]);
    assert_eq!(rig.statuses(), [201, 200, 201]);
    assert_eq!(rig.events.len(), 2);
    let answers = rig.answers();
    assert_eq!((&answers[2].result, answers[2].envelope.seq), (&answers[0].result, 1));
}

#[test]
fn a_refusal_is_repeated_too() {
    let (mut rig, id) = (Rig::new(), job(1));
    rig.batch(&[sent(1, &lease(&id)).idempotent(1)]);
    rig.batch(&[sent(2, &submit(&id)), sent(1, &lease(&id)).idempotent(1)]);
    assert_eq!(rig.statuses(), [404, 201, 404]);
}

#[test]
fn a_key_with_another_body_is_refused_and_the_first_answer_stays() {
    let (mut rig, id) = (Rig::new(), job(1));
    let other = || sent(1, &submit(&id)).idempotent(2);
    rig.batch(&[sent(1, &submit(&id)).idempotent(1), other()]);
    rig.batch(&[other(), sent(1, &submit(&id)).idempotent(1)]);
    assert_eq!(rig.statuses(), [201, 422, 422, 201]);
    assert_eq!(rig.answers()[2].result.code.as_deref(), Some("idempotency_key_reused"));
    rig.lane = rig.recovered();
    rig.batch(&[sent(1, &submit(&id)).idempotent(1), other()]);
    assert_eq!(rig.statuses()[4..], [201, 422]);
}

#[test]
fn the_same_key_on_another_aggregate_is_another_command() {
    let mut rig = Rig::new();
    rig.batch(&[sent(1, &submit(&job(1))).idempotent(1), sent(1, &submit(&job(2))).idempotent(2)]);
    assert_eq!(rig.statuses(), [201, 201]);
}

#[test]
fn an_undecodable_command_may_be_sent_again_under_its_key() {
    let (mut rig, id) = (Rig::new(), job(1));
    let mut torn = sent(1, &submit(&id)).idempotent(1);
    torn.payload.truncate(7);
    rig.batch(&[torn]);
    rig.lane = rig.recovered();
    rig.batch(&[sent(1, &submit(&id)).idempotent(1)]);
    assert_eq!(rig.statuses(), [400, 201]);
}

#[test]
fn at_the_limit_new_keys_are_refused_and_old_ones_still_answered() {
    let mut rig = Rig::remembering(2);
    let keyed = |n: u128| sent(n, &submit(&job(n))).idempotent(1);
    let tally = rig.batch(&[keyed(1), keyed(2), keyed(3), sent(4, &submit(&job(4)))]);
    assert_eq!(rig.statuses(), [201, 201, 503, 201]);
    assert_eq!(rig.answers()[2].result.code.as_deref(), Some("idempotency_full"));
    assert_eq!(tally.of(Outcome::Full), 1);
    rig.batch(&[keyed(1), keyed(3)]);
    assert_eq!(rig.statuses()[4..], [201, 503]);
}

#[test]
fn keys_are_forgotten_after_their_window() {
    let mut rig = Rig::remembering(1);
    rig.batch(&[sent(1, &submit(&job(1))).idempotent(1)]);
    rig.now = NOW + 3_600_000_001;
    rig.batch(&[sent(2, &cancel(&job(1)))]);
    assert_eq!((rig.lane.keys.len(), rig.recovered().keys.len()), (0, 0));
    rig.batch(&[sent(3, &submit(&job(3))).idempotent(1), sent(1, &submit(&job(1))).idempotent(1)]);
    assert_eq!(rig.statuses()[2..], [201, 503], "the limit counts what is in the window");
}

#[test]
fn a_restored_log_without_results_still_deduplicates_from_its_events() {
    let (mut rig, id) = (Rig::new(), job(1));
    rig.batch(&[sent(9, &submit(&job(9))), sent(1, &submit(&id)).idempotent(1), sent(2, &lease(&id)).idempotent(2)]);
    let first = rig.answers();
    rig.results.clear();
    rig.lane = rig.recovered();
    rig.batch(&[sent(1, &submit(&id)).idempotent(1), sent(2, &lease(&id)).idempotent(2)]);
    assert_eq!(rig.events.len(), 3);
    let again = rig.answers();
    assert_eq!((&again[0].result, again[0].envelope.seq), (&first[1].result, 1));
    assert_eq!((&again[1].result, again[1].envelope.seq), (&first[2].result, 2));
}

#[test]
fn an_answer_that_the_log_lost_is_not_decided_anew() {
    let (mut rig, id) = (Rig::new(), job(1));
    rig.batch(&[sent(1, &lease(&id)).idempotent(1)]);
    rig.results.clear();
    rig.batch(&[sent(1, &lease(&id)).idempotent(1)]);
    let answered = rig.last_answer();
    assert_eq!((answered.result.status, answered.result.code.as_deref()), (409, Some("idempotency_answer_gone")));
}

#[test]
fn a_recovered_lane_repeats_what_the_lost_one_answered() {
    let (mut rig, id) = (Rig::new(), job(1));
    rig.batch(&[sent(1, &submit(&id)).idempotent(1), sent(2, &lease(&id)).idempotent(1), sent(3, &submit(&id)).idempotent(1)]);
    let first = rig.answers();
    rig.lane = rig.recovered();
    let before = dump(&rig.lane);
    rig.batch(&[sent(3, &submit(&id)).idempotent(1), sent(2, &lease(&id)).idempotent(1), sent(1, &submit(&id)).idempotent(1)]);
    let again: Vec<_> = rig.answers().drain(3..).rev().map(|answered| answered.result).collect();
    let first: Vec<_> = first.into_iter().map(|answered| answered.result).collect();
    assert_eq!(again, first);
    assert_eq!(rig.events.len(), 2);
    assert_ne!(before, dump(&rig.lane), "only the place in the results moved");
}
