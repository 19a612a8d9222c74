//! What holds for any commands, cut into any batches.

use super::{
    Rig,
    commands::{NOW, Sent, cancel, complete, job, lease, retry, sent, submit},
    dump, total, unreadable,
};
use proptest::prelude::*;
use schemas::work::{FailJob, FailureClass, JobEvent};

/// Commands on few jobs, with few keys, so that they meet.
pub(super) fn commands() -> impl Strategy<Value = Vec<Sent>> {
    let one = (0..8_u8, 1..4_u128, 1..4_i64, 1..12_u128, 0..3_u8, -2..4_i64, 0..2_u8);
    let command = one.prop_map(|(what, number, fence, id, key, expected, body)| {
        let id_of_job = job(number);
        let command = match what {
            0 | 1 => submit(&id_of_job),
            2 | 3 => lease(&id_of_job),
            4 => complete(&id_of_job, fence),
            5 => FailJob { job_id: id_of_job, fence, class: FailureClass::Permanent, message: "m".into() }.into(),
            6 => retry(&id_of_job),
            _ => cancel(&id_of_job),
        };
        let sent = sent(id, &command);
        let sent = if key == 0 { sent.idempotent(body) } else { sent };
        if expected < 2 { sent } else { sent.expecting(expected - 1) }
    });
    prop::collection::vec(command, 0..40)
}

/// Cuts `commands` at the places that `cuts` names.
pub(super) fn split(commands: &[Sent], cuts: &[usize]) -> Vec<Vec<Sent>> {
    let mut batches = vec![Vec::new()];
    for (place, command) in commands.iter().enumerate() {
        if cuts.contains(&place) {
            batches.push(Vec::new());
        }
        batches.last_mut().unwrap().push(command.clone());
    }
    batches
}

/// Everything but identities and times, which the clock decides.
fn story(rig: &Rig) -> impl PartialEq + std::fmt::Debug + use<> {
    let events: Vec<(JobEvent, i64, i64, u128)> = rig
        .decoded_events()
        .into_iter()
        .zip(rig.event_envelopes())
        .map(|(event, envelope)| (event, envelope.seq, envelope.position, envelope.command_id.as_u128()))
        .collect();
    let answers: Vec<_> =
        rig.answers().into_iter().map(|a| (a.result, a.envelope.seq, a.envelope.command_id.as_u128())).collect();
    (events, answers)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn any_split_into_batches_tells_the_same_story(
        commands in commands(),
        cuts in prop::collection::vec(0..40_usize, 0..8),
        discarded in prop::collection::vec(any::<bool>(), 8),
    ) {
        let mut whole = Rig::new();
        whole.batch(&commands);
        let mut parts = Rig::new();
        for (batch, is_discarded) in split(&commands, &cuts).iter().zip(discarded.into_iter().chain(std::iter::repeat(false))) {
            if is_discarded {
                let taken = parts.taken(batch);
                parts.decide(&taken);
                parts.lane.discard();
            }
            parts.batch(batch);
        }
        prop_assert_eq!(story(&whole), story(&parts));
        prop_assert_eq!(whole.results.len(), commands.len());
    }

    #[test]
    fn a_recovered_lane_equals_the_live_one(
        commands in commands(),
        cuts in prop::collection::vec(0..40_usize, 0..8),
        tick in 0..60_000_000_i64,
    ) {
        let mut rig = Rig::new();
        for batch in split(&commands, &cuts) {
            rig.now += tick;
            rig.batch(&batch);
        }
        prop_assert_eq!(dump(&rig.lane), dump(&rig.recovered()));
    }

    #[test]
    fn the_committed_offset_is_the_one_after_the_last_command(
        commands in commands(),
        ends_unreadable in any::<bool>(),
    ) {
        let mut rig = Rig::new();
        let mut taken = rig.taken(&commands);
        if ends_unreadable {
            let mut last = unreadable();
            last.record.offset = 10_000;
            taken.push(last);
        }
        let batch = rig.decide(&taken);
        let next: Vec<u64> = batch.transaction.consumed.iter().map(|consumed| consumed.next).collect();
        let expected: Vec<u64> = taken.last().map(|taken| taken.record.offset + 1).into_iter().collect();
        prop_assert_eq!(next, expected);
        prop_assert_eq!(total(&batch.tally), taken.len() as u64);
        prop_assert!(batch.transaction.append.iter().all(|append| append.time >= NOW));
    }
}
