//! The real writers on a simulated log: a seed gives one schedule of clients, writers, faults and clocks, and the whole log is
//! checked after it.
//!
//! Writers run as they are, on one thread with a clock of its own; only the log's port is simulated. Their calls wait on a
//! desk, and whenever nobody can go on without an answer, the seed draws what happens next: one call is served, refused or
//! lost, a writer dies, a partition changes hands, a clock jumps. So a seed that fails fails again:
//! `SWARMLOG_SIM_SEED=7 cargo test -p swarmlog-writer --test simulation -- --nocapture` prints every step.
//! `SWARMLOG_SIM_SEEDS=100000` tries more of them than a build does.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod clients;
mod disturbances;
mod group;
mod oracle;
mod port;
mod schedule;
mod steps;
mod storage;
mod world;
mod writers;

#[path = "../support/commands.rs"]
#[allow(dead_code, unreachable_pub, reason = "shared with tests that need more of it")]
mod commands;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

/// How many seeds a build tries.
const SEEDS: u64 = 10_000;

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap_or_else(|_| panic!("{name} is not a number: {value}")))
}

#[test]
fn every_seed_keeps_what_the_writer_promises() {
    if let Some(seed) = setting("SWARMLOG_SIM_SEED") {
        let run = schedule::run(seed, true);
        println!("seed {seed}: {run:?}");
        return;
    }
    let (next, last) = (AtomicU64::new(0), setting("SWARMLOG_SIM_SEEDS").unwrap_or(SEEDS));
    let met: Vec<world::Met> = thread::scope(|scope| {
        let work = || {
            let mut met = world::Met::default();
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= last {
                    return met;
                }
                match catch_unwind(AssertUnwindSafe(|| schedule::run(seed, false))) {
                    Ok(run) => met.add(&run.met),
                    Err(panic) => {
                        next.store(last, Ordering::Relaxed);
                        println!("seed {seed} fails; SWARMLOG_SIM_SEED={seed} replays it alone");
                        std::panic::resume_unwind(panic);
                    }
                }
            }
        };
        let threads = thread::available_parallelism().map_or(2, usize::from);
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    });
    let met = met.iter().fold(world::Met::default(), |mut all, met| {
        all.add(met);
        all
    });
    println!("{last} seeds: {met:?}");
    if last >= 1000 {
        assert_eq!(met.never(), Vec::<&str>::new(), "what the seeds never met, they say nothing about");
    }
}

#[test]
fn a_seed_always_gives_the_same_run() {
    for seed in 0..50 {
        assert_eq!(schedule::run(seed, false), schedule::run(seed, false), "seed {seed}");
    }
}
