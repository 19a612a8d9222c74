//! What a gateway is made of, and its bounds.

use crate::auth;
use analytics::Analytics;
use log::Log;
use metrics_exporter_prometheus::PrometheusHandle;
use objects::Objects;
use service::Lifecycle;
use std::{net::SocketAddr, sync::Arc, time::Duration};
use stores::Store;
use tokio::net::TcpListener;

/// What [`serve`](crate::serve) needs.
pub struct Config {
    /// Where to listen.
    pub listener: TcpListener,
    /// The operator's token; without one only loopback may be served.
    pub token: Option<String>,
    /// The event log.
    pub log: Arc<dyn Log>,
    /// The read models.
    pub store: Arc<dyn Store>,
    /// The analytics engine, or the reason why there is none.
    pub analytics: Analytics,
    /// The objects.
    pub objects: Objects,
    /// The life of the program.
    pub lifecycle: Lifecycle,
    /// What `/metrics` renders.
    pub metrics: PrometheusHandle,
    /// The bounds.
    pub limits: Limits,
}

/// The bounds of a gateway: nothing in it grows beyond them, and nothing waits longer.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Commands in flight.
    pub commands: usize,
    /// Connections.
    pub connections: usize,
    /// Streams of events.
    pub streams: usize,
    /// Blobs being sent or fetched.
    pub blobs: usize,
    /// Requests for a lease that wait for a job.
    pub polls: usize,
    /// Bytes of all large bodies together, blobs aside.
    pub body_memory_bytes: usize,
    /// Bytes of a body.
    pub body_bytes: usize,
    /// Bytes of a batch of commands.
    pub batch_bytes: usize,
    /// Bytes of a batch of telemetry.
    pub telemetry_bytes: usize,
    /// Bytes of a blob.
    pub blob_bytes: usize,
    /// How long the head of a request may take.
    pub head_time: Duration,
    /// How long the body of a request may take.
    pub body_time: Duration,
    /// How long a blob may take.
    pub blob_time: Duration,
    /// How long a command waits for its result unless the caller says otherwise.
    pub command_wait: Duration,
    /// How long a command waits for its result at most.
    pub max_command_wait: Duration,
    /// How long a query waits for its read model.
    pub query_wait: Duration,
    /// How long the status of an unknown command waits for its read model.
    pub status_wait: Duration,
    /// How long requests in flight may take once the program ends.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            commands: 10_000,
            connections: 8192,
            streams: 512,
            blobs: 4,
            polls: 4096,
            body_memory_bytes: 128 << 20,
            body_bytes: 1 << 20,
            batch_bytes: 4 << 20,
            telemetry_bytes: 2 << 20,
            blob_bytes: 64 << 20,
            head_time: Duration::from_secs(30),
            body_time: Duration::from_secs(10),
            blob_time: Duration::from_secs(120),
            command_wait: Duration::from_secs(10),
            max_command_wait: Duration::from_secs(30),
            query_wait: Duration::from_secs(5),
            status_wait: Duration::from_secs(2),
            drain: Duration::from_secs(5),
        }
    }
}

/// Why a gateway does not start or cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The address is reachable from outside, and nothing protects it.
    #[error("will not serve {0} without a token: set one, or listen on 127.0.0.1")]
    Exposed(SocketAddr),
    /// The token protects nothing.
    #[error("the token must be one or more visible ASCII characters without spaces")]
    Token,
    /// The address is gone.
    #[error("cannot listen")]
    Listen(#[source] std::io::Error),
    /// The log failed.
    #[error("results cannot be read")]
    Log(#[from] log::LogError),
    /// A task of the gateway died.
    #[error("a task of the gateway died: {0}")]
    Task(String),
}

impl Config {
    /// Refuses a configuration that would expose the server.
    pub(crate) fn check(&self) -> Result<(), GatewayError> {
        auth::check_bind(self.listener.local_addr().map_err(GatewayError::Listen)?, self.token.as_deref())
    }
}
