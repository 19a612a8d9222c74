//! The port itself.

use crate::{AnalyticsError, SqlAnswer, SqlFormat, access, facade, session::Sessions, sql, tables};
use chdb::Engine;
use clickhouse::Client;
use std::{fmt, path::Path, sync::Arc, time::Duration};

/// How long closing waits for statements that still run.
const LAST_STATEMENTS: Duration = Duration::from_secs(20);

/// The analytics store, or the reason why there is none. Clones share it.
#[derive(Clone)]
pub struct Analytics(Arc<Inner>);

enum Inner {
    Absent(String),
    Embedded { sessions: Arc<Sessions>, client: Box<Client> },
}

impl fmt::Debug for Analytics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Analytics").field(&self.is_available()).finish()
    }
}

impl Analytics {
    /// Starts the engine in this process on the folder `data` and makes the tables that are missing. It blocks for
    /// about a tenth of a second. A missing library is [`AnalyticsError::Absent`], whose text says how to get it.
    pub fn embedded(library: &Path, data: &Path) -> Result<Self, AnalyticsError> {
        if !library.is_file() {
            return Err(chdb::ChdbError::Missing(library.to_owned()).into());
        }
        let config = access::write_config(data).map_err(|error| {
            AnalyticsError::Fatal(format!("cannot write the engine's configuration into {}: {error}", data.display()))
        })?;
        let engine = Engine::load(library, &data.join("engine"), Some(&config))?;
        let sessions = Arc::new(Sessions::start(engine)?);
        let client = facade::client(sessions.clone()).with_database(tables::DATABASE);
        let client = Box::new(client);
        Ok(Self(Arc::new(Inner::Embedded { sessions, client })))
    }

    /// Stands for a store that is not there; everything answers with `reason`.
    pub fn absent(reason: String) -> Self {
        Self(Arc::new(Inner::Absent(reason)))
    }

    /// The client for trusted statements and inserts. Needs a tokio runtime when it is used.
    pub fn client(&self) -> Result<&Client, AnalyticsError> {
        match &*self.0 {
            Inner::Embedded { client, .. } => Ok(client),
            Inner::Absent(reason) => Err(AnalyticsError::Absent(reason.clone())),
        }
    }

    /// Runs a statement of a stranger.
    pub async fn sql(&self, statement: &str, format: SqlFormat) -> Result<SqlAnswer, AnalyticsError> {
        match &*self.0 {
            Inner::Embedded { sessions, .. } => sql::run(sessions, statement, format).await,
            Inner::Absent(reason) => Err(AnalyticsError::Absent(reason.clone())),
        }
    }

    /// Whether there is a store, or why not.
    pub fn is_available(&self) -> Result<(), String> {
        match &*self.0 {
            Inner::Embedded { .. } => Ok(()),
            Inner::Absent(reason) => Err(reason.clone()),
        }
    }

    /// Ends the engine once the statements that run have ended. To be called before the process ends.
    pub async fn close(&self) -> Result<(), AnalyticsError> {
        let Inner::Embedded { sessions, .. } = &*self.0 else { return Ok(()) };
        let sessions = sessions.clone();
        match tokio::task::spawn_blocking(move || sessions.close(LAST_STATEMENTS)).await {
            Ok(closed) => Ok(closed?),
            Err(panic) => Err(AnalyticsError::Fatal(panic.to_string())),
        }
    }
}
