//! The engine of this process, to be used here and to be served to others.

use crate::{Analytics, AnalyticsError, Users, access, error::first_line, facade, session::Sessions};
use axum::Router;
use std::{path::Path, sync::Arc, time::Duration};

/// How long closing waits for statements that still run.
const LAST_STATEMENTS: Duration = Duration::from_secs(20);
/// How long the engine may take to say that it is there.
const SIGN_OF_LIFE: Duration = Duration::from_secs(5);

/// ClickHouse in this process, with its tables. Clones share it.
#[derive(Clone)]
pub struct Engine(Arc<Sessions>);

impl Engine {
    /// Starts the engine on the folder `data` and makes the tables that are missing. It blocks for about a tenth of a
    /// second. A process can do it once, and a folder belongs to one process at a time. A missing library is
    /// [`AnalyticsError::Absent`], whose text says how to get it.
    pub fn open(library: &Path, data: &Path) -> Result<Self, AnalyticsError> {
        if !library.is_file() {
            return Err(chdb::ChdbError::Missing(library.to_owned()).into());
        }
        let config = access::write_config(data).map_err(|error| {
            AnalyticsError::Fatal(format!("cannot write the engine's configuration into {}: {error}", data.display()))
        })?;
        let engine = chdb::Engine::load(library, &data.join("engine"), Some(&config))?;
        Ok(Self(Arc::new(Sessions::start(engine)?)))
    }

    /// The port on this engine, without a network.
    pub fn analytics(&self) -> Analytics {
        Analytics::within(self.clone(), facade::client(self.0.clone()))
    }

    /// A part of ClickHouse's HTTP interface on this engine, to be served by the caller: `GET /ping`, and at `/`
    /// statements and inserts as `curl`, the `clickhouse` crate and what else speaks HTTP to ClickHouse send them.
    /// Statements, inserts, bodies and waits are bounded; how many connections there are is the caller's to bound.
    /// It has no TLS.
    pub fn router(&self, users: Users) -> Router {
        facade::served(self.0.clone(), users)
    }

    /// Says within 5 s whether the engine answers, or why not, in one line.
    pub async fn check(&self) -> Result<(), String> {
        let sessions = self.0.clone();
        let check = tokio::task::spawn_blocking(move || sessions.check());
        match tokio::time::timeout(SIGN_OF_LIFE, check).await {
            Ok(Ok(answer)) => answer.map_err(|error| first_line(&error.to_string())),
            Ok(Err(panic)) => Err(first_line(&panic.to_string())),
            Err(_) => Err(format!("the engine did not answer within {} s", SIGN_OF_LIFE.as_secs())),
        }
    }

    /// Ends the engine once the statements that run have ended; 20 s later it is an error. To be called before the
    /// process ends, and after the router is no longer served.
    pub async fn close(&self) -> Result<(), AnalyticsError> {
        let sessions = self.0.clone();
        match tokio::task::spawn_blocking(move || sessions.close(LAST_STATEMENTS)).await {
            Ok(closed) => Ok(closed?),
            Err(panic) => Err(AnalyticsError::Fatal(panic.to_string())),
        }
    }

    pub(crate) fn sessions(&self) -> &Arc<Sessions> {
        &self.0
    }
}
