//! Sessions of the engine, and how many there may be at a time.

use crate::{AnalyticsError, access, gate::Gate, tables};
use chdb::{ChdbError, Connection, Engine};
use std::{sync::Arc, time::Duration};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many trusted statements run at a time.
const TRUSTED: usize = 6;
/// How many statements of strangers run at a time.
const STRANGERS: usize = 2;
/// How long a statement waits for its turn.
const TURN: Duration = Duration::from_secs(10);
/// How long any trusted statement may run, in seconds.
const TRUSTED_SECONDS: u32 = 300;

/// The engine with its turnstiles.
pub(crate) struct Sessions {
    engine: Engine,
    pub(crate) gate: Gate,
    trusted: Arc<Semaphore>,
    strangers: Arc<Semaphore>,
}

impl Sessions {
    /// Makes database and tables where they are missing.
    pub(crate) fn start(engine: Engine) -> Result<Self, ChdbError> {
        let connection = engine.connect()?;
        connection.query(&format!("CREATE DATABASE IF NOT EXISTS {} ENGINE = Atomic", tables::DATABASE), "TSV")?;
        for table in tables::ALL {
            connection.query(&table.ddl(), "TSV")?;
        }
        let gate = Gate::new(&connection, tables::DATABASE)?;
        Ok(Self { engine, gate, trusted: Arc::new(Semaphore::new(TRUSTED)), strangers: Arc::new(Semaphore::new(STRANGERS)) })
    }

    /// A turn for a trusted statement, to be held until it ends.
    pub(crate) async fn trusted_turn(&self) -> Result<OwnedSemaphorePermit, AnalyticsError> {
        turn(&self.trusted).await
    }

    /// A turn for a stranger's statement, to be held until it ends.
    pub(crate) async fn stranger_turn(&self) -> Result<OwnedSemaphorePermit, AnalyticsError> {
        turn(&self.strangers).await
    }

    /// A session with all rights in the database `database`, with settings that were checked by nobody.
    pub(crate) fn trusted(&self, database: Option<&str>, settings: &[(String, String)]) -> Result<Connection, ChdbError> {
        let connection = self.engine.connect()?;
        connection.query(&format!("USE {}", identifier(database.unwrap_or(tables::DATABASE))), "TSV")?;
        let mut set = format!("SET max_execution_time = {TRUSTED_SECONDS}");
        for (name, value) in settings {
            set.push_str(&format!(", {} = {}", identifier(name), literal(value)));
        }
        connection.query(&set, "TSV")?;
        Ok(connection)
    }

    /// A session that may do what a stranger may.
    pub(crate) fn stranger(&self) -> Result<Connection, ChdbError> {
        let connection = self.engine.connect()?;
        for statement in access::confine() {
            connection.query(&statement, "TSV")?;
        }
        Ok(connection)
    }

    /// Ends the engine once all statements have ended.
    pub(crate) fn close(&self, wait: Duration) -> Result<(), ChdbError> {
        self.engine.close(wait)
    }
}

async fn turn(turnstile: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, AnalyticsError> {
    match tokio::time::timeout(TURN, turnstile.clone().acquire_owned()).await {
        Ok(Ok(permit)) => Ok(permit),
        _ => Err(AnalyticsError::Transient(format!("no statement ended within {} s to make room", TURN.as_secs()))),
    }
}

/// A name in backquotes.
fn identifier(name: &str) -> String {
    format!("`{}`", name.replace('\\', "\\\\").replace('`', "\\`"))
}

/// A text in quotes.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}
