//! What the writer measures.

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
use std::time::Duration;

/// What became of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was decided, with or without events.
    Accepted,
    /// The decider said no.
    Refused,
    /// The aggregate was not at the expected seq.
    Mismatched,
    /// It repeated the answer to an idempotency key.
    Repeated,
    /// Its idempotency key came with another body before.
    Reused,
    /// Its idempotency key cannot be remembered.
    Full,
    /// It was answered, but cannot be decided.
    Undecodable,
    /// Its envelope cannot be read, so nobody can be answered.
    Unreadable,
}

const OUTCOMES: [(Outcome, &str); 8] = [
    (Outcome::Accepted, "accepted"),
    (Outcome::Refused, "refused"),
    (Outcome::Mismatched, "mismatched"),
    (Outcome::Repeated, "repeated"),
    (Outcome::Reused, "reused"),
    (Outcome::Full, "full"),
    (Outcome::Undecodable, "undecodable"),
    (Outcome::Unreadable, "unreadable"),
];

/// The outcomes of a batch.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally([u64; OUTCOMES.len()]);

impl Tally {
    pub(crate) fn count(&mut self, outcome: Outcome) {
        if let Some(count) = self.0.get_mut(outcome as usize) {
            *count += 1;
        }
    }

    #[cfg(test)]
    pub(crate) fn of(&self, outcome: Outcome) -> u64 {
        self.0.get(outcome as usize).copied().unwrap_or(0)
    }
}

/// The meters of a lane, looked up once.
pub(crate) struct Meters {
    outcomes: Vec<Counter>,
    batch: Histogram,
    commit: Histogram,
    recovery: Histogram,
    keys: Gauge,
    retries: Counter,
    fenced: Counter,
}

impl Meters {
    pub(crate) fn new(partition: u32) -> Self {
        let outcome = |(_, name): &(Outcome, &'static str)| counter!("swarmlog_writer_commands_total", "outcome" => *name);
        Self {
            outcomes: OUTCOMES.iter().map(outcome).collect(),
            batch: histogram!("swarmlog_writer_batch_commands"),
            commit: histogram!("swarmlog_writer_commit_seconds"),
            recovery: histogram!("swarmlog_writer_recovery_seconds"),
            keys: gauge!("swarmlog_writer_idempotency_keys", "partition" => partition.to_string()),
            retries: counter!("swarmlog_writer_retries_total"),
            fenced: counter!("swarmlog_writer_fenced_total"),
        }
    }

    pub(crate) fn committed(&self, tally: &Tally, commands: usize, took: Duration, keys: usize) {
        for (counter, count) in self.outcomes.iter().zip(tally.0).filter(|(_, count)| *count > 0) {
            counter.increment(count);
        }
        self.batch.record(commands as f64);
        self.commit.record(took.as_secs_f64());
        self.keys.set(keys as f64);
    }

    pub(crate) fn recovered(&self, took: Duration, keys: usize) {
        self.recovery.record(took.as_secs_f64());
        self.keys.set(keys as f64);
    }

    pub(crate) fn retried(&self) {
        self.retries.increment(1);
    }

    pub(crate) fn fenced(&self) {
        self.fenced.increment(1);
    }
}

/// The meters of a lane's snapshots.
pub(crate) struct SnapshotMeters {
    records: Counter,
}

impl SnapshotMeters {
    pub(crate) fn new() -> Self {
        Self { records: counter!("swarmlog_writer_snapshot_records_total") }
    }

    pub(crate) fn stored(&self, records: usize) {
        self.records.increment(records as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_are_listed_in_their_order() {
        assert!(OUTCOMES.iter().enumerate().all(|(place, (outcome, _))| *outcome as usize == place));
    }
}
