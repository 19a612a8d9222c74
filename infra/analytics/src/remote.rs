//! A ClickHouse server, reached by URL with the same `clickhouse` crate.
//!
//! Two users of the server stand for the two doors: the program's own, and one for strangers whose grants are the second
//! wall behind the gate (`infra/deploy/clickhouse-users.sql`). Nothing is connected to before it is needed, every wait
//! ends, and a server that is down is [`AnalyticsError::Transient`], whoever asks. It needs ClickHouse 25.3 or newer.

mod connector;
mod settings;
mod strangers;

pub use settings::Remote;

use crate::{AnalyticsError, error::first_line, facade::ONE_BLOCK, session, tables};
use clickhouse::{Client, Compression};
use std::{fmt, future::Future, sync::Arc, time::Duration};
use strangers::Gatekeeper;
use tokio::sync::Semaphore;

/// How long a statement that makes a database or a table may take.
const PREPARATION: Duration = Duration::from_secs(30);
/// How long the server may take to say that it is there.
const SIGN_OF_LIFE: Duration = Duration::from_secs(5);
/// How many statements of strangers this process has running on the server at a time.
const STRANGERS: usize = 8;
/// Settings of the trusted door beside [`ONE_BLOCK`]: an insert is stored before it is answered.
const TRUSTED: [(&str, &str); 2] = [("async_insert", "0"), ("max_execution_time", session::TRUSTED_SECONDS)];

/// A server with its two doors.
pub(crate) struct Server {
    database: String,
    trusted: Client,
    strangers: Client,
    gatekeeper: Gatekeeper,
    turnstile: Arc<Semaphore>,
    /// What may be shown of the settings.
    shown: String,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl Server {
    /// Connects to nothing.
    pub(crate) fn new(remote: Remote) -> Result<Self, AnalyticsError> {
        let encrypted = remote.validate()?;
        let base = connector::client(encrypted)?.with_url(&remote.url).with_compression(Compression::Lz4);
        let as_user = |user: &str, password: &str| base.clone().with_user(user).with_password(password);
        let trusted = as_user(&remote.user, &remote.password);
        Ok(Self {
            trusted: with_settings(trusted, ONE_BLOCK.iter().chain(&TRUSTED)).with_database(&remote.database),
            strangers: strangers::confined(as_user(&remote.sql_user, &remote.sql_password)).with_database(&remote.database),
            gatekeeper: Gatekeeper::default(),
            turnstile: Arc::new(Semaphore::new(STRANGERS)),
            shown: format!("{remote:?}"),
            database: remote.database,
        })
    }

    pub(crate) fn client(&self) -> &Client {
        &self.trusted
    }

    /// Makes database and tables where they are missing.
    pub(crate) async fn prepare(&self) -> Result<(), AnalyticsError> {
        // A session cannot begin in a database that is not there yet; every server has this one.
        let outside = self.trusted.clone().with_database("default");
        let database = format!("CREATE DATABASE IF NOT EXISTS {}", self.database);
        within(PREPARATION, "making the database", outside.query_raw(&database).execute()).await?;
        for table in tables::ALL {
            let what = format!("making the table {}", table.name);
            within(PREPARATION, &what, outside.query_raw(&table.ddl(&self.database)).execute()).await?;
        }
        Ok(())
    }

    /// Says whether the server answers both users, in the database.
    pub(crate) async fn check(&self) -> Result<(), String> {
        let (program, strangers) = tokio::join!(answers(&self.trusted), answers(&self.strangers));
        program?;
        strangers.map_err(|reason| format!("the user for people's SQL: {reason}"))
    }
}

async fn answers(client: &Client) -> Result<(), String> {
    let answer = client.query_raw("SELECT 1").fetch_one::<u8>();
    match within(SIGN_OF_LIFE, "an answer", answer).await {
        Ok(_) => Ok(()),
        Err(error) => Err(first_line(&error.to_string())),
    }
}

fn with_settings<'a>(client: Client, settings: impl Iterator<Item = &'a (&'a str, &'a str)>) -> Client {
    settings.fold(client, |client, (name, value)| client.with_setting(*name, *value))
}

/// Bounds a wait for the server.
async fn within<T>(
    limit: Duration,
    what: &str,
    work: impl Future<Output = clickhouse::error::Result<T>>,
) -> Result<T, AnalyticsError> {
    match tokio::time::timeout(limit, work).await {
        Ok(done) => Ok(done?),
        Err(_) => Err(AnalyticsError::Transient(format!("{what} took more than {} s", limit.as_secs()))),
    }
}
