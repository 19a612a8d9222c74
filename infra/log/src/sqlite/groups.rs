//! Consumer groups of this process: who has which partitions.
//!
//! The partitions of a topic are shared out in ranges among the members that consume it, in the order in which they
//! joined; members with the same topics so get the same partitions of each. A partition changes hands only when the
//! old holder was told, in [`Delivery::Revoked`](crate::Delivery), and has asked for what comes next, or has left. A
//! holder that does not ask for deliveries any more is not waited for beyond [`HANDOVER`]; epochs and positions keep it
//! from doing harm.

use super::partition::{Partition, Partitions};
use parking_lot::Mutex;
use std::{
    collections::{BTreeMap, HashMap},
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{sync::Notify, time::Instant};

/// How long a new holder waits for the old one to let go.
pub(super) const HANDOVER: Duration = Duration::from_secs(10);

/// The partitions of the topics that a member consumes.
pub(super) type Subscription = Vec<Partitions>;

/// All groups.
#[derive(Default)]
pub(super) struct Groups(Mutex<HashMap<String, Group>>);

/// A member's place in its group.
pub(super) struct Membership {
    pub group: String,
    pub id: u64,
    /// Wakes the member.
    pub wake: Arc<Notify>,
    /// Grows whenever the member should look at its group.
    pub generation: Arc<AtomicU64>,
}

/// What a member is told about its partitions.
pub(super) enum Change {
    Revoked(Vec<Arc<Partition>>),
    Assigned(Vec<Arc<Partition>>),
    /// Nothing now; at the instant, if there is one, a holder that keeps silent loses a partition to this member.
    None(Option<Instant>),
}

struct Group {
    members: BTreeMap<u64, Place>,
    /// Member that holds a partition, by the partition's number in the log.
    holders: HashMap<usize, u64>,
    generation: Arc<AtomicU64>,
    changed: Instant,
}

struct Place {
    subscription: Subscription,
    wake: Arc<Notify>,
}

impl Groups {
    /// Adds a member.
    pub(super) fn join(&self, name: &str, subscription: Subscription) -> Membership {
        let mut groups = self.0.lock();
        let group = groups.entry(name.to_owned()).or_insert_with(|| Group {
            members: BTreeMap::new(),
            holders: HashMap::new(),
            generation: Arc::new(AtomicU64::new(1)),
            changed: Instant::now(),
        });
        let id = group.members.last_key_value().map_or(0, |(last, _)| last + 1);
        let wake = Arc::new(Notify::new());
        group.members.insert(id, Place { subscription, wake: wake.clone() });
        group.changed = Instant::now();
        group.call();
        Membership { group: name.to_owned(), id, wake, generation: group.generation.clone() }
    }

    /// Removes a member; its partitions are free at once.
    pub(super) fn leave(&self, membership: &Membership) {
        let mut groups = self.0.lock();
        let Some(group) = groups.get_mut(&membership.group) else { return };
        group.members.remove(&membership.id);
        group.holders.retain(|_, holder| *holder != membership.id);
        group.changed = Instant::now();
        group.call();
        if group.members.is_empty() {
            groups.remove(&membership.group);
        }
    }

    /// Frees partitions that a member was told it loses.
    pub(super) fn let_go(&self, membership: &Membership, lost: &[Arc<Partition>]) {
        let mut groups = self.0.lock();
        let Some(group) = groups.get_mut(&membership.group) else { return };
        for partition in lost {
            // A holder that took too long has lost it already.
            group.holders.retain(|id, holder| *id != partition.id || *holder != membership.id);
        }
        group.call();
    }

    /// Compares what a member has with what it should have.
    pub(super) fn review<'a>(&self, membership: &Membership, owned: impl Iterator<Item = &'a Arc<Partition>>) -> Change {
        let mut groups = self.0.lock();
        match groups.get_mut(&membership.group) {
            Some(group) => group.review(membership.id, owned),
            None => Change::None(None),
        }
    }

    /// Wakes all members of all groups.
    pub(super) fn rouse(&self) {
        self.0.lock().values().for_each(Group::call);
    }
}

impl Group {
    fn call(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
        self.members.values().for_each(|member| member.wake.notify_one());
    }

    fn review<'a>(&mut self, id: u64, owned: impl Iterator<Item = &'a Arc<Partition>>) -> Change {
        let mut due: BTreeMap<usize, Arc<Partition>> =
            self.share_of(id).into_iter().map(|partition| (partition.id, partition)).collect();
        let mut revoked = Vec::new();
        for partition in owned {
            let held = self.holders.get(&partition.id) == Some(&id);
            if !held || !due.contains_key(&partition.id) {
                revoked.push(partition.clone());
            } else {
                due.remove(&partition.id);
            }
        }
        if !revoked.is_empty() {
            return Change::Revoked(revoked);
        }
        let patience = self.changed + HANDOVER;
        let over = Instant::now() >= patience;
        let (free, taken): (Vec<_>, Vec<_>) =
            due.into_values().partition(|partition| over || !self.holders.contains_key(&partition.id));
        if free.is_empty() {
            return Change::None((!taken.is_empty()).then_some(patience));
        }
        for partition in &free {
            self.holders.insert(partition.id, id);
        }
        Change::Assigned(free)
    }

    fn share_of(&self, id: u64) -> Vec<Arc<Partition>> {
        let Some(member) = self.members.get(&id) else { return Vec::new() };
        let mut share = Vec::new();
        for topic in &member.subscription {
            let consumes = |place: &&Place| place.subscription.iter().any(|other| Arc::ptr_eq(other, topic));
            let members = self.members.values().filter(consumes).count();
            let before = self.members.range(..id).map(|(_, place)| place).filter(consumes).count();
            share.extend_from_slice(&topic[range(topic.len(), members, before)]);
        }
        share
    }
}

/// The partitions of the member with so many `before` it: the first few get one more if it does not come out even.
fn range(partitions: usize, members: usize, before: usize) -> Range<usize> {
    let (each, over) = (partitions / members.max(1), partitions % members.max(1));
    let start = before * each + before.min(over);
    start..start + each + usize::from(before < over)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_share_every_partition_once() {
        for partitions in 1..20 {
            for members in 1..25 {
                let shared: Vec<usize> = (0..members).flat_map(|before| range(partitions, members, before)).collect();
                assert_eq!(shared, (0..partitions).collect::<Vec<_>>(), "{partitions} among {members}");
            }
        }
    }
}
