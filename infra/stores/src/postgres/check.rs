//! Whether a database will do, asked without changing anything.

use super::{PostgresConfig, PostgresStore, failure};
use crate::StoreError;
use sqlx::{ConnectOptions, Connection, PgConnection, Row, postgres::PgConnectOptions};
use std::{str::FromStr, time::Duration};

/// So long it may take to connect, and to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// One statement: what the server is, what the user may do, and what the database sorts by.
const QUESTION: &str = "SELECT current_setting('server_version_num')::int / 10000 AS version, \
     pg_encoding_to_char(encoding) AS encoding, datcollate::text AS collation, \
     coalesce(datcollversion <> pg_database_collation_actual_version(oid), false) AS outdated, \
     CASE WHEN EXISTS (SELECT FROM pg_namespace WHERE nspname = $1) THEN has_schema_privilege($1, 'CREATE') \
          ELSE has_database_privilege(oid, 'CREATE') END AS creates \
     FROM pg_database WHERE datname = current_database()";

/// What a database is like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fitness {
    /// Major version of the server.
    pub version: i32,
    /// Encoding of text; the store needs `UTF8`.
    pub encoding: String,
    /// What text is sorted by where nothing else is said.
    pub collation: String,
    /// Whether the operating system's collation has changed since the database was made, so that indexes are wrong.
    pub outdated_collation: bool,
    /// Whether the user may make tables in the schema, or the schema.
    pub may_create: bool,
}

impl PostgresStore {
    /// Asks the database that `config` names what it is like; makes nothing there.
    pub async fn fitness(config: &PostgresConfig) -> Result<Fitness, StoreError> {
        let doing = "asking the database what it is";
        tokio::time::timeout(PATIENCE, ask(config, doing)).await.map_err(|_| failure::silent(doing))?
    }
}

async fn ask(config: &PostgresConfig, doing: &str) -> Result<Fitness, StoreError> {
    let refused = |error: sqlx::Error| failure::refused(doing, &error);
    let options = PgConnectOptions::from_str(&config.url).map_err(refused)?;
    let mut connection: PgConnection = options.disable_statement_logging().connect().await.map_err(refused)?;
    let row = sqlx::query(QUESTION).bind(&config.schema).fetch_one(&mut connection).await.map_err(refused)?;
    let fitness = Fitness {
        version: row.try_get("version").map_err(refused)?,
        encoding: row.try_get("encoding").map_err(refused)?,
        collation: row.try_get("collation").map_err(refused)?,
        outdated_collation: row.try_get("outdated").map_err(refused)?,
        may_create: row.try_get("creates").map_err(refused)?,
    };
    connection.close().await.map_err(refused)?;
    Ok(fitness)
}
