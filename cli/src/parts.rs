//! Everything that the parts share: on files in one folder, or on the servers that were named.

use crate::{
    Done,
    failure::{Exit, Failure},
    servers::Servers,
};
use analytics::Analytics;
use log::{Log, kafka::KafkaLog, sqlite::SqliteLog};
use objects::Objects;
use schemas::{SCHEMAS, SchemaKind, Stream};
use service::Lifecycle;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};
use stores::{Store, postgres::PostgresStore, sqlite::SqliteStore};
use writer::Deciders;

/// Version of the folder's layout; a newer one is refused.
pub const FORMAT: u32 = 1;

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
        let (log, file) = open_log(data, &servers).await?;
        let topics = topics();
        log.create_topics(&topics.iter().map(String::as_str).collect::<Vec<_>>()).await?;
        let store = open_store(data, &servers).await?;
        let objects = open_objects(data, &servers)?;
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

async fn open_log(data: &Path, servers: &Servers) -> Done<(Arc<dyn Log>, Option<Arc<SqliteLog>>)> {
    let Some(config) = servers.kafka()? else {
        let file = Arc::new(SqliteLog::open_default(data)?);
        return Ok((file.clone(), Some(file)));
    };
    let brokers = config.bootstrap.clone();
    let log = KafkaLog::connect(config).await.map_err(|error| away("Kafka", &brokers, "--kafka", &error))?;
    Ok((Arc::new(log), None))
}

async fn open_store(data: &Path, servers: &Servers) -> Done<Arc<dyn Store>> {
    let Some(config) = servers.postgres() else { return Ok(Arc::new(SqliteStore::open(data)?)) };
    // The URL may hold a password, so only what follows it is named.
    let place = config.url.rsplit('@').next().unwrap_or_default().to_owned();
    let store = PostgresStore::connect(config).await;
    Ok(Arc::new(store.map_err(|error| away("PostgreSQL", &place, "--postgres", &error))?))
}

fn open_objects(data: &Path, servers: &Servers) -> Done<Objects> {
    let Some(config) = servers.s3() else { return Ok(Objects::directory(&data.join("objects"))?) };
    let endpoint = config.endpoint.clone();
    Objects::s3(config).map_err(|error| away("S3", &endpoint, "--s3", &error))
}

fn away(server: &str, place: &str, flag: &str, error: &dyn std::error::Error) -> Failure {
    Failure::new(Exit::Unavailable, format!("{server} at {place} ({flag}) cannot be used: {error}"))
}

/// Every topic: those of the contexts that have commands, and telemetry.
pub fn topics() -> Vec<String> {
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
