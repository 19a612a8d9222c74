//! The worker's side of the HTTP interface.

mod client;
mod held;
mod messages;

pub(crate) use client::Client;
pub(crate) use held::{Held, Said, lease};
pub(crate) use messages::{Class, Lease, MetricPoint};
