//! The gateway in front of the real embedded log, store, writer and projector.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod commands;
mod hardening;
mod health;
mod history;
mod openapi;
mod queries;
mod telemetry;
mod workers;
mod world;
