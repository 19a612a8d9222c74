//! The embedded mode: every part in this process, on files in one folder.

use crate::{
    Done,
    failure::{Exit, Failure},
};
use analytics::Analytics;
use log::{Log, sqlite::SqliteLog};
use objects::Objects;
use schemas::{SCHEMAS, SchemaKind, Stream};
use service::Lifecycle;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};
use stores::{Store, sqlite::SqliteStore};
use writer::Deciders;

/// Version of the folder's layout; a newer one is refused.
const FORMAT: u32 = 1;

/// Everything that the parts share.
pub struct Embedded {
    /// The event log.
    pub log: Arc<SqliteLog>,
    /// The operational store.
    pub store: Arc<SqliteStore>,
    /// ClickHouse.
    pub analytics: Analytics,
    /// Archive and blobs.
    pub objects: Objects,
}

impl Embedded {
    /// Opens the folder, or makes it. Without the ClickHouse engine everything but analytics works.
    pub async fn open(data: &Path, chdb_library: Option<PathBuf>) -> Done<Self> {
        fs::create_dir_all(data)
            .map_err(|e| Failure::new(Exit::Failed, format!("cannot make the data folder {} (--data): {e}", data.display())))?;
        check_format(data)?;
        let log = Arc::new(SqliteLog::open_default(data)?);
        let topics: Vec<String> = topics();
        log.create_topics(&topics.iter().map(String::as_str).collect::<Vec<_>>()).await?;
        let store = Arc::new(SqliteStore::open(data)?);
        let objects = Objects::directory(&data.join("objects"))?;
        let library = chdb_library.unwrap_or_else(analytics::find_library);
        let folder = data.join("clickhouse");
        let analytics = tokio::task::spawn_blocking(move || match Analytics::embedded(&library, &folder) {
            Ok(analytics) => analytics,
            Err(error) => Analytics::absent(error.to_string()),
        })
        .await?;
        Ok(Self { log, store, analytics, objects })
    }

    /// Starts the writer and the consumers in `lifecycle`.
    pub fn start(&self, lifecycle: &Lifecycle) {
        let log = || Arc::clone(&self.log) as Arc<dyn Log>;
        let store = || Arc::clone(&self.store) as Arc<dyn Store>;
        let life = || lifecycle.clone();
        let (for_writer, life_of_writer) = (log(), life());
        lifecycle.spawn("writer", async move {
            let deciders = Deciders::new().with::<work::Job>();
            writer::run(for_writer, deciders, writer::Config::default(), &life_of_writer).await
        });
        lifecycle.spawn("consumer operational", consumer_operational::run(log(), store(), life()));
        lifecycle.spawn("consumer analytics", consumer_analytics::run(log(), self.analytics.clone(), life()));
        lifecycle.spawn("consumer archive", consumer_archive::run(log(), self.objects.clone(), life()));
    }
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
