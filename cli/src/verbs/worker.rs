//! `swarmlog worker`: the reference worker.

use crate::{
    Done, Global,
    client::Client,
    failure::{Exit, Failure},
};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// How long a lease holds: so long a job waits when its worker was killed.
const LEASE: Duration = Duration::from_secs(10);

/// Lease jobs over HTTP and train real models.
#[derive(clap::Args)]
pub struct Worker {
    /// Queue to lease from
    #[arg(long, env = "SWARMLOG_QUEUE", default_value = "demo")]
    queue: String,
    /// Name of this worker [default: worker-<pid>]
    #[arg(long, env = "SWARMLOG_WORKER_NAME")]
    name: Option<String>,
}

impl Worker {
    /// Works until SIGTERM or Ctrl-C; then finishes the epoch in hand and gives its job back.
    pub async fn run(self, global: &Global) -> Done {
        let client = Client::new(global)?;
        let url = client.url.parse().map_err(|error| Failure::new(Exit::Usage, format!("{} is no URL: {error}", client.url)))?;
        let name = self.name.unwrap_or_else(|| format!("worker-{}", std::process::id()));
        let mut config = worker::Config::new(url, client.token, name, self.queue);
        config.lease = LEASE;
        let shutdown = CancellationToken::new();
        let mut terminate = signal(SignalKind::terminate())?;
        let stop = shutdown.clone();
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
            stop.cancel();
        });
        let summary = worker::run(config, shutdown).await.map_err(|error| match error {
            worker::WorkerError::Unauthorized { .. } => Failure::new(Exit::Auth, error),
            other => Failure::from(other),
        })?;
        eprintln!(
            "{} completed, {} failed, {} lost, {} given back",
            summary.completed, summary.failed, summary.lost, summary.handed_back
        );
        Ok(())
    }
}
