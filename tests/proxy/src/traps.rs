//! What waits for which frame, and what the test is told of it.

use crate::{
    frame::Head,
    pattern::{Direction, Pattern},
};
use parking_lot::Mutex;
use std::{sync::Arc, time::Duration};
use tokio::sync::watch;

/// What happens to a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// It arrives; the test is told that it came.
    Pass,
    /// It waits, and what follows it on its way waits behind it, until the trap is released or discarded. Either end may
    /// go meanwhile: the frame still arrives when it is released.
    Hold,
    /// It arrives so much later, and what follows it behind it.
    Delay(Duration),
    /// It never arrives, and nobody is told.
    Drop,
    /// It is lost with its connection.
    Cut,
    /// It arrives, and its connection is lost right after.
    PassAndCut,
    /// Half-open: it and whatever follows it in both directions is lost, and the connection stays.
    Silence,
}

/// Nothing came into the trap.
#[derive(Debug, thiserror::Error)]
#[error("no frame came into the trap within {bound:?}: {caught} of {expected} ({pattern:?})")]
pub struct NotCaught {
    bound: Duration,
    caught: usize,
    expected: usize,
    pattern: Pattern,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gate {
    Closed,
    Open,
    /// What was held is lost with its connection.
    Discarded,
}

/// What waits for frames; dropping it lets go of what it holds.
pub struct Trap {
    traps: Arc<Mutex<Vec<Set>>>,
    pattern: Pattern,
    number: u64,
    caught: watch::Receiver<usize>,
    gate: Arc<watch::Sender<Gate>>,
}

impl Trap {
    /// How many frames came into it.
    pub fn caught(&self) -> usize {
        *self.caught.borrow()
    }

    /// Waits until so many frames came into it.
    pub async fn has_caught(&self, expected: usize, bound: Duration) -> Result<(), NotCaught> {
        let mut caught = self.caught.clone();
        let waiting = tokio::time::timeout(bound, caught.wait_for(|caught| *caught >= expected)).await;
        match waiting {
            Ok(Ok(_)) => Ok(()),
            _ => Err(NotCaught { bound, caught: self.caught(), expected, pattern: self.pattern }),
        }
    }

    /// Lets what is held go on its way, and catches nothing more.
    pub fn release(self) {
        self.end(Gate::Open);
    }

    /// What is held is lost with its connection, and nothing more is caught.
    pub fn discard(self) {
        self.end(Gate::Discarded);
    }

    fn end(&self, gate: Gate) {
        self.traps.lock().retain(|set| set.number != self.number);
        self.gate.send_if_modified(|now| std::mem::replace(now, if *now == Gate::Closed { gate } else { *now }) == Gate::Closed);
    }
}

impl Drop for Trap {
    fn drop(&mut self) {
        self.end(Gate::Open);
    }
}

/// A trap as connections see it.
struct Set {
    number: u64,
    pattern: Pattern,
    act: Act,
    is_once: bool,
    caught: watch::Sender<usize>,
    gate: Arc<watch::Sender<Gate>>,
}

/// All traps of a proxy.
#[derive(Default)]
pub(crate) struct Traps {
    sets: Arc<Mutex<Vec<Set>>>,
    next: Mutex<u64>,
}

impl Traps {
    pub(crate) fn set(&self, pattern: Pattern, act: Act, is_once: bool) -> Trap {
        let (gate, caught) = (Arc::new(watch::Sender::new(Gate::Closed)), watch::Sender::new(0));
        let number = {
            let mut next = self.next.lock();
            *next += 1;
            *next
        };
        let trap = Trap { traps: self.sets.clone(), pattern, number, caught: caught.subscribe(), gate: gate.clone() };
        self.sets.lock().push(Set { number, pattern, act, is_once, caught, gate });
        trap
    }

    /// What happens to a frame, and the gate that opens when it may go on if it is held. The oldest trap comes first; one
    /// that was set for one frame has had it.
    pub(crate) fn catch(&self, direction: Direction, head: Option<Head>) -> Option<(Act, watch::Receiver<Gate>)> {
        let sets = self.sets.lock();
        let spent = |set: &Set| set.is_once && *set.caught.borrow() > 0;
        let set = sets.iter().find(|set| !spent(set) && set.pattern.matches(direction, head))?;
        set.caught.send_modify(|caught| *caught += 1);
        Some((set.act, set.gate.subscribe()))
    }
}
