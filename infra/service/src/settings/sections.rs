//! The settings by section, as `default.toml` describes them.

use serde::{Deserialize, Deserializer};
use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf};

/// All settings. There is no `Debug`: some are secrets.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Folder of everything that is a file.
    pub data: PathBuf,
    /// Bearer token of every request.
    #[serde(deserialize_with = "unless_empty")]
    pub token: Option<String>,
    /// What to log, in the syntax of `tracing_subscriber::EnvFilter`.
    pub log: String,
    /// Where each part listens.
    pub listen: Listen,
    /// Settings of librdkafka, verbatim. The log is a file if `bootstrap.servers` is empty.
    pub kafka: BTreeMap<String, String>,
    /// The topics of a new log on Kafka.
    pub topics: Topics,
    /// The operational store on PostgreSQL.
    pub postgres: Postgres,
    /// Archive and blobs on S3.
    pub s3: S3,
    /// Analytics.
    pub clickhouse: Clickhouse,
    /// The writer.
    pub writer: Writer,
}

/// Addresses to listen on.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listen {
    /// The HTTP interface.
    pub gateway: SocketAddr,
    /// Health and metrics of the writer.
    pub writer: SocketAddr,
    /// Health and metrics of the operational consumer.
    pub operational: SocketAddr,
    /// Health and metrics of the analytics consumer.
    pub analytics: SocketAddr,
    /// Health and metrics of the archive consumer.
    pub archive: SocketAddr,
    /// The ClickHouse engine as a server.
    pub engine: SocketAddr,
}

/// The topics of a new log on Kafka.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Topics {
    /// Partitions of every topic.
    pub partitions: u32,
    /// Replicas of every partition.
    pub replication: u16,
    /// Comes before every name.
    pub prefix: String,
}

/// The operational store on PostgreSQL.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Postgres {
    /// Where it is; a file is used if there is none.
    #[serde(deserialize_with = "unless_empty")]
    pub url: Option<String>,
    /// Connections for writes, and as many again for questions.
    pub pool_size: u32,
    /// Schema of all tables.
    pub schema: String,
}

/// Archive and blobs on S3.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct S3 {
    /// URL of the server; a folder is used if there is none.
    #[serde(deserialize_with = "unless_empty")]
    pub endpoint: Option<String>,
    /// Name of the bucket.
    pub bucket: String,
    /// Region that requests are signed for.
    pub region: String,
    /// Access key; there is one if there is an endpoint.
    #[serde(deserialize_with = "unless_empty")]
    pub access_key: Option<String>,
    /// Secret key; there is one if there is an endpoint.
    #[serde(deserialize_with = "unless_empty")]
    pub secret_key: Option<String>,
}

/// Analytics on a ClickHouse server, or in this process.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clickhouse {
    /// URL of its HTTP interface; the engine in this process is used if there is none.
    #[serde(deserialize_with = "unless_empty")]
    pub url: Option<String>,
    /// The database of the tables on a server.
    pub database: String,
    /// Who makes tables and writes.
    pub user: String,
    /// Password of `user`.
    #[serde(deserialize_with = "unless_empty")]
    pub password: Option<String>,
    /// Who asks people's questions.
    pub sql_user: String,
    /// Password of `sql_user`.
    #[serde(deserialize_with = "unless_empty")]
    pub sql_password: Option<String>,
    /// File of the embedded engine, unless it is where `make chdb` puts it.
    #[serde(deserialize_with = "path_unless_empty")]
    pub library: Option<PathBuf>,
}

/// What the writer remembers.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Writer {
    /// The most idempotency keys, over all partitions.
    pub max_idempotency_keys: u64,
    /// How many days a key is remembered.
    pub idempotency_days: u32,
}

fn unless_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(deserializer)?;
    Ok(Some(text).filter(|text| !text.is_empty()))
}

fn path_unless_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
    Ok(unless_empty(deserializer)?.map(PathBuf::from))
}
