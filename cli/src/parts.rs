//! Everything that the parts share: on files in one folder, or on the servers that were named.

use crate::{
    Done,
    failure::{Exit, Failure},
};
use analytics::Analytics;
use log::{
    Log,
    kafka::{KafkaConfig, KafkaLog},
    sqlite::SqliteLog,
};
use objects::{Objects, S3Config};
use schemas::{SCHEMAS, SchemaKind, Stream};
use service::Lifecycle;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};
use stores::{
    Store,
    postgres::{PostgresConfig, PostgresStore},
    sqlite::SqliteStore,
};
use writer::Deciders;

/// Version of the folder's layout; a newer one is refused.
const FORMAT: u32 = 1;

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

/// The log, the store, ClickHouse and the objects.
pub struct Parts {
    /// The event log.
    pub log: Arc<dyn Log>,
    /// The operational store.
    pub store: Arc<dyn Store>,
    /// ClickHouse.
    pub analytics: Analytics,
    /// Archive and blobs.
    pub objects: Objects,
    /// The log, if it is a file that has to be closed.
    file: Option<Arc<SqliteLog>>,
}

impl Parts {
    /// Opens the folder, or makes it, and connects to `servers`. Without the ClickHouse engine everything but analytics
    /// works.
    pub async fn open(data: &Path, servers: Servers, chdb_library: Option<PathBuf>) -> Done<Self> {
        fs::create_dir_all(data)
            .map_err(|e| Failure::new(Exit::Failed, format!("cannot make the data folder {} (--data): {e}", data.display())))?;
        check_format(data)?;
        let (log, file) = servers.log(data).await?;
        let topics = topics();
        log.create_topics(&topics.iter().map(String::as_str).collect::<Vec<_>>()).await?;
        let store = servers.store(data).await?;
        let objects = servers.objects(data)?;
        let library = chdb_library.unwrap_or_else(analytics::find_library);
        let folder = data.join("clickhouse");
        let analytics = tokio::task::spawn_blocking(move || match Analytics::embedded(&library, &folder) {
            Ok(analytics) => analytics,
            Err(error) => Analytics::absent(error.to_string()),
        })
        .await?;
        Ok(Self { log, store, analytics, objects, file })
    }

    /// Starts the writer and the consumers in `lifecycle`.
    pub fn start(&self, lifecycle: &Lifecycle) {
        let (log, store, life) = (|| Arc::clone(&self.log), || Arc::clone(&self.store), || lifecycle.clone());
        let (for_writer, life_of_writer) = (log(), life());
        lifecycle.spawn("writer", async move {
            let deciders = Deciders::new().with::<work::Job>();
            writer::run(for_writer, deciders, writer::Config::default(), &life_of_writer).await
        });
        lifecycle.spawn("consumer operational", consumer_operational::run(log(), store(), life()));
        lifecycle.spawn("consumer analytics", consumer_analytics::run(log(), self.analytics.clone(), life()));
        lifecycle.spawn("consumer archive", consumer_archive::run(log(), self.objects.clone(), life()));
    }

    /// Closes what has to be closed, once nothing uses it any more.
    pub async fn close(self) -> Done {
        self.analytics.close().await?;
        if let Some(file) = self.file {
            file.close().await?;
        }
        Ok(())
    }
}

impl Servers {
    async fn log(&self, data: &Path) -> Done<(Arc<dyn Log>, Option<Arc<SqliteLog>>)> {
        let Some(brokers) = &self.kafka else {
            let file = Arc::new(SqliteLog::open_default(data)?);
            return Ok((file.clone(), Some(file)));
        };
        let mut config = KafkaConfig::new(brokers);
        for setting in &self.kafka_setting {
            let wrong = || Failure::new(Exit::Usage, format!("--kafka-setting takes NAME=VALUE, not {setting:?}"));
            let (name, value) = setting.split_once('=').ok_or_else(wrong)?;
            config.settings.insert(name.to_owned(), value.to_owned());
        }
        let log = KafkaLog::connect(config).await.map_err(|error| away("Kafka", brokers, "--kafka", &error))?;
        Ok((Arc::new(log), None))
    }

    async fn store(&self, data: &Path) -> Done<Arc<dyn Store>> {
        let Some(url) = &self.postgres else { return Ok(Arc::new(SqliteStore::open(data)?)) };
        // The URL may hold a password, so only what follows it is named.
        let place = url.rsplit('@').next().unwrap_or_default();
        let store = PostgresStore::connect(PostgresConfig::new(url)).await;
        Ok(Arc::new(store.map_err(|error| away("PostgreSQL", place, "--postgres", &error))?))
    }

    fn objects(&self, data: &Path) -> Done<Objects> {
        let (Some(endpoint), Some(access_key), Some(secret_key)) = (&self.s3, &self.s3_access_key, &self.s3_secret_key) else {
            return Ok(Objects::directory(&data.join("objects"))?);
        };
        let objects = Objects::s3(S3Config {
            endpoint: endpoint.clone(),
            bucket: self.s3_bucket.clone(),
            region: self.s3_region.clone(),
            access_key: access_key.clone(),
            secret_key: secret_key.clone(),
            allow_http: endpoint.starts_with("http://"),
        });
        objects.map_err(|error| away("S3", endpoint, "--s3", &error))
    }
}

fn away(server: &str, place: &str, flag: &str, error: &dyn std::error::Error) -> Failure {
    Failure::new(Exit::Unavailable, format!("{server} at {place} ({flag}) cannot be used: {error}"))
}

/// Every topic: those of the contexts that have commands, and telemetry.
fn topics() -> Vec<String> {
    let contexts: BTreeSet<&str> = SCHEMAS.iter().filter(|s| s.kind == SchemaKind::Command).map(|s| s.context).collect();
    let streams = [Stream::Commands, Stream::Events, Stream::Results];
    let telemetry = ["telemetry.metric", "telemetry.log"].map(str::to_owned);
    contexts.iter().flat_map(|context| streams.map(|stream| stream.topic(context))).chain(telemetry).collect()
}

/// Refuses a folder that a newer program wrote.
fn check_format(data: &Path) -> Done {
    let file = data.join("format");
    match fs::read_to_string(&file) {
        Ok(text) if text.trim() == FORMAT.to_string() => Ok(()),
        Ok(text) => Err(Failure::new(
            Exit::Failed,
            format!(
                "the data folder {} has format {}, this program knows format {FORMAT}: use the program that wrote it",
                data.display(),
                text.trim()
            ),
        )),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(fs::write(&file, format!("{FORMAT}\n"))?),
        Err(error) => Err(Failure::new(Exit::Failed, format!("cannot read {}: {error}", file.display()))),
    }
}
