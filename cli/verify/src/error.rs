//! Why a check could not be made; what it finds is no error.

use analytics::AnalyticsError;
use consumer_archive::ArchiveError;
use log::LogError;
use std::{future::Future, io, time::Duration};
use stores::StoreError;

/// What ends a check early.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// A server is away or busy; nothing was changed. Try again.
    #[error("{0}")]
    Unavailable(String),
    /// The check itself cannot go on.
    #[error("{0}")]
    Failed(String),
}

impl From<LogError> for VerifyError {
    fn from(error: LogError) -> Self {
        match error {
            LogError::Transient(_) => Self::Unavailable(error.to_string()),
            _ => Self::Failed(error.to_string()),
        }
    }
}

impl From<StoreError> for VerifyError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Transient(_) => Self::Unavailable(error.to_string()),
            _ => Self::Failed(error.to_string()),
        }
    }
}

impl From<AnalyticsError> for VerifyError {
    fn from(error: AnalyticsError) -> Self {
        match error {
            AnalyticsError::Transient(_) => Self::Unavailable(error.to_string()),
            _ => Self::Failed(error.to_string()),
        }
    }
}

impl From<clickhouse::error::Error> for VerifyError {
    fn from(error: clickhouse::error::Error) -> Self {
        match error {
            clickhouse::error::Error::Network(_) | clickhouse::error::Error::TimedOut => {
                Self::Unavailable(format!("ClickHouse is away: {error}"))
            }
            _ => Self::Failed(format!("ClickHouse cannot be asked: {error}")),
        }
    }
}

impl From<ArchiveError> for VerifyError {
    fn from(error: ArchiveError) -> Self {
        match error {
            ArchiveError::Transient(_) => Self::Unavailable(error.to_string()),
            _ => Self::Failed(error.to_string()),
        }
    }
}

impl From<io::Error> for VerifyError {
    fn from(error: io::Error) -> Self {
        Self::Failed(format!("a temporary file cannot be used: {error}; TMPDIR names the folder of temporary files"))
    }
}

/// How long a log or a store may take for one answer.
const ANSWER: Duration = Duration::from_secs(120);

/// Bounds a wait.
pub(crate) async fn within<T, E: Into<VerifyError>>(
    doing: &str,
    answer: impl Future<Output = Result<T, E>>,
) -> Result<T, VerifyError> {
    match tokio::time::timeout(ANSWER, answer).await {
        Ok(answer) => answer.map_err(Into::into),
        Err(_) => Err(VerifyError::Unavailable(format!("{doing} had no answer within {} s", ANSWER.as_secs()))),
    }
}

/// Runs `work` where it holds up nobody.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, VerifyError> + Send + 'static,
) -> Result<T, VerifyError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|panic| Err(VerifyError::Failed(format!("a defect of the check: {panic}"))))
}
