//! What goes wrong, named for what the task that meets it does next.

use log::{LogError, ShareError, Source};
use std::{future::Future, time::Duration};
use stores::StoreError;

/// Why all read models stop.
#[derive(Debug, thiserror::Error)]
pub enum ProjectorError {
    /// The log cannot go on: end the program.
    #[error("read models cannot be fed: {0}")]
    Log(#[source] LogError),
    /// A keeper died, which is a defect: end the program.
    #[error("the keepers of the read models in slot {slot} died: {reason}")]
    Died {
        /// The slot.
        slot: Source,
        /// Why.
        reason: String,
    },
}

impl From<ShareError<Self>> for ProjectorError {
    fn from(error: ShareError<Self>) -> Self {
        match error {
            ShareError::Work(error) => error,
            ShareError::Log(error) => Self::Log(error),
            ShareError::Died { at: slot, reason } => Self::Died { slot, reason },
        }
    }
}

/// Why one step of one generation did not happen.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// Try again after a pause.
    Transient(String),
    /// The stored positions are not where this task left them: load them anew.
    Stale(String),
    /// This generation cannot go on; the others can.
    Stuck(String),
    /// The generation is no longer there.
    Gone(String),
    /// Somebody asked this task to end.
    Stopped,
    /// No generation can go on.
    Fatal(ProjectorError),
}

impl From<LogError> for Trouble {
    fn from(error: LogError) -> Self {
        match error {
            LogError::Fatal(_) => Self::Fatal(ProjectorError::Log(error)),
            LogError::Transient(_) | LogError::Absent(_) | LogError::Fenced { .. } | LogError::Ambiguous(_) => {
                Self::Transient(error.to_string())
            }
        }
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Transient(_) => Self::Transient(error.to_string()),
            StoreError::Stale { .. } => Self::Stale(error.to_string()),
            StoreError::Absent(_) => Self::Gone(error.to_string()),
            StoreError::Fatal(_) => Self::Stuck(error.to_string()),
        }
    }
}

/// How long a call to the log or the store may take.
pub(crate) const CALL: Duration = Duration::from_secs(120);
/// How long a scan of a whole table may take.
pub(crate) const SCAN: Duration = Duration::from_secs(1800);

/// Bounds a call. One that took too long may still have happened.
pub(crate) async fn within<T, E: Into<Trouble>>(
    limit: Duration,
    what: &str,
    call: impl Future<Output = Result<T, E>>,
) -> Result<T, Trouble> {
    match tokio::time::timeout(limit, call).await {
        Ok(answer) => answer.map_err(Into::into),
        Err(_) => Err(Trouble::Transient(format!("{what} had no answer within {} s", limit.as_secs()))),
    }
}

/// Runs `work` over so many records where it holds up nobody: in place if it is short, else on a blocking thread.
pub(crate) async fn compute<T: Send + 'static>(records: usize, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Trouble> {
    /// Above this, a few hundred microseconds of work cost more than a change of threads.
    const IN_PLACE: usize = 256;
    if records <= IN_PLACE {
        return Ok(work());
    }
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Trouble::Stuck(format!("a defect in the read model: {error}")))
}
