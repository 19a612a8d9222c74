//! The gateway in front of the real embedded log, store, writer and projector.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

extern crate swarmlog_gateway as gateway;

mod asyncapi;
mod batch;
mod client;
mod commands;
mod faults;
mod hardening;
mod health;
mod history;
mod keys;
mod openapi;
mod queries;
mod registry;
mod state;
mod status;
mod telemetry;
mod workers;
mod world;
