//! The servers that the settings name, each asked through the part that uses it.

use super::{Check, Finding};
use crate::{Done, parts, servers::Servers};
use analytics::{Analytics, Remote};
use log::{Log, LogError, Source, kafka::KafkaConfig, kafka::KafkaLog};
use objects::{Objects, S3Config};
use service::settings::without_password;
use stores::postgres::{PostgresConfig, PostgresStore};
use tokio::net::TcpStream;

/// Oldest PostgreSQL that will do.
const POSTGRES: i32 = 15;

/// A check for each server that is configured.
pub fn checks(servers: &Servers) -> Done<Vec<Check<'_>>> {
    let mut checks = Vec::new();
    if let Some(config) = servers.kafka()? {
        checks.push(Check::new("Kafka", config.bootstrap.clone(), kafka(config)));
    }
    if let Some(config) = servers.postgres() {
        checks.push(Check::new("PostgreSQL", without_password(&config.url), postgres(config)));
    }
    if let Some(config) = servers.s3() {
        checks.push(Check::new("S3", format!("{}, bucket {}", without_password(&config.endpoint), config.bucket), s3(config)));
    }
    if let Some(remote) = servers.clickhouse() {
        let place = format!("{}, database {}", without_password(&remote.url), remote.database);
        checks.push(Check::new("ClickHouse", place, clickhouse(remote)));
    }
    Ok(checks)
}

/// A broker answers, and the topics of the log, if there is one, are as it needs them.
async fn kafka(config: KafkaConfig) -> Finding {
    // librdkafka goes on trying for longer than a check may take, so nobody there is found out first.
    reach(&config.bootstrap).await?;
    let refused = |error: LogError| format!("{error}; check kafka.* against the brokers (they must be Kafka 4)");
    if !KafkaLog::is_founded(config.clone()).await.map_err(refused)? {
        return Ok(format!("answers; no log is there yet, the first start makes one of {} partitions", config.partitions));
    }
    let log = KafkaLog::connect(config).await.map_err(refused)?;
    let mut missing = Vec::new();
    for topic in parts::topics() {
        match log.end(&Source { topic: topic.as_str().into(), partition: log.partitions() - 1 }).await {
            Ok(_) => {}
            Err(LogError::Absent(_)) => missing.push(topic),
            Err(error) => return Err(refused(error)),
        }
    }
    let found = format!("timeline {}, {} partitions", log.timeline().0, log.partitions());
    Ok(if missing.is_empty() { found } else { format!("{found}; the next start makes {}", missing.join(", ")) })
}

/// Whether one of the brokers takes connections.
async fn reach(brokers: &str) -> Result<(), String> {
    let mut why = String::new();
    for broker in brokers.split(',') {
        // A name may come with a protocol before it.
        let address = broker.rsplit('/').next().unwrap_or(broker).trim();
        match TcpStream::connect(address).await {
            Ok(_) => return Ok(()),
            Err(error) => why = format!("{address}: {error}"),
        }
    }
    Err(format!("cannot be reached ({why}); start it, or correct kafka.bootstrap.servers"))
}

/// New enough, and the user may make the tables.
async fn postgres(config: PostgresConfig) -> Finding {
    let fitness = PostgresStore::fitness(&config).await;
    let found = fitness.map_err(|error| format!("{error}; start it, or correct postgres.url"))?;
    if found.version < POSTGRES {
        return Err(format!("is version {}: {POSTGRES} or newer is needed", found.version));
    }
    if found.encoding != "UTF8" {
        return Err(format!("the database is encoded in {}: make one with ENCODING 'UTF8'", found.encoding));
    }
    if found.outdated_collation {
        let collation = found.collation;
        return Err(format!(
            "collation {collation} has changed since the database was made: REINDEX DATABASE, then ALTER DATABASE .. REFRESH COLLATION VERSION"
        ));
    }
    if !found.may_create {
        return Err(format!(
            "the user may not make tables in the schema {}: GRANT CREATE on it, or on the database",
            config.schema
        ));
    }
    Ok(format!("version {}, collation {}, may make tables in {}", found.version, found.collation, config.schema))
}

/// The bucket is there, and honours put-if-absent.
async fn s3(config: S3Config) -> Finding {
    let wrong = |error: objects::ObjectError| format!("{error}; start it, or correct s3.*");
    Objects::s3(config).map_err(wrong)?.probe().await.map_err(wrong)?;
    Ok("writable, honours put-if-absent".into())
}

/// The server answers both users.
async fn clickhouse(remote: Remote) -> Finding {
    let wrong = |error: String| format!("{error}; start it, or correct clickhouse.*");
    let analytics = Analytics::remote(remote).map_err(|error| wrong(error.to_string()))?;
    match analytics.check().await {
        Ok(()) => Ok("answers the program and people".into()),
        Err(error) if error.contains("UNKNOWN_DATABASE") => Ok("answers; the first start makes the database".into()),
        Err(error) => Err(wrong(error)),
    }
}
