//! What can go wrong, named for what the caller does next.

use crate::s3::Refused;
use std::io::ErrorKind;

/// Why an object could not be stored or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ObjectError {
    /// The store is busy, full or away; nothing partial is visible. Try again after a pause.
    #[error("object store is busy or away: {0}")]
    Transient(String),
    /// The name is not one that a store takes; trying again does not help.
    #[error("object name is refused: {0}")]
    Invalid(String),
    /// The store refuses to serve this program until somebody changes its settings or permissions.
    #[error("object store failed: {0}")]
    Fatal(String),
}

impl ObjectError {
    /// Sorts an error that `operation` on `name` met.
    pub(crate) fn of(operation: &str, name: &str, error: &object_store::Error) -> Self {
        if let Some(refused) = cause::<Refused>(error) {
            return Self::Fatal(format!("cannot {operation} {name:?}: {refused}; check endpoint, bucket, region and keys"));
        }
        let message = format!("cannot {operation} {name:?}: {}", causes(error));
        match error {
            object_store::Error::InvalidPath { .. } => Self::Invalid(message),
            object_store::Error::PermissionDenied { .. }
            | object_store::Error::Unauthenticated { .. }
            | object_store::Error::NotSupported { .. }
            | object_store::Error::NotImplemented { .. }
            | object_store::Error::UnknownConfigurationKey { .. } => Self::Fatal(message),
            _ => match io_kind(error) {
                Some(ErrorKind::NotADirectory | ErrorKind::IsADirectory) => {
                    Self::Invalid(format!("{message}; a part of the name is an object, choose another name"))
                }
                Some(ErrorKind::PermissionDenied) => Self::Fatal(message),
                _ => Self::Transient(message),
            },
        }
    }

    /// An I/O error outside the store's own calls.
    pub(crate) fn io(operation: &str, path: &std::path::Path, error: &std::io::Error) -> Self {
        let message = format!("cannot {operation} {}: {error}", path.display());
        match error.kind() {
            ErrorKind::PermissionDenied | ErrorKind::NotADirectory => Self::Fatal(message),
            _ => Self::Transient(message),
        }
    }
}

/// The error with what caused it.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let words = cause.to_string();
        // Many errors repeat their cause in their own words.
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        next = cause.source();
    }
    text
}

fn io_kind(error: &dyn std::error::Error) -> Option<ErrorKind> {
    cause::<std::io::Error>(error).map(std::io::Error::kind)
}

/// What of this type caused the error.
fn cause<E: std::error::Error + 'static>(error: &dyn std::error::Error) -> Option<&E> {
    let mut next = error.source();
    while let Some(cause) = next {
        if let Some(found) = cause.downcast_ref() {
            return Some(found);
        }
        next = cause.source();
    }
    None
}
