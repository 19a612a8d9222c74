//! Which servers to use in place of files in the data folder.

use crate::{
    Done,
    failure::{Exit, Failure},
};
use log::kafka::KafkaConfig;
use objects::S3Config;
use stores::postgres::PostgresConfig;

/// Servers to use in place of files in the data folder.
#[derive(clap::Args)]
pub struct Servers {
    /// Keep the event log on Apache Kafka 4; host:port of some brokers, separated by commas
    #[arg(long, env = "SWARMLOG_KAFKA", value_name = "BROKERS")]
    kafka: Option<String>,
    /// Setting of librdkafka, passed on verbatim, for example security.protocol=SASL_PLAINTEXT; may be repeated
    #[arg(
        long,
        env = "SWARMLOG_KAFKA_SETTINGS",
        value_name = "NAME=VALUE",
        value_delimiter = ',',
        requires = "kafka",
        hide_env_values = true
    )]
    kafka_setting: Vec<String>,
    /// Keep the operational read models on PostgreSQL 15 or newer
    #[arg(long, env = "SWARMLOG_POSTGRES", value_name = "URL", hide_env_values = true)]
    postgres: Option<String>,
    /// Keep archive and blobs on an S3 server
    #[arg(long, env = "SWARMLOG_S3", value_name = "URL", requires_all = ["s3_access_key", "s3_secret_key"])]
    s3: Option<String>,
    /// Bucket, which must exist
    #[arg(long, env = "SWARMLOG_S3_BUCKET", value_name = "NAME", default_value = "swarmlog")]
    s3_bucket: String,
    /// Region that requests are signed for
    #[arg(long, env = "SWARMLOG_S3_REGION", value_name = "NAME", default_value = "us-east-1")]
    s3_region: String,
    /// Access key
    #[arg(long, env = "SWARMLOG_S3_ACCESS_KEY", value_name = "KEY", hide_env_values = true)]
    s3_access_key: Option<String>,
    /// Secret key; better by the environment than on the command line
    #[arg(long, env = "SWARMLOG_S3_SECRET_KEY", value_name = "KEY", hide_env_values = true)]
    s3_secret_key: Option<String>,
}

impl Servers {
    /// The event log's cluster, unless it is a file.
    pub fn kafka(&self) -> Done<Option<KafkaConfig>> {
        let Some(brokers) = &self.kafka else { return Ok(None) };
        let mut config = KafkaConfig::new(brokers);
        for setting in &self.kafka_setting {
            let wrong = || Failure::new(Exit::Usage, format!("--kafka-setting takes NAME=VALUE, not {setting:?}"));
            let (name, value) = setting.split_once('=').ok_or_else(wrong)?;
            config.settings.insert(name.to_owned(), value.to_owned());
        }
        Ok(Some(config))
    }

    /// The database of the read models, unless it is a file.
    pub fn postgres(&self) -> Option<PostgresConfig> {
        self.postgres.as_ref().map(PostgresConfig::new)
    }

    /// The object store, unless it is a folder.
    pub fn s3(&self) -> Option<S3Config> {
        let (Some(endpoint), Some(access_key), Some(secret_key)) = (&self.s3, &self.s3_access_key, &self.s3_secret_key) else {
            return None;
        };
        Some(S3Config {
            endpoint: endpoint.clone(),
            bucket: self.s3_bucket.clone(),
            region: self.s3_region.clone(),
            access_key: access_key.clone(),
            secret_key: secret_key.clone(),
            allow_http: endpoint.starts_with("http://"),
        })
    }
}
