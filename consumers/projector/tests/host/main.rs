//! The projector over the embedded log and store: journeys, and what happens when something fails.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod faults;
mod faulty;
mod journeys;
mod sharing;
mod store;
mod world;
