//! The read models of this process: those in the slots that the group gives it.
//!
//! A slot is a partition of one topic; nothing is read from it. Every member finds the same read models in a slot, so
//! each read model is kept in one process, with all its partitions. When a slot is taken away its keepers end first.

use crate::{keeper::Keeper, meters::Meters, pulse::Pulse, runner::Context, tail::Tail, trouble::ProjectorError};
use futures::future::try_join_all;
use log::{Log, Share, Source};
use schemas::AnyProjection;
use service::Lifecycle;
use std::sync::Arc;
use stores::Store;
use tokio_util::sync::CancellationToken;

/// The consumer group among whose members the slots are shared out.
const GROUP: &str = "operational";
/// The topic whose partitions are the slots.
const SLOTS: &str = "work.events";

/// Runs those of `projections` that the group gives to this process until the lifecycle ends, or until the log fails for
/// good. Every member of the group must have the same `projections`.
pub async fn run(
    log: Arc<dyn Log>,
    store: Arc<dyn Store>,
    projections: &'static [&'static dyn AnyProjection],
    lifecycle: Lifecycle,
) -> Result<(), ProjectorError> {
    let tail = Arc::new(Tail::new(log.clone()));
    let slots = log.partitions() as usize;
    let share = Share { log: log.clone(), group: GROUP, topics: &[SLOTS], lifecycle: &lifecycle };
    let keep = |slot: Source, stop: CancellationToken| {
        let (places, at) = (0..projections.len(), slot.partition as usize);
        let inside = places.filter(|place| slot_of(*place, projections.len(), slots) == at);
        // Made here and now, so that whoever asks for the health hears of all of them.
        let keepers: Vec<Keeper> = inside
            .map(|place| {
                let projection = projections[place];
                let name = projection.name();
                Keeper::new(Context {
                    log: log.clone(),
                    store: store.clone(),
                    tail: tail.clone(),
                    projection,
                    meters: Meters::new(name),
                    pulse: Arc::new(Pulse::new(lifecycle.health(), name)),
                    stop: stop.clone(),
                })
            })
            .collect();
        async move { try_join_all(keepers.into_iter().map(Keeper::keep)).await.map(drop) }
    };
    Ok(share.run(keep).await?)
}

/// The slot of the read model at `place` among `models`. A member has neighbouring slots, so the read models lie evenly
/// apart.
fn slot_of(place: usize, models: usize, slots: usize) -> usize {
    place * slots / models.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many read models each member has.
    fn shares(models: usize, slots: usize, members: usize) -> Vec<usize> {
        // As the group shares partitions out: in ranges, the first ones longer by one.
        let start = |member: usize| member * (slots / members) + member.min(slots % members);
        let has = |member: usize| start(member)..start(member + 1);
        let of = |member| (0..models).filter(|place| has(member).contains(&slot_of(*place, models, slots))).count();
        (0..members).map(of).collect()
    }

    #[test]
    fn read_models_are_spread_over_the_members() {
        assert_eq!(shares(4, 8, 1), [4]);
        assert_eq!(shares(4, 8, 2), [2, 2]);
        assert_eq!(shares(4, 8, 4), [1, 1, 1, 1]);
        assert_eq!(shares(4, 3, 2), [3, 1]);
        assert_eq!(shares(10, 4, 2), [5, 5]);
    }

    #[test]
    fn every_read_model_is_in_one_slot() {
        for (models, slots) in [(1, 1), (4, 1), (4, 3), (4, 8), (9, 4), (5, 5)] {
            assert_eq!(shares(models, slots, slots).iter().sum::<usize>(), models, "{models} in {slots}");
        }
    }
}
