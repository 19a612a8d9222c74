//! SQLite's errors as the port's.

use crate::StoreError;
use rusqlite::{Error, ErrorCode};

/// What the caller does about `error`, which came while `doing`. The message holds no SQL and no value.
pub(super) fn failed(doing: &str, error: &Error) -> StoreError {
    let message = format!("{doing}: {}", told(error));
    match error.sqlite_error_code() {
        Some(
            ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::DiskFull
            | ErrorCode::CannotOpen
            | ErrorCode::OperationInterrupted
            | ErrorCode::OutOfMemory,
        ) => StoreError::Transient(message),
        _ => StoreError::Fatal(message),
    }
}

/// Whether the work was stopped because it took more steps than it was allowed.
pub(super) fn interrupted(error: &Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted)
}

/// Whether the file can no longer be trusted: nothing may be acknowledged after it.
pub(super) fn breaks_the_store(error: &Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::SystemIoFailure | ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::ReadOnly)
    )
}

fn told(error: &Error) -> String {
    match error {
        Error::SqliteFailure(code, message) => message.clone().unwrap_or_else(|| code.to_string()),
        Error::SqlInputError { error, msg, .. } => format!("{msg} ({error})"),
        other => other.to_string(),
    }
}
