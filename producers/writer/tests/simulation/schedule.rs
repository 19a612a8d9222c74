//! The schedule that a seed draws: turmoil, then calm until every command is answered, then a probe of every writer.

use super::{
    clients::{Clients, is_rubbish},
    group::Group,
    oracle,
    port::{Desk, Request},
    storage::Storage,
    world::{Met, World},
    writers::{CLOCKS, Writer},
};
use log::Source;
use rand::{Rng, SeedableRng, rngs::SmallRng};
use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hasher},
};
use tokio::time::Instant;

/// What became of a run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Run {
    steps: u32,
    /// Over all steps.
    hash: u64,
    pub(crate) met: Met,
}

pub(crate) struct Schedule {
    pub(super) world: World,
    pub(super) desk: Desk,
    pub(super) pending: Vec<Request>,
    pub(super) writers: Vec<Writer>,
    started: u32,
    clients: Clients,
    pub(super) partitions: u32,
    snapshot_after: u64,
    /// What each clock is ahead, in microseconds; the last is the clients'.
    pub(super) jumps: [i64; CLOCKS + 1],
    pub(super) latest: i64,
    /// What the schedule let pass in one go, in microseconds.
    pub(super) passed: i64,
    pub(super) began: Instant,
    pub(super) steps: u32,
    pub(super) idle: u64,
    pub(super) hasher: DefaultHasher,
    pub(super) is_told: bool,
}

/// Runs a seed and checks what the log holds in the end; tells every step if `is_told`.
pub(crate) fn run(seed: u64, is_told: bool) -> Run {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(async {
        let mut rng = SmallRng::seed_from_u64(seed);
        let (partitions, faults) = (rng.random_range(1..=2), [0.0, 0.02, 0.1, 0.2][rng.random_range(0..4)]);
        let (snapshot_after, page) = ([3, 12, 1_000][rng.random_range(0..3)], [3, 10, 1_000][rng.random_range(0..3)]);
        let (storage, group) = (Storage::default(), Group::new(partitions));
        let world = World { rng, storage, group, members: BTreeMap::new(), page, met: Met::default(), faults };
        let mut schedule = Schedule {
            world,
            desk: Desk::default(),
            pending: Vec::new(),
            writers: Vec::new(),
            started: 0,
            clients: Clients::default(),
            partitions,
            snapshot_after,
            jumps: [0; CLOCKS + 1],
            latest: 0,
            passed: 0,
            began: Instant::now(),
            steps: 0,
            idle: 1,
            hasher: DefaultHasher::new(),
            is_told,
        };
        schedule.turmoil().await;
        schedule.calm().await;
        schedule.end().await;
        let Schedule { world: World { storage, mut met, .. }, partitions, latest, steps, hasher, .. } = schedule;
        (0..partitions).for_each(|partition| oracle::check(&storage, partition, partitions, latest, &mut met));
        Run { steps, hash: hasher.finish(), met }
    })
}

impl Schedule {
    async fn turmoil(&mut self) {
        let mut left = self.world.rng.random_range(20..70);
        let (sending, chaos) = (self.world.rng.random_range(0.02..0.25), [0.0, 0.03, 0.1][self.world.rng.random_range(0..3)]);
        self.start();
        while left > 0 {
            if self.world.chance(sending) {
                let count = self.world.rng.random_range(1..=6.min(left));
                left -= count;
                self.passed += self.world.rng.random_range(0..20_000_000);
                let now = self.now(CLOCKS);
                let World { storage, rng, .. } = &mut self.world;
                let records = (0..count).map(|_| self.clients.next(storage, self.partitions, now, rng)).collect();
                storage.append(records);
                self.tell("clients", count);
            }
            if self.world.chance(chaos) {
                self.disturb().await;
            }
            self.step().await;
        }
    }

    /// No further faults; ends once every command is answered, by every writer in turn.
    async fn calm(&mut self) {
        self.world.faults = 0.0;
        if self.writers.iter().all(Writer::is_leaving) {
            self.start();
        }
        self.answered().await;
        let living: Vec<u32> = self.writers.iter().filter(|writer| !writer.is_leaving()).map(|writer| writer.number).collect();
        for writer in living {
            self.tell("probe", writer);
            loop {
                if let Some(member) = self.world.members.get(&writer).copied() {
                    if self.world.group.is_settled(member) {
                        break;
                    }
                    self.world.group.give_all(member);
                }
                self.step().await;
            }
            let now = self.now(CLOCKS);
            let probes = self.clients.probes(self.partitions, now, &mut self.world.rng);
            self.world.storage.append(probes);
            self.answered().await;
        }
    }

    async fn end(&mut self) {
        self.writers.iter().for_each(Writer::shut_down);
        while !self.writers.is_empty() {
            self.step().await;
        }
    }

    /// Waits until all that was sent is answered.
    async fn answered(&mut self) {
        loop {
            let count = |topic: &str, partition| {
                let records = self.world.storage.all(&Source { topic: topic.into(), partition });
                records.iter().filter(|record| !is_rubbish(record)).count()
            };
            if (0..self.partitions).all(|partition| count("work.results", partition) >= count("work.commands", partition)) {
                return;
            }
            self.step().await;
        }
    }

    pub(super) fn start(&mut self) {
        self.tell("start", self.started);
        self.writers.push(Writer::start(self.started, self.partitions, self.snapshot_after, &self.desk));
        self.started += 1;
    }
}
