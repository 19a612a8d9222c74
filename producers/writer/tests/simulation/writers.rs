//! The writers of a run, each with a clock of its own, which jumps.

use super::port::{Desk, Port};
use service::Lifecycle;
use std::{cell::Cell, sync::Arc, time::Duration};
use swarmlog_writer::{Config, Deciders, WriterError};
use tokio::task::JoinHandle;

/// How many clocks there are.
pub(crate) const CLOCKS: usize = 3;

/// Keys are remembered so long.
pub(crate) const WINDOW: Duration = Duration::from_secs(300);

thread_local! {
    static CLOCK: [Cell<i64>; CLOCKS] = const { [Cell::new(0), Cell::new(0), Cell::new(0)] };
}

fn clock<const NUMBER: usize>() -> i64 {
    CLOCK.with(|clocks| clocks[NUMBER].get())
}

/// Sets the clocks, in microseconds.
pub(crate) fn set_clocks(times: [i64; CLOCKS]) {
    CLOCK.with(|clocks| clocks.iter().zip(times).for_each(|(clock, time)| clock.set(time)));
}

/// A writer that runs, until it is told to end or dies.
pub(crate) struct Writer {
    pub(crate) number: u32,
    lifecycle: Lifecycle,
    task: JoinHandle<Result<(), WriterError>>,
}

impl Writer {
    pub(crate) fn start(number: u32, partitions: u32, snapshot_after: u64, desk: &Desk) -> Self {
        let log = Arc::new(Port { writer: number, partitions, desk: desk.clone() });
        let clocks: [fn() -> i64; CLOCKS] = [clock::<0>, clock::<1>, clock::<2>];
        let config = Config {
            // Small, so that one run has many batches.
            max_batch_commands: 8,
            idempotency_window: WINDOW,
            snapshot_after,
            clock: clocks[number as usize % CLOCKS],
            ..Config::default()
        };
        let (lifecycle, deciders) = (Lifecycle::new(), Deciders::new().with::<work::Job>());
        let life = lifecycle.clone();
        let task = tokio::spawn(async move { swarmlog_writer::run(log, deciders, config, &life).await });
        Self { number, lifecycle, task }
    }

    /// Asks it to end, when it is done with what it has in hand.
    pub(crate) fn shut_down(&self) {
        self.lifecycle.shutdown().cancel();
    }

    pub(crate) fn is_leaving(&self) -> bool {
        self.lifecycle.shutdown().is_cancelled()
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.task.is_finished()
    }

    /// How it ended.
    pub(crate) async fn outcome(self) {
        let is_asked = self.is_leaving();
        let outcome = self.task.await.expect("a writer does not panic");
        assert!(outcome.is_ok() && is_asked, "writer {} stopped: {outcome:?}", self.number);
    }

    /// Ends it in the middle of whatever it does.
    pub(crate) async fn kill(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}
