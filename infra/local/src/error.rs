//! What can go wrong when servers are started.

use std::{io, path::PathBuf};

/// Why a server does not run, with the remedy.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// A program that the server needs is missing and could not be installed.
    #[error("{program} is missing: {remedy}")]
    Missing {
        /// The program.
        program: String,
        /// What to do.
        remedy: String,
    },
    /// A step ended badly.
    #[error("{step} failed: {output}")]
    Step {
        /// The step.
        step: String,
        /// The end of what it printed.
        output: String,
    },
    /// A server ended, or did not answer in time.
    #[error("{server} does not answer; its log is {}", log.display())]
    Silent {
        /// The server.
        server: &'static str,
        /// Its log.
        log: PathBuf,
    },
    /// The folder cannot be used.
    #[error("{}: {source}", path.display())]
    Folder {
        /// The path.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl LocalError {
    /// Names the path that an I/O error belongs to.
    pub(crate) fn at(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Folder { path, source }
    }
}
