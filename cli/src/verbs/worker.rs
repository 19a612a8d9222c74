//! `swarmlog worker`: the reference worker.

use crate::{
    Done, Global,
    client::Client,
    failure::{Exit, Failure},
};
use tokio_util::sync::CancellationToken;

/// Lease jobs over HTTP and train real models.
#[derive(clap::Args)]
pub struct Worker {
    /// Queue to lease from
    #[arg(long, env = "SWARMLOG_WORKER_QUEUE", default_value = "demo")]
    queue: String,
    /// Name of this worker [default: worker-<pid>]
    #[arg(long, env = "SWARMLOG_WORKER_NAME")]
    name: Option<String>,
}
