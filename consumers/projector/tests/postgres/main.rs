//! The same journeys and failures over the store on a PostgreSQL server.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

#[path = "../host/faults.rs"]
mod faults;
#[path = "../host/faulty.rs"]
mod faulty;
#[path = "../host/journeys.rs"]
mod journeys;
#[path = "../host/sharing.rs"]
mod sharing;
mod store;
#[path = "../host/world.rs"]
mod world;
