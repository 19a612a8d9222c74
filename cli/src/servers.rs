//! Which servers to use in place of files in the data folder: the settings of a verb that runs parts.

use crate::{Done, flags};
use analytics::Remote;
use clap::{ArgMatches, Args, Command, FromArgMatches};
use log::kafka::KafkaConfig;
use objects::S3Config;
use service::settings::{Loaded, Settings, Topics};
use stores::postgres::PostgresConfig;

/// The settings of a verb that runs parts, from every source.
pub struct Servers(Loaded);

impl Args for Servers {
    fn augment_args(command: Command) -> Command {
        command.args(flags::SERVERS.iter().map(flags::Flag::arg)).args(flags::other_args())
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Servers {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        flags::load(matches).map(Self)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Servers {
    /// All settings.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// All settings, as they may be shown.
    pub fn loaded(&self) -> &Loaded {
        &self.0
    }

    /// The event log's cluster, unless it is a file.
    pub fn kafka(&self) -> Done<Option<KafkaConfig>> {
        let mut settings = self.settings().kafka.clone();
        let bootstrap = settings.remove("bootstrap.servers").unwrap_or_default();
        let Topics { partitions, replication, prefix } = self.settings().topics.clone();
        let config = KafkaConfig { bootstrap, settings, partitions, replication, prefix };
        Ok(Some(config).filter(|config| !config.bootstrap.is_empty()))
    }

    /// The database of the read models, unless it is a file.
    pub fn postgres(&self) -> Option<PostgresConfig> {
        let postgres = self.settings().postgres.clone();
        let pool_size = usize::try_from(postgres.pool_size).unwrap_or(usize::MAX);
        Some(PostgresConfig { url: postgres.url?, pool_size, schema: postgres.schema })
    }

    /// The object store, unless it is a folder.
    pub fn s3(&self) -> Option<S3Config> {
        let s3 = self.settings().s3.clone();
        let endpoint = s3.endpoint?;
        Some(S3Config {
            allow_http: endpoint.starts_with("http://"),
            endpoint,
            bucket: s3.bucket,
            region: s3.region,
            access_key: s3.access_key?,
            secret_key: s3.secret_key?,
        })
    }

    /// The server of analytics, unless it is the engine in the process.
    pub fn clickhouse(&self) -> Option<Remote> {
        let clickhouse = self.settings().clickhouse.clone();
        Some(Remote {
            url: clickhouse.url?,
            database: clickhouse.database,
            user: clickhouse.user,
            password: clickhouse.password.unwrap_or_default(),
            sql_user: clickhouse.sql_user,
            sql_password: clickhouse.sql_password.unwrap_or_default(),
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use service::settings::{Flag, Sources};
    use std::time::Duration;

    fn servers(flags: &[(&str, &str)]) -> Servers {
        let flag = |(key, value): &(&str, &str)| Flag { name: (*key).into(), key: (*key).into(), value: (*value).into() };
        let sources = Sources { folder: "/nowhere".into(), flags: flags.iter().map(flag).collect(), ..Sources::default() };
        Servers(Loaded::from(&sources).unwrap())
    }

    #[test]
    fn the_default_file_says_what_the_parts_do_by_themselves() {
        let servers = servers(&[("kafka.bootstrap.servers", "b:1"), ("postgres.url", "postgres://h/d")]);
        assert_eq!(servers.kafka().ok().flatten(), Some(KafkaConfig::new("b:1")));
        let (found, own) = (servers.postgres().unwrap(), PostgresConfig::new("postgres://h/d"));
        assert_eq!((found.url, found.pool_size, found.schema), (own.url, own.pool_size, own.schema));
        let (found, own) = (&servers.settings().writer, writer::Config::default());
        assert_eq!(usize::try_from(found.max_idempotency_keys).unwrap(), own.max_idempotency_keys);
        assert_eq!(Duration::from_secs(u64::from(found.idempotency_days) * 24 * 3600), own.idempotency_window);
    }

    #[test]
    fn without_settings_everything_is_a_file() {
        let servers = servers(&[]);
        assert!(servers.kafka().is_ok_and(|kafka| kafka.is_none()) && servers.postgres().is_none());
        assert!(servers.s3().is_none() && servers.clickhouse().is_none());
    }
}
