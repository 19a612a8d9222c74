//! Sessions of the engine: what they may do, how many there are at a time, and how a statement is ended from outside.

use crate::{AnalyticsError, access, caller::Work, gate::Gate, tables};
use chdb::{ChdbError, Connection, Engine};
use std::{sync::Arc, time::Duration};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many trusted statements run at a time.
const TRUSTED: usize = 6;
/// How many statements of strangers run at a time.
const STRANGERS: usize = 2;
/// How long a statement waits for its turn.
pub(crate) const TURN: Duration = Duration::from_secs(10);
/// How long a trusted statement may run, in seconds, if it does not ask for another time.
pub(crate) const TRUSTED_SECONDS: &str = "300";
/// How much memory a trusted statement may use, in bytes, if it does not ask for more.
const TRUSTED_MEMORY: &str = "2147483648";

/// Whose statement it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rights {
    /// Everything is allowed.
    Trusted,
    /// Two tables may be read, with statements that the gate lets pass.
    Stranger,
}

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
            connection.query(&table.ddl(tables::DATABASE), "TSV")?;
        }
        let gate = Gate::of(&connection, tables::DATABASE)?;
        Ok(Self { engine, gate, trusted: Arc::new(Semaphore::new(TRUSTED)), strangers: Arc::new(Semaphore::new(STRANGERS)) })
    }

    /// A turn for a statement, to be held until it ends.
    pub(crate) async fn turn(&self, rights: Rights) -> Result<OwnedSemaphorePermit, AnalyticsError> {
        match rights {
            Rights::Trusted => turn(&self.trusted).await,
            Rights::Stranger => turn(&self.strangers).await,
        }
    }

    /// A session with all rights in the database `database`, with settings that were checked by nobody.
    pub(crate) fn trusted(
        &self,
        work: &Work,
        database: Option<&str>,
        settings: &[(String, String)],
    ) -> Result<Connection, ChdbError> {
        let connection = self.engine.connect()?;
        connection.query(&format!("USE {}", identifier(database.unwrap_or(tables::DATABASE))), "TSV")?;
        let bounds = [("max_execution_time", TRUSTED_SECONDS), ("max_memory_usage", TRUSTED_MEMORY)];
        connection.query(&set(bounds.into_iter().chain(pairs(settings)).chain([("log_comment", work.mark())])), "TSV")?;
        Ok(connection)
    }

    /// A session that may do what a stranger may. The engine refuses settings that differ from what it has.
    pub(crate) fn stranger(&self, work: &Work, settings: &[(String, String)]) -> Result<Connection, ChdbError> {
        let connection = self.engine.connect()?;
        let limits = set(access::LIMITS.iter().copied().chain([("log_comment", work.mark())]));
        for statement in [&format!("USE {}", tables::DATABASE), "SET ROLE analyst", &limits, "SET readonly = 1"] {
            connection.query(statement, "TSV")?;
        }
        if !settings.is_empty() {
            connection.query(&set(pairs(settings)), "TSV")?;
        }
        Ok(connection)
    }

    /// Ends the statements that bear a mark, if all they do is read.
    pub(crate) fn cancel(&self, mark: &str) -> Result<(), ChdbError> {
        let sql = format!("KILL QUERY WHERE query_kind = 'Select' AND Settings['log_comment'] = '{mark}' ASYNC");
        self.engine.connect()?.query(&sql, "TSV").map(drop)
    }

    /// Says whether the engine answers.
    pub(crate) fn check(&self) -> Result<(), ChdbError> {
        self.engine.connect()?.query("SELECT 1", "TSV").map(drop)
    }

    /// Ends the engine once all statements have ended.
    pub(crate) fn close(&self, wait: Duration) -> Result<(), ChdbError> {
        self.engine.close(wait)
    }
}

/// Waits for a place at a turnstile.
pub(crate) async fn turn(turnstile: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, AnalyticsError> {
    match tokio::time::timeout(TURN, turnstile.clone().acquire_owned()).await {
        Ok(Ok(permit)) => Ok(permit),
        _ => Err(AnalyticsError::Transient(format!("no statement ended within {} s to make room", TURN.as_secs()))),
    }
}

fn pairs(settings: &[(String, String)]) -> impl Iterator<Item = (&str, &str)> {
    settings.iter().map(|(name, value)| (name.as_str(), value.as_str()))
}

/// The statement that changes settings.
fn set<'a>(settings: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let settings: Vec<String> = settings.map(|(name, value)| format!("{} = {}", identifier(name), literal(value))).collect();
    format!("SET {}", settings.join(", "))
}

/// A name in backquotes.
fn identifier(name: &str) -> String {
    format!("`{}`", name.replace('\\', "\\\\").replace('`', "\\`"))
}

/// A text in quotes.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}
