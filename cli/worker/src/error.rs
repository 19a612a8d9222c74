//! What ends a worker before its time.

/// Why a worker cannot go on. A server that is away is none: the worker waits for it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WorkerError {
    /// The token is missing, wrong, or not allowed to work.
    #[error("the server refuses this worker with {status}: {detail}; give it a token that may lease jobs (--token)")]
    Unauthorized {
        /// HTTP status.
        status: u16,
        /// What the server said.
        detail: String,
    },
    /// The server does not understand this worker.
    #[error("the server refuses {call} with {status}: {detail}; worker and server may be of different versions")]
    Refused {
        /// What was asked.
        call: String,
        /// HTTP status.
        status: u16,
        /// What the server said.
        detail: String,
    },
    /// The settings cannot work.
    #[error("{0}")]
    Settings(String),
}
