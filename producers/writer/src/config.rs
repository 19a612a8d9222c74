//! What can be set.

use crate::clock::system_clock;
use std::time::Duration;

/// Limits of the writer, and its clock.
#[derive(Debug, Clone)]
pub struct Config {
    /// The most commands in one transaction.
    pub max_batch_commands: usize,
    /// A batch is closed once its commands have this many bytes.
    pub max_batch_bytes: usize,
    /// The most idempotency keys remembered, over all partitions of the log; each partition gets its share.
    pub max_idempotency_keys: usize,
    /// How long an idempotency key is remembered.
    pub idempotency_window: Duration,
    /// Snapshots are written once so many events and results of a partition are not covered by them.
    pub snapshot_after: u64,
    /// The longest time that commands are still taken after the shutdown was asked for.
    pub drain_timeout: Duration,
    /// Microseconds since 1970 UTC.
    pub clock: fn() -> i64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_batch_commands: 1024,
            max_batch_bytes: 4 << 20,
            max_idempotency_keys: 20_000_000,
            idempotency_window: Duration::from_secs(7 * 24 * 3600),
            // Half a second of replay on all four partitions, at the worst.
            snapshot_after: 50_000,
            drain_timeout: Duration::from_secs(1),
            clock: system_clock,
        }
    }
}
