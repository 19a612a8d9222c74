//! Connections: two pools of one database, and the settings that bound every wait on the server's side.
//!
//! Writes go through deadpool and tokio-postgres, which pipeline and copy; questions through sqlx. So neither waits for
//! the other's connections. The settings are given when a connection starts; what the URL's `options` say of one of them
//! goes before. They need a server or a pooler that keeps a session per connection.

use super::failure;
use crate::StoreError;
use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use sqlx::{
    ConnectOptions, Connection, PgConnection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use std::{str::FromStr, time::Duration};
use tokio_postgres::{NoTls, config::SslMode};

/// So long it may take to connect.
const CONNECT: Duration = Duration::from_secs(5);
/// So long a caller waits for a connection of a pool.
const TURN: Duration = Duration::from_secs(10);
/// A connection that was idle for longer is tried before it is used.
const FRESH: Duration = Duration::from_secs(1);
/// Longest name of a schema: PostgreSQL ends names after 63 bytes, and the channel has a prefix.
const SCHEMA: usize = 50;

/// The server's bound for one statement, in seconds; a scan has its own.
const STATEMENT: u64 = 60;
/// So long this program waits for the answer to one: longer than the server works on it.
pub(super) const ANSWER: Duration = Duration::from_secs(STATEMENT + 10);

/// Where the store lives.
#[derive(Debug, Clone)]
pub struct PostgresConfig {
    /// `postgres://user:password@host:port/database?options=..`; settings in `options` replace the store's own.
    pub url: String,
    /// Connections for writes, and as many again for questions.
    pub pool_size: usize,
    /// Schema of all tables, made if there is none: lower-case letters, digits and underscores.
    pub schema: String,
}

impl PostgresConfig {
    /// The store at `url` with 16 connections and the schema `swarmlog`.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), pool_size: 16, schema: "swarmlog".to_owned() }
    }
}

/// What is connected.
pub(super) struct Connected {
    pub(super) writes: Pool,
    pub(super) questions: PgPool,
}

/// Connects, and prepares the schema.
pub(super) async fn connect(config: &PostgresConfig) -> Result<Connected, StoreError> {
    check(&config.schema)?;
    let unfit = |reason: String| StoreError::Fatal(format!("the database's URL cannot be used: {reason}"));
    let mut writes = tokio_postgres::Config::from_str(&config.url).map_err(|error| unfit(error.to_string()))?;
    if writes.get_ssl_mode() == SslMode::Require {
        return Err(unfit("this program speaks no TLS to the database; use sslmode=prefer over a trusted network".to_owned()));
    }
    let questions = PgConnectOptions::from_str(&config.url).map_err(|error| unfit(error.to_string()))?;
    let mut options = writes.get_options().unwrap_or_default().to_owned();
    let given = |name: &str| options.split([' ', '=']).any(|word| word.trim_start_matches("--") == name);
    let settings: Vec<(&str, String)> = settings(&config.schema).into_iter().filter(|(name, _)| !given(name)).collect();
    for (name, value) in &settings {
        options.push_str(&format!(" -c {name}={value}"));
    }
    writes.options(options).connect_timeout(CONNECT).keepalives_idle(Duration::from_secs(30)).tcp_user_timeout(ANSWER);
    let mut questions = questions.options(settings).disable_statement_logging();
    if writes.get_application_name().is_none() {
        writes.application_name("swarmlog");
        questions = questions.application_name("swarmlog");
    }
    tokio::time::timeout(ANSWER, prepare(&config.schema, &questions))
        .await
        .map_err(|_| failure::silent("preparing the schema"))??;

    let manager = Manager::from_config(writes, NoTls, ManagerConfig { recycling_method: RecyclingMethod::Fast });
    let writes = Pool::builder(manager)
        .max_size(config.pool_size.max(1))
        .runtime(Runtime::Tokio1)
        .wait_timeout(Some(TURN))
        .create_timeout(Some(CONNECT))
        .recycle_timeout(Some(CONNECT))
        .build()
        .map_err(|error| StoreError::Fatal(format!("no pool of connections: {error}")))?;
    let questions = PgPoolOptions::new()
        // One more, which listens.
        .max_connections(u32::try_from(config.pool_size.max(1)).unwrap_or(u32::MAX).saturating_add(1))
        .acquire_timeout(TURN)
        .test_before_acquire(false)
        .before_acquire(|connection, idle| {
            Box::pin(async move {
                // A look at every use would double the round trips of a question.
                if idle.idle_for < FRESH {
                    return Ok(true);
                }
                Ok(matches!(tokio::time::timeout(CONNECT, connection.ping()).await, Ok(Ok(()))))
            })
        })
        .connect_lazy_with(questions);
    Ok(Connected { writes, questions })
}

/// What every connection is set to.
fn settings(schema: &str) -> Vec<(&'static str, String)> {
    let milliseconds = |seconds: u64| (seconds * 1_000).to_string();
    vec![
        ("search_path", schema.to_owned()),
        ("client_min_messages", "warning".to_owned()),
        ("statement_timeout", milliseconds(STATEMENT)),
        ("lock_timeout", milliseconds(5)),
        // A client that vanished must not hold its locks.
        ("idle_in_transaction_session_timeout", milliseconds(STATEMENT)),
        // Brief statements over arrays of unknown length, which the planner may take for long ones.
        ("jit", "off".to_owned()),
    ]
}

/// Makes the schema, and the tables that describe the others. Those who come together take turns.
async fn prepare(schema: &str, options: &PgConnectOptions) -> Result<(), StoreError> {
    let doing = "preparing the schema";
    let refused = |error: sqlx::Error| failure::refused(doing, &error);
    // A connection of its own: the lock of a migration that fails ends with it.
    let mut connection = tokio::time::timeout(CONNECT, options.connect())
        .await
        .map_err(|_| failure::silent("connecting to the database"))?
        .map_err(refused)?;
    let exists: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)")
        .bind(schema)
        .fetch_one(&mut connection)
        .await
        .map_err(refused)?;
    let mut migrations = sqlx::migrate!("./migrations");
    if !exists {
        migrations.create_schema(schema.to_owned());
    }
    let done: Result<(), _> = migrations.run_direct(None, &mut connection, false).await;
    done.map_err(|error| failure::unmigrated(schema, &error))?;
    PgConnection::close(connection).await.map_err(refused)
}

/// Whether a schema can have this name, which is put into SQL as it is.
fn check(schema: &str) -> Result<(), StoreError> {
    let starts = schema.starts_with(|first: char| first.is_ascii_lowercase() || first == '_');
    let goes_on = schema.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if starts && goes_on && schema.len() <= SCHEMA && !schema.starts_with("pg_") {
        return Ok(());
    }
    Err(StoreError::Fatal(format!(
        "{schema:?} cannot be the name of a schema: use up to {SCHEMA} lower-case letters, digits and underscores, not pg_"
    )))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_schema_is_a_plain_word() {
        for good in ["swarmlog", "_a", "t_1"] {
            check(good).unwrap();
        }
        for bad in ["", "1a", "Swarm", "a-b", "a\"b", "a b", "pg_x", &"a".repeat(51)] {
            assert!(matches!(check(bad), Err(StoreError::Fatal(_))), "{bad}");
        }
    }
}
