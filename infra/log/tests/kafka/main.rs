//! The log on a real broker: the suite of the port, what only Kafka promises, and what it survives.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod conformance;
mod faults;
mod late;
mod wire;
mod world;
