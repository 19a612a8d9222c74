//! The consumer group of the simulated log.
//!
//! It gives partitions away in both ways that there are: after the old member has let go, and without telling it, as when its
//! session has expired; then the old member goes on as a zombie until it is told, or fenced.

use super::storage::Storage;
use log::{Delivery, Offset, Source};
use rand::{Rng, rngs::SmallRng, seq::IteratorRandom};
use std::collections::{BTreeMap, VecDeque};

#[derive(Default)]
struct Member {
    told: VecDeque<Delivery>,
    /// What is delivered to it, from where once it has said so.
    places: BTreeMap<u32, Option<Offset>>,
}

/// A partition that its owner was asked to let go of.
struct Handover {
    partition: u32,
    from: u64,
    to: u64,
    is_told: bool,
}

pub(crate) struct Group {
    members: BTreeMap<u64, Member>,
    owners: BTreeMap<u32, Option<u64>>,
    handovers: Vec<Handover>,
    /// Who has not heard yet that it lost what.
    zombies: Vec<(u64, u32)>,
    joined: u64,
}

pub(crate) fn commands(partition: u32) -> Source {
    Source { topic: "work.commands".into(), partition }
}

impl Group {
    pub(crate) fn new(partitions: u32) -> Self {
        let owners = (0..partitions).map(|partition| (partition, None)).collect();
        Self { members: BTreeMap::new(), owners, handovers: Vec::new(), zombies: Vec::new(), joined: 0 }
    }

    pub(crate) fn join(&mut self) -> u64 {
        self.joined += 1;
        let member = Member { told: [Delivery::Assigned(Vec::new())].into(), ..Member::default() };
        self.members.insert(self.joined, member);
        self.joined
    }

    pub(crate) fn leave(&mut self, id: u64) {
        self.members.remove(&id);
        let (ended, kept) = std::mem::take(&mut self.handovers).into_iter().partition(|handover| handover.from == id);
        self.handovers = kept;
        self.owners.values_mut().filter(|owner| **owner == Some(id)).for_each(|owner| *owner = None);
        let ended: Vec<Handover> = ended;
        ended.into_iter().for_each(|handover| self.assign(handover.partition, handover.to));
    }

    fn assign(&mut self, partition: u32, to: u64) {
        let member = self.members.get_mut(&to);
        self.owners.insert(partition, member.is_some().then_some(to));
        if let Some(member) = member {
            member.told.push_back(Delivery::Assigned(vec![commands(partition)]));
        }
    }

    /// Gives partitions that nobody has to somebody.
    pub(crate) fn adopt(&mut self, rng: &mut SmallRng) {
        let orphans: Vec<u32> =
            self.owners.iter().filter(|(_, owner)| owner.is_none()).map(|(partition, _)| *partition).collect();
        for partition in orphans {
            if let Some(to) = self.members.keys().copied().choose(rng) {
                self.assign(partition, to);
            }
        }
    }

    /// Gives a partition to any member, even the same; if `by_force`, the old one is not asked.
    pub(crate) fn give_away(&mut self, by_force: bool, rng: &mut SmallRng) {
        let partition = rng.random_range(0..self.owners.len() as u32);
        if let Some(to) = self.members.keys().copied().choose(rng) {
            self.give(partition, to, by_force);
        }
    }

    /// Gives all partitions to one member.
    pub(crate) fn give_all(&mut self, to: u64) {
        (0..self.owners.len() as u32).for_each(|partition| self.give(partition, to, false));
    }

    fn give(&mut self, partition: u32, to: u64, by_force: bool) {
        let Some(from) = self.owners.get(&partition).copied().flatten() else { return self.assign(partition, to) };
        if self.handovers.iter().any(|handover| handover.partition == partition) || (from == to && !by_force) {
            return;
        }
        if by_force {
            if from != to {
                self.zombies.push((from, partition));
            }
            self.assign(partition, to);
        } else {
            self.handovers.push(Handover { partition, from, to, is_told: false });
            if let Some(member) = self.members.get_mut(&from) {
                member.told.push_back(Delivery::Revoked(vec![commands(partition)]));
            }
        }
    }

    /// Tells a zombie what it lost, unless it got it back.
    pub(crate) fn tell_a_zombie(&mut self) {
        if let Some((id, partition)) = self.zombies.pop()
            && self.owners.get(&partition) != Some(&Some(id))
            && let Some(member) = self.members.get_mut(&id)
        {
            member.told.push_back(Delivery::Revoked(vec![commands(partition)]));
        }
    }

    /// Whether everything is where it belongs.
    pub(crate) fn is_settled(&self, owner: u64) -> bool {
        self.handovers.is_empty() && self.owners.values().all(|is| *is == Some(owner))
    }

    pub(crate) fn has_something(&self, id: u64, storage: &Storage, seeks: &[(Source, Offset)]) -> bool {
        let is_unread =
            |partition: u32, from: Offset| storage.all(&commands(partition)).last().is_some_and(|last| last.offset >= from);
        self.handovers.iter().any(|handover| handover.from == id && handover.is_told)
            || self.members.get(&id).is_some_and(|member| {
                !member.told.is_empty()
                    || seeks.iter().any(|(source, from)| is_unread(source.partition, *from))
                    || member.places.iter().any(|(partition, from)| from.is_some_and(|from| is_unread(*partition, from)))
            })
    }

    /// What comes next for a member; it has let go of what it was told to.
    pub(crate) fn next(&mut self, id: u64, storage: &Storage, max: usize, rng: &mut SmallRng) -> Delivery {
        let (ended, kept) = std::mem::take(&mut self.handovers).into_iter().partition(|h| h.from == id && h.is_told);
        self.handovers = kept;
        let ended: Vec<Handover> = ended;
        ended.into_iter().for_each(|handover| self.assign(handover.partition, handover.to));
        let Some(member) = self.members.get_mut(&id) else { return Delivery::Idle };
        if let Some(delivery) = member.told.pop_front() {
            match &delivery {
                Delivery::Assigned(sources) => member.places.extend(sources.iter().map(|source| (source.partition, None))),
                Delivery::Revoked(sources) => {
                    for source in sources {
                        member.places.remove(&source.partition);
                        let handover = self.handovers.iter_mut().find(|h| h.from == id && h.partition == source.partition);
                        handover.into_iter().for_each(|handover| handover.is_told = true);
                    }
                }
                Delivery::Records(..) | Delivery::Idle => {}
            }
            return delivery;
        }
        let max = rng.random_range(1..=max);
        let found = member.places.iter_mut().filter_map(|(partition, from)| {
            let records = storage.read(&commands(*partition), (*from)?, max);
            Some((from, commands(*partition), records)).filter(|(_, _, records)| !records.is_empty())
        });
        let Some((from, source, records)) = found.choose(rng) else { return Delivery::Idle };
        *from = records.last().map(|last| last.offset + 1);
        Delivery::Records(source, records)
    }

    pub(crate) fn seek(&mut self, id: u64, seeks: Vec<(Source, Offset)>) {
        let Some(member) = self.members.get_mut(&id) else { return };
        for (source, from) in seeks {
            if let Some(place) = member.places.get_mut(&source.partition) {
                *place = Some(from);
            }
        }
    }
}
