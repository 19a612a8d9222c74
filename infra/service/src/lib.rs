//! What every part of the program shares: lifecycle, health, settings, logs and metrics.

mod health;
pub mod http;
mod lifecycle;
pub mod settings;
pub mod telemetry;

pub use health::{Component, Health, Status};
pub use lifecycle::{Failure, Lifecycle};
