//! What is allowed beyond the types, in one place.

use super::{Entry, Settings, SettingsError};

/// Refuses what cannot work, whatever the servers say.
pub(super) fn validate(settings: &Settings, entries: &[Entry]) -> Result<(), SettingsError> {
    let check = |key: &str, holds: bool, allowed: &str| {
        if holds { Ok(()) } else { Err(SettingsError::invalid(key, entries, allowed)) }
    };
    let begins = |url: &Option<String>, schemes: &[&str]| {
        url.as_ref().is_none_or(|url| schemes.iter().any(|scheme| url.starts_with(&format!("{scheme}://"))))
    };
    let Settings { kafka, topics, postgres, s3, clickhouse, writer, .. } = settings;

    if kafka.get("bootstrap.servers").is_none_or(String::is_empty)
        && let Some(name) = kafka.keys().find(|name| *name != "bootstrap.servers")
    {
        check(&format!("kafka.{name}"), false, "only with `kafka.bootstrap.servers`")?;
    }
    check("topics.partitions", (1..=1024).contains(&topics.partitions), "1 to 1024")?;
    check("topics.replication", (1..=1024).contains(&topics.replication), "1 to 1024")?;
    check("postgres.url", begins(&postgres.url, &["postgres", "postgresql"]), "postgres://user@host:port/database")?;
    check("postgres.pool_size", (1..=1024).contains(&postgres.pool_size), "1 to 1024")?;
    check("s3.endpoint", begins(&s3.endpoint, &["http", "https"]), "a URL that begins with http:// or https://")?;
    if s3.endpoint.is_some() {
        check("s3.bucket", !s3.bucket.is_empty(), "the name of a bucket")?;
        check("s3.access_key", s3.access_key.is_some(), "a key, for `s3.endpoint` is set")?;
        check("s3.secret_key", s3.secret_key.is_some(), "a key, for `s3.endpoint` is set")?;
    }
    check("clickhouse.url", begins(&clickhouse.url, &["http", "https"]), "a URL that begins with http:// or https://")?;
    check("clickhouse.user", !clickhouse.user.is_empty(), "a name")?;
    check(
        "clickhouse.sql_user",
        !clickhouse.sql_user.is_empty() && clickhouse.sql_user != clickhouse.user,
        "another name than `clickhouse.user`, who may do more than people",
    )?;
    check("writer.max_idempotency_keys", writer.max_idempotency_keys > 0, "1 or more")?;
    check("writer.idempotency_days", (1..=365).contains(&writer.idempotency_days), "1 to 365")
}
