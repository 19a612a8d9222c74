//! The table of faults, row by row: each is a scenario that makes a fault and compares what clients were told with what the
//! log says.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod clocks;
mod disks;
mod gateway;
mod kafka;
mod kills;
mod schemas;
mod writer;

use std::time::Duration;
use swarmlog_tests::scenario::{Place, Scenario};

/// Pause of each client after each command, so that long forms end in a log that can be read at once.
const PAUSE: Duration = Duration::from_millis(2);

/// A scenario on files.
const fn embedded(row: u8, promise: &'static str, short: u32, long: u32) -> Scenario {
    Scenario { row, promise, place: Place::Embedded, short, long }
}

/// A scenario on Kafka.
const fn servers(row: u8, promise: &'static str, short: u32, long: u32) -> Scenario {
    Scenario { place: Place::Servers, ..embedded(row, promise, short, long) }
}
