//! Every key with its variable of the environment, and which of them are secrets.

/// How a value is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secrecy {
    /// As it is.
    Open,
    /// As a URL without its password.
    Url,
    /// Not at all.
    Secret,
}

/// A setting.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// As in the file, with dots: `s3.bucket`.
    pub name: &'static str,
    /// The variable of the environment that sets it.
    pub variable: &'static str,
    /// How its value is shown.
    pub secrecy: Secrecy,
}

/// The variable that names the file.
pub const FILE_VARIABLE: &str = "SWARMLOG_CONFIG";
/// The variable that sets several keys below `kafka`.
pub const KAFKA_SETTINGS_VARIABLE: &str = "SWARMLOG_KAFKA_SETTINGS";
/// Below it lie librdkafka's names, too, which are not listed here.
pub(super) const KAFKA: &str = "kafka.";

use Secrecy::{Open, Secret, Url};

const fn of(name: &'static str, variable: &'static str, secrecy: Secrecy) -> Key {
    Key { name, variable, secrecy }
}

/// In the order of `default.toml`.
pub(super) const KEYS: [Key; 30] = [
    of("data", "SWARMLOG_DATA", Open),
    of("token", "SWARMLOG_TOKEN", Secret),
    of("log", "SWARMLOG_LOG", Open),
    of("listen.gateway", "SWARMLOG_LISTEN", Open),
    of("listen.writer", "SWARMLOG_LISTEN_WRITER", Open),
    of("listen.operational", "SWARMLOG_LISTEN_OPERATIONAL", Open),
    of("listen.analytics", "SWARMLOG_LISTEN_ANALYTICS", Open),
    of("listen.archive", "SWARMLOG_LISTEN_ARCHIVE", Open),
    of("listen.engine", "SWARMLOG_LISTEN_ENGINE", Open),
    of("kafka.bootstrap.servers", "SWARMLOG_KAFKA", Open),
    of("topics.partitions", "SWARMLOG_TOPICS_PARTITIONS", Open),
    of("topics.replication", "SWARMLOG_TOPICS_REPLICATION", Open),
    of("topics.prefix", "SWARMLOG_TOPICS_PREFIX", Open),
    of("postgres.url", "SWARMLOG_POSTGRES", Url),
    of("postgres.pool_size", "SWARMLOG_POSTGRES_POOL_SIZE", Open),
    of("postgres.schema", "SWARMLOG_POSTGRES_SCHEMA", Open),
    of("s3.endpoint", "SWARMLOG_S3", Url),
    of("s3.bucket", "SWARMLOG_S3_BUCKET", Open),
    of("s3.region", "SWARMLOG_S3_REGION", Open),
    of("s3.access_key", "SWARMLOG_S3_ACCESS_KEY", Secret),
    of("s3.secret_key", "SWARMLOG_S3_SECRET_KEY", Secret),
    of("clickhouse.url", "SWARMLOG_CLICKHOUSE", Url),
    of("clickhouse.database", "SWARMLOG_CLICKHOUSE_DATABASE", Open),
    of("clickhouse.user", "SWARMLOG_CLICKHOUSE_USER", Open),
    of("clickhouse.password", "SWARMLOG_CLICKHOUSE_PASSWORD", Secret),
    of("clickhouse.sql_user", "SWARMLOG_CLICKHOUSE_SQL_USER", Open),
    of("clickhouse.sql_password", "SWARMLOG_CLICKHOUSE_SQL_PASSWORD", Secret),
    of("clickhouse.library", "SWARMLOG_CHDB_LIBRARY", Open),
    of("writer.max_idempotency_keys", "SWARMLOG_WRITER_MAX_IDEMPOTENCY_KEYS", Open),
    of("writer.idempotency_days", "SWARMLOG_WRITER_IDEMPOTENCY_DAYS", Open),
];

/// The key of this name; librdkafka's own have none.
pub fn key(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// Whether a file may set it.
pub(super) fn is_known(name: &str) -> bool {
    key(name).is_some() || name.starts_with(KAFKA)
}

/// How the value of a key is shown. Of librdkafka's settings all that may hold a secret are secrets.
pub(super) fn secrecy(name: &str) -> Secrecy {
    const WORDS: [&str; 7] = ["password", "secret", "pem", "token", "credential", "assertion", "oauthbearer.config"];
    match key(name) {
        Some(key) => key.secrecy,
        None if WORDS.iter().any(|word| name.contains(word)) => Secret,
        None => Open,
    }
}

/// The known name that looks most like `word`.
pub(super) fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> &'a str {
    let likeness = |name: &&str| strsim::normalized_damerau_levenshtein(word, name);
    known.max_by(|a, b| likeness(a).total_cmp(&likeness(b))).unwrap_or_default()
}
