//! The port itself.

use crate::{AnalyticsError, Engine, Remote, SqlAnswer, SqlFormat, remote::Server, sql, tables};
use clickhouse::Client;
use std::{fmt, path::Path, sync::Arc};

/// The analytics store, or the reason why there is none. Clones share it.
#[derive(Clone)]
pub struct Analytics(Arc<Inner>);

enum Inner {
    Absent(String),
    Embedded { engine: Engine, client: Box<Client> },
    Remote(Box<Server>),
}

impl fmt::Debug for Analytics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            Inner::Absent(reason) => f.debug_tuple("Absent").field(reason).finish(),
            Inner::Embedded { .. } => f.write_str("Embedded"),
            Inner::Remote(server) => server.fmt(f),
        }
    }
}

impl Analytics {
    /// The engine in this process, see [`Engine::open`].
    pub fn embedded(library: &Path, data: &Path) -> Result<Self, AnalyticsError> {
        Ok(Engine::open(library, data)?.analytics())
    }

    /// The port on an engine.
    pub(crate) fn within(engine: Engine, client: Client) -> Self {
        let client = Box::new(client.with_database(tables::DATABASE));
        Self(Arc::new(Inner::Embedded { engine, client }))
    }

    /// A server. It is not connected to yet, so it may be down; only settings that cannot be right are an error.
    /// [`Analytics::prepare`] comes before the first use.
    pub fn remote(remote: Remote) -> Result<Self, AnalyticsError> {
        Ok(Self(Arc::new(Inner::Remote(Box::new(Server::new(remote)?)))))
    }

    /// Stands for a store that is not there; everything answers with `reason`.
    pub fn absent(reason: String) -> Self {
        Self(Arc::new(Inner::Absent(reason)))
    }

    /// Makes database and tables where they are missing, also beside other processes that do the same. To be called
    /// before the first insert, and again after [`AnalyticsError::Transient`] with a pause that grows: the server is
    /// down, or does not let this program in yet. The engine in the process has its tables already.
    pub async fn prepare(&self) -> Result<(), AnalyticsError> {
        match &*self.0 {
            Inner::Absent(reason) => Err(AnalyticsError::Absent(reason.clone())),
            Inner::Embedded { .. } => Ok(()),
            Inner::Remote(server) => server.prepare().await,
        }
    }

    /// The client for trusted statements and inserts. Needs a tokio runtime when it is used.
    pub fn client(&self) -> Result<&Client, AnalyticsError> {
        match &*self.0 {
            Inner::Absent(reason) => Err(AnalyticsError::Absent(reason.clone())),
            Inner::Embedded { client, .. } => Ok(client),
            Inner::Remote(server) => Ok(server.client()),
        }
    }

    /// Runs a statement of a stranger.
    pub async fn sql(&self, statement: &str, format: SqlFormat) -> Result<SqlAnswer, AnalyticsError> {
        match &*self.0 {
            Inner::Absent(reason) => Err(AnalyticsError::Absent(reason.clone())),
            Inner::Embedded { engine, .. } => sql::observed(sql::run(engine.sessions(), statement, format)).await,
            Inner::Remote(server) => sql::observed(server.sql(statement, format)).await,
        }
    }

    /// Says within 5 s whether the store answers both the program and strangers, or why not, in one line.
    pub async fn check(&self) -> Result<(), String> {
        match &*self.0 {
            Inner::Absent(reason) => Err(reason.clone()),
            Inner::Embedded { engine, .. } => engine.check().await,
            Inner::Remote(server) => server.check().await,
        }
    }

    /// Ends the engine in this process, see [`Engine::close`]; nothing to do for a server.
    pub async fn close(&self) -> Result<(), AnalyticsError> {
        match &*self.0 {
            Inner::Embedded { engine, .. } => engine.close().await,
            Inner::Absent(_) | Inner::Remote(_) => Ok(()),
        }
    }
}
