//! The settings of a worker.

pub use reqwest::Url;
use std::time::Duration;

/// Whom a worker works for, and until when.
#[derive(Debug, Clone)]
pub struct Config {
    /// The server.
    pub server: Url,
    /// Bearer token, if the server needs one.
    pub token: Option<String>,
    /// Name of the worker, as it appears in leases.
    pub name: String,
    /// Queue to lease from.
    pub queue: String,
    /// End once the queue has had nothing for so long; without it, only the shutdown ends the worker.
    pub until_idle: Option<Duration>,
    /// How long a lease holds; it is renewed three times as often.
    pub lease: Duration,
}

impl Config {
    /// Works on `queue` of `server` until the shutdown, with leases of 30 s.
    pub fn new(server: Url, token: Option<String>, name: impl Into<String>, queue: impl Into<String>) -> Self {
        let (name, queue) = (name.into(), queue.into());
        Self { server, token, name, queue, until_idle: None, lease: Duration::from_secs(30) }
    }
}
