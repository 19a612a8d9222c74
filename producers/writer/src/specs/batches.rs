//! What one batch does.

use super::{
    Rig, TIMELINE,
    commands::{NOW, cancel, complete, job, lease, sent, submit},
    dump,
};
use crate::telemetry::Outcome;
use schemas::{Stream, envelope::Envelope};
use uuid::Uuid;

#[test]
fn a_later_command_of_a_batch_sees_what_an_earlier_one_did() {
    let (mut rig, id) = (Rig::new(), job(1));
    rig.batch(&[sent(1, &submit(&id)), sent(2, &lease(&id)), sent(3, &complete(&id, 1)), sent(4, &cancel(&id))]);
    assert_eq!(rig.statuses(), [201, 200, 200, 409]);
    let seqs: Vec<i64> = rig.answers().iter().map(|answered| answered.envelope.seq).collect();
    assert_eq!(seqs, [1, 2, 3, 3]);
    let places: Vec<(i64, i64)> = rig.event_envelopes().iter().map(|event| (event.seq, event.position)).collect();
    assert_eq!(places, [(1, 1), (2, 2), (3, 3)]);
}

#[test]
fn a_refused_command_leaves_nothing_but_its_answer() {
    let (mut rig, id) = (Rig::new(), job(1));
    let tally = rig.batch(&[sent(1, &lease(&id))]);
    assert!(rig.events.is_empty() && rig.lane.tables.iter().all(|table| table.dump().is_empty()));
    let answered = rig.last_answer();
    assert_eq!((answered.result.status, answered.result.code.as_deref()), (404, Some("job_absent")));
    assert_eq!((answered.result.position, answered.envelope.seq), (0, 0));
    assert_eq!((tally.of(Outcome::Refused), tally.of(Outcome::Accepted)), (1, 0));
}

#[test]
fn every_command_has_its_events_then_its_result_in_order() {
    let (mut rig, id) = (Rig::new(), job(1));
    let taken = rig.taken(&[sent(1, &submit(&id)), sent(2, &submit(&id)), sent(3, &lease(&id))]);
    let batch = rig.decide(&taken);
    let streams: Vec<Stream> = batch.decided.appended.iter().map(|(_, stream)| *stream).collect();
    assert_eq!(streams, [Stream::Events, Stream::Results, Stream::Results, Stream::Events, Stream::Results]);
    let commands: Vec<u128> =
        batch.transaction.append.iter().map(|append| Envelope::decode(&append.envelope).unwrap().command_id.as_u128()).collect();
    assert_eq!(commands, [1, 1, 2, 3, 3]);
    let consumed: Vec<(&str, u64)> = batch.transaction.consumed.iter().map(|c| (&*c.source.topic, c.next)).collect();
    assert_eq!(consumed, [("work.commands", taken.last().unwrap().record.offset + 1)]);
}

#[test]
fn an_event_carries_what_its_command_said() {
    let (mut rig, id) = (Rig::new(), job(1));
    let command = sent(9, &submit(&id)).idempotent(3).expecting(0).with(|envelope| {
        envelope.correlation_id = Uuid::from_u128(77);
        envelope.tenant = "acme".into();
    });
    rig.batch(std::slice::from_ref(&command));
    let event = rig.event_envelopes().remove(0);
    let said = command.envelope;
    let expected = Envelope {
        id: event.id,
        seq: 1,
        position: 1,
        timeline: TIMELINE,
        r#type: "work.JobSubmitted".into(),
        schema_id: event.schema_id,
        causation_id: said.id,
        recorded_at: NOW,
        expected_seq: -2,
        ..said.clone()
    };
    assert_eq!(event, expected);
    assert_eq!(Some(event.schema_id), schemas::schema("work.JobSubmitted").map(|schema| schema.id.0 as i32));
    let answered = rig.last_answer();
    assert_eq!((answered.envelope.command_id, answered.envelope.idempotent), (said.command_id, true));
    assert_eq!(answered.envelope.body_hash, said.body_hash);
    assert_ne!(answered.envelope.id, event.id);
}

#[test]
fn time_never_runs_backwards_and_never_before_its_cause() {
    let (mut rig, id) = (Rig::new(), job(1));
    rig.now = NOW - 10;
    let late = sent(1, &submit(&id)).with(|envelope| envelope.recorded_at = NOW + 5);
    rig.batch(&[late, sent(2, &lease(&id))]);
    rig.now = NOW - 20;
    rig.batch(&[sent(3, &complete(&id, 1))]);
    let times: Vec<i64> = rig.event_envelopes().iter().map(|event| event.recorded_at).collect();
    assert_eq!(times, [NOW + 5; 3]);
    assert_eq!(rig.last_answer().envelope.recorded_at, NOW + 5);
}

#[test]
fn an_overlay_that_is_discarded_leaves_no_trace() {
    let (mut rig, id) = (Rig::new(), job(1));
    rig.batch(&[sent(1, &submit(&id)).idempotent(1)]);
    let before = dump(&rig.lane);
    let taken = rig.taken(&[sent(2, &lease(&id)).idempotent(2), sent(3, &submit(&job(2)))]);
    rig.decide(&taken);
    rig.lane.discard();
    assert_eq!(before, dump(&rig.lane));
    let again = rig.decide(&taken);
    assert_eq!(again.transaction.append.len(), 4, "the same commands are decided once more");
}

#[test]
fn an_answer_tells_the_position_to_wait_for() {
    let mut rig = Rig::new();
    rig.batch(&[sent(1, &submit(&job(1))), sent(2, &submit(&job(2))), sent(3, &submit(&job(2)))]);
    let positions: Vec<i64> = rig.answers().iter().map(|answered| answered.result.position).collect();
    assert_eq!(positions, [1, 2, 2]);
    assert_eq!(rig.answers()[0].result.events, ["work.JobSubmitted"]);
}
