//! PostgreSQL's errors as the port's, whichever client they came through.
//!
//! Messages name what was being done and what the server says of it in short: no SQL, no value, no password.

use crate::StoreError;
use deadpool_postgres::PoolError;
use sqlx::migrate::MigrateError;
use std::error::Error;

/// The way out for a server that cannot be talked to.
const AWAY: &str = "the database is away or cut the connection";

/// An error of a connection that writes.
pub(super) fn failed(doing: &str, error: &tokio_postgres::Error) -> StoreError {
    match error.as_db_error() {
        Some(told) => judged(doing, told.code().code(), told.message()),
        None if error.is_closed() => StoreError::Transient(format!("{doing}: {AWAY}")),
        None => unspoken(doing, error),
    }
}

/// No connection that writes could be had.
pub(super) fn unconnected(doing: &str, error: &PoolError) -> StoreError {
    match error {
        PoolError::Backend(error) => failed(doing, error),
        PoolError::Timeout(_) => StoreError::Transient(format!("{doing}: no connection to the database came free in time")),
        other => StoreError::Fatal(format!("{doing}: {other}")),
    }
}

/// An error of a connection that reads.
pub(super) fn refused(doing: &str, error: &sqlx::Error) -> StoreError {
    match error {
        sqlx::Error::Database(told) => judged(doing, told.code().as_deref().unwrap_or_default(), told.message()),
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => {
            StoreError::Transient(format!("{doing}: {AWAY}"))
        }
        sqlx::Error::PoolTimedOut => StoreError::Transient(format!("{doing}: no connection to the database came free in time")),
        other => StoreError::Fatal(format!("{doing}: {other}")),
    }
}

/// The tables that describe the others could not be made or read.
pub(super) fn unmigrated(schema: &str, error: &MigrateError) -> StoreError {
    let doing = "preparing the schema";
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => refused(doing, error),
        MigrateError::VersionMissing(_) | MigrateError::VersionTooNew(..) => StoreError::Fatal(format!(
            "schema {schema} was made by a newer program: use that one, or another schema, which is filled from the log"
        )),
        other => StoreError::Fatal(format!("{doing} {schema}: {other}")),
    }
}

/// Nothing came within a bound that is longer than any of the server's own.
pub(super) fn silent(doing: &str) -> StoreError {
    StoreError::Transient(format!("{doing}: the database did not answer in time"))
}

/// Errors without a code: the network's, or this program's own.
fn unspoken(doing: &str, error: &tokio_postgres::Error) -> StoreError {
    let mut source = error.source();
    while let Some(cause) = source {
        if cause.is::<std::io::Error>() {
            return StoreError::Transient(format!("{doing}: {AWAY}"));
        }
        source = cause.source();
    }
    if error.to_string().contains("timeout") {
        return StoreError::Transient(format!("{doing}: {AWAY}"));
    }
    StoreError::Fatal(format!("{doing}: {error}"))
}

/// By SQLSTATE.
fn judged(doing: &str, code: &str, message: &str) -> StoreError {
    let message = format!("{doing}: {message} ({code})");
    let passing = match code {
        // Connection lost, transaction undone (deadlock, serialization), no room, operator's doing.
        _ if ["08", "40", "53", "57"].iter().any(|class| code.starts_with(class)) => true,
        // Locked for too long, in use, a standby that does not write yet, the disk.
        "55P03" | "55006" | "25006" | "58030" => true,
        // Only a consequence: the transaction was undone for another reason, or ended by the server.
        "25P02" | "25P03" => true,
        _ => false,
    };
    match code {
        _ if passing => StoreError::Transient(message),
        // Its table or its generation was dropped meanwhile.
        "42P01" | "23503" => StoreError::Absent(message),
        _ => StoreError::Fatal(message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_says_what_to_do_next() {
        for code in ["08006", "40001", "40P01", "53300", "53100", "55P03", "57014", "57P01", "57P03", "25006"] {
            assert!(matches!(judged("writing", code, ""), StoreError::Transient(_)), "{code}");
        }
        for code in ["42P01", "23503"] {
            assert!(matches!(judged("writing", code, ""), StoreError::Absent(_)), "{code}");
        }
        for code in ["", "22021", "23505", "28P01", "3D000", "42601", "XX001", "54000"] {
            assert!(matches!(judged("writing", code, ""), StoreError::Fatal(_)), "{code}");
        }
    }
}
