//! What the writers of a run share, and what can become of their calls.

use super::{group::Group, storage::Storage};
use log::{LogError, Offset, Transaction};
use rand::{Rng, rngs::SmallRng};
use std::collections::BTreeMap;

/// How often what happened.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Met(BTreeMap<&'static str, u64>);

/// What every so many seeds must have met.
const ALL: &[&str] = &[
    "committed",
    "not committed",
    "fenced",
    "answer lost",
    "request lost",
    "left open",
    "settled late",
    "silent",
    "killed",
    "shut down",
    "given away",
    "taken by force",
    "clock jumps",
    "compacted",
    "damaged",
    "offsets forgotten",
    "repeated",
    "accepted",
    "refused",
    "mismatched",
    "key reused",
    "undecodable",
    "unreadable",
];

impl Met {
    pub(crate) fn note(&mut self, what: &'static str) {
        *self.0.entry(what).or_default() += 1;
    }

    pub(crate) fn add(&mut self, other: &Self) {
        other.0.iter().for_each(|(what, count)| *self.0.entry(what).or_default() += count);
    }

    /// What was not met.
    pub(crate) fn never(&self) -> Vec<&'static str> {
        ALL.iter().filter(|what| !self.0.contains_key(*what)).copied().collect()
    }
}

/// Everything that writers share.
pub(crate) struct World {
    pub(crate) rng: SmallRng,
    pub(crate) storage: Storage,
    pub(crate) group: Group,
    /// The newest membership of each writer.
    pub(crate) members: BTreeMap<u32, u64>,
    /// The most records of a read.
    pub(crate) page: usize,
    pub(crate) met: Met,
    /// How likely a call fails.
    pub(crate) faults: f64,
}

impl World {
    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        self.rng.random_bool(probability)
    }

    /// Nothing was done, and the caller is told so.
    pub(crate) fn fault(&mut self) -> Option<LogError> {
        self.chance(self.faults).then(|| LogError::Transient("a fault was drawn".to_owned()))
    }

    /// It was done, but the caller is not told.
    pub(crate) fn lost(&mut self, what: &str) -> Option<LogError> {
        self.chance(self.faults / 4.0).then(|| LogError::Ambiguous(format!("the answer was lost: {what}")))
    }

    /// A commit, and what its writer hears of it, if anything.
    pub(crate) fn commit(&mut self, name: &str, epoch: u64, transaction: Transaction) -> Option<Result<Vec<Offset>, LogError>> {
        let unknown = |_| LogError::Ambiguous("nobody knows".to_owned());
        let fate = if self.chance(2.0 * self.faults) { self.rng.random_range(1..7) } else { 0 };
        let outcome = match fate {
            0 => self.storage.commit(name, epoch, transaction),
            1 | 2 => Err(LogError::Transient("a fault was drawn".to_owned())),
            3 => self.storage.commit(name, epoch, transaction).and_then(|offsets| Err(unknown(offsets))),
            4 => Err(unknown(Vec::new())),
            _ => self.storage.leave_open(name, epoch, transaction).and_then(|()| Err(unknown(Vec::new()))),
        };
        self.met.note(match (&outcome, fate) {
            (Err(LogError::Fenced { .. }), _) => "fenced",
            (_, 0) => "committed",
            (_, 1 | 2) => "not committed",
            (_, 3) => "answer lost",
            (_, 4) => "request lost",
            _ => "left open",
        });
        // Its writer hears nothing until its patience ends.
        if fate > 2 && self.chance(0.2) {
            self.met.note("silent");
            return None;
        }
        Some(outcome)
    }
}
