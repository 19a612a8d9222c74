//! A step of a run: all tasks go on as far as they can, then one of the calls that wait is served.

use super::{
    commands::NOW,
    port::Request,
    schedule::Schedule,
    world::World,
    writers::{CLOCKS, Writer, set_clocks},
};
use rand::Rng;
use std::{fmt::Display, hash::Hash, time::Duration};
use tokio::time::{Instant, sleep};

/// Steps of a run, far more than any needs.
const LIMIT: u32 = 30_000;

impl Schedule {
    /// One call is served, when nobody can go on without an answer.
    pub(super) async fn step(&mut self) {
        self.steps += 1;
        assert!(self.steps < LIMIT, "the writers do not get done; they ask for {:?}", self.labels());
        // The clock of the runtime moves on only when every task waits.
        sleep(Duration::from_millis(self.idle)).await;
        self.set_clocks();
        self.reap().await;
        self.pending.append(&mut self.desk.lock());
        self.pending.sort_by(|one, other| one.label.cmp(&other.label));
        let World { storage, group, rng, met, .. } = &mut self.world;
        if let Some(name) = storage.is_open().filter(|_| rng.random_bool(0.1)) {
            storage.settle(&name, rng.random());
            met.note("settled late");
            return self.tell("settle", &name);
        }
        group.adopt(rng);
        if rng.random_bool(0.02) {
            group.tell_a_zombie();
        }
        let now = Instant::now();
        let is_ready = |request: &Request| {
            let waiting = request.waiting.as_ref();
            waiting.is_none_or(|w| w.until <= now || group.has_something(w.member, storage, &w.seeks))
        };
        let ready: Vec<usize> = (0..self.pending.len()).filter(|place| is_ready(&self.pending[*place])).collect();
        if ready.is_empty() {
            self.idle = (self.idle * 2).min(1_000);
            return;
        }
        self.idle = 1;
        let request = self.pending.remove(ready[self.world.rng.random_range(0..ready.len())]);
        self.tell("serve", format!("{:?}", request.label));
        (request.serve)(&mut self.world);
    }

    /// Looks for writers that ended: only those that were told to do.
    async fn reap(&mut self) {
        let (ended, living) = std::mem::take(&mut self.writers).into_iter().partition(Writer::has_ended);
        self.writers = living;
        let ended: Vec<Writer> = ended;
        for writer in ended {
            writer.outcome().await;
        }
    }

    pub(super) fn now(&self, clock: usize) -> i64 {
        let elapsed = i64::try_from(self.began.elapsed().as_micros()).expect("a run is short");
        NOW + elapsed + self.passed + self.jumps[clock]
    }

    fn set_clocks(&mut self) {
        let times: [i64; CLOCKS + 1] = std::array::from_fn(|clock| self.now(clock));
        self.latest = times.into_iter().fold(self.latest, i64::max);
        let [writers @ .., _] = times;
        set_clocks(writers);
    }

    pub(super) fn tell(&mut self, what: &str, of: impl Hash + Display) {
        (what, self.began.elapsed()).hash(&mut self.hasher);
        of.hash(&mut self.hasher);
        if self.is_told {
            println!("{:>5} {:>8?} {what} {of}", self.steps, self.began.elapsed());
        }
    }

    fn labels(&self) -> Vec<&(u32, String)> {
        self.pending.iter().map(|request| &request.label).collect()
    }
}
