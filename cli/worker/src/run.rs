//! The life of a worker: lease, work, lease again.

use crate::{
    Config, WorkerError,
    job::{Ended, perform},
    protocol::{Client, Held, lease},
};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// How long the server is asked to wait for a job.
const LONG_POLL: Duration = Duration::from_secs(20);
/// The least time between two requests for a lease that brought none.
const BREATH: Duration = Duration::from_millis(100);

/// What a worker has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Jobs that it completed.
    pub completed: u64,
    /// Attempts that failed.
    pub failed: u64,
    /// Jobs that were cancelled or went to another worker meanwhile.
    pub lost: u64,
    /// Jobs that it handed back when it was shut down.
    pub handed_back: u64,
}

/// Works until the shutdown, or until the queue was idle for as long as the settings say.
///
/// At the shutdown the worker finishes the epoch in hand, records its checkpoint and hands the job back. It ends with
/// an error only if the server refuses it; a server that is away is waited for.
pub async fn run(config: Config, shutdown: CancellationToken) -> Result<Summary, WorkerError> {
    let client = Client::new(&config)?;
    let mut summary = Summary::default();
    let mut idle = Duration::ZERO;
    while !shutdown.is_cancelled() {
        let patience = config.until_idle.map(|limit| limit.saturating_sub(idle));
        let asked = Instant::now();
        let wait = patience.unwrap_or(LONG_POLL).min(LONG_POLL);
        let leased = tokio::select! {
            () = shutdown.cancelled() => break,
            leased = lease(&client, &config, wait) => leased?,
        };
        match leased {
            Some(lease) => {
                let held = Held::new(&client, lease, config.lease);
                match perform(held, &shutdown).await? {
                    Ended::Completed => summary.completed += 1,
                    Ended::Failed => summary.failed += 1,
                    Ended::Lost => summary.lost += 1,
                    Ended::Left => summary.handed_back += 1,
                }
                idle = Duration::ZERO;
            }
            None => {
                // What counts is how long the server has waited for a job, not how long it was away.
                let waited = asked.elapsed().min(wait);
                if patience.is_some_and(|patience| patience <= waited) {
                    break;
                }
                idle += waited.max(BREATH);
                tokio::select! {
                    () = shutdown.cancelled() => {}
                    () = tokio::time::sleep(BREATH.saturating_sub(waited)) => {}
                }
            }
        }
    }
    Ok(summary)
}
