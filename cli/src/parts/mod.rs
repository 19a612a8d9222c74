//! What the roles of a process share: opened on files in one folder, or on the servers that were named.

mod connect;
mod topics;
pub mod watch;

pub use topics::all as topics;

use crate::{
    Done,
    failure::{Exit, Failure},
    roles::Role,
    servers::Servers,
};
use analytics::{Analytics, Remote};
use connect::persist;
use log::{Log, LogError, kafka::KafkaLog, sqlite::SqliteLog};
use objects::Objects;
use service::{
    Lifecycle, Status,
    settings::{self, Settings, without_password},
};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use stores::{Store, StoreError, postgres::PostgresStore, sqlite::SqliteStore};
use writer::Deciders;

/// Version of the folder's layout; a newer one is refused.
pub const FORMAT: u32 = 1;

/// How to open the parts.
pub struct Opening<'a> {
    /// Folder of what is not on a server.
    pub data: &'a Path,
    /// What is.
    pub servers: &'a Servers,
    /// File of the ClickHouse engine.
    pub chdb_library: Option<PathBuf>,
    /// Whose health says what is waited for, and who watches the servers.
    pub lifecycle: &'a Lifecycle,
}

/// The log, and what the roles need beside it.
pub struct Parts {
    /// The event log.
    pub log: Arc<dyn Log>,
    /// The operational store.
    store: Option<Arc<dyn Store>>,
    /// ClickHouse.
    pub analytics: Analytics,
    /// Archive and blobs.
    objects: Option<Objects>,
    /// The log, if it is a file that has to be closed.
    file: Option<Arc<SqliteLog>>,
}

impl Parts {
    /// Opens the folder, or makes it, and connects to the servers; one that is away is waited for. Without the
    /// ClickHouse engine everything but analytics works.
    pub async fn open(roles: &[Role], how: Opening<'_>) -> Done<Self> {
        let is = |needs: fn(Role) -> bool| roles.iter().any(|role| needs(*role));
        make_folder(how.data)?;
        let store = async { if is(Role::needs_store) { how.store().await.map(Some) } else { Ok(None) } };
        let ((log, file), store) = futures::try_join!(how.log(), store)?;
        let objects = if is(Role::needs_objects) { Some(how.objects()?) } else { None };
        let analytics = match how.servers.clickhouse() {
            Some(remote) if is(Role::needs_analytics) => how.clickhouse(remote)?,
            None if roles.contains(&Role::Analytics) => how.engine().await?,
            // An engine that no consumer in this process feeds would answer with rows that are missing.
            _ => Analytics::absent("this part runs alone and no ClickHouse server is named (--clickhouse URL)".into()),
        };
        Ok(Self { log, store, analytics, objects, file })
    }

    /// The operational store.
    pub fn store(&self) -> Done<Arc<dyn Store>> {
        self.store.clone().ok_or_else(|| Failure::new(Exit::Failed, "the operational store was not opened"))
    }

    /// Archive and blobs.
    pub fn objects(&self) -> Done<Objects> {
        self.objects.clone().ok_or_else(|| Failure::new(Exit::Failed, "the object store was not opened"))
    }

    /// Starts a role in `lifecycle`; the gateway is started by whoever has its listener.
    pub fn start(&self, role: Role, settings: &Settings, lifecycle: &Lifecycle) -> Done {
        let log = self.log.clone();
        // A sink in this process's folder is fed by this process alone.
        let is_shared = match role {
            Role::Gateway | Role::Writer => true,
            Role::Operational => settings.postgres.url.is_some(),
            Role::Analytics => settings.clickhouse.url.is_some(),
            Role::Archive => settings.s3.endpoint.is_some(),
        };
        let life = if is_shared { lifecycle.clone() } else { lifecycle.alone(&uuid::Uuid::now_v7().to_string()) };
        match role {
            Role::Gateway => {}
            Role::Writer => {
                let config = writer_config(&settings.writer);
                lifecycle.spawn(role.to_string(), async move {
                    writer::run(log, Deciders::new().with::<work::Job>(), config, &life).await
                });
            }
            Role::Operational => lifecycle.spawn(role.to_string(), consumer_operational::run(log, self.store()?, life)),
            Role::Analytics => lifecycle.spawn(role.to_string(), consumer_analytics::run(log, self.analytics.clone(), life)),
            Role::Archive => lifecycle.spawn(role.to_string(), consumer_archive::run(log, self.objects()?, life)),
        }
        Ok(())
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

impl Opening<'_> {
    async fn log(&self) -> Done<(Arc<dyn Log>, Option<Arc<SqliteLog>>)> {
        let topics = topics::all();
        let names: Vec<&str> = topics.iter().map(String::as_str).collect();
        let Some(config) = self.servers.kafka()? else {
            let file = Arc::new(SqliteLog::open_default(self.data)?);
            file.create_topics(&names).await?;
            return Ok((file.clone(), Some(file)));
        };
        let component = self.lifecycle.health().component("kafka");
        let place = format!("Kafka at {} (--kafka)", config.bootstrap);
        let mends = |error: &LogError| !matches!(error, LogError::Fatal(_));
        let connect = || async {
            let log = KafkaLog::connect(config.clone()).await?;
            log.create_topics(&names).await.map(|()| Arc::new(log))
        };
        let log: Arc<dyn Log> = persist(&component, &place, mends, connect).await.map_err(|error| unfit(&place, &error))?;
        let watch = watch::log(log.clone(), topics.first().cloned().unwrap_or_default(), component, self.lifecycle.shutdown());
        self.lifecycle.spawn("watch of kafka", watch);
        Ok((log, None))
    }

    async fn store(&self) -> Done<Arc<dyn Store>> {
        let Some(config) = self.servers.postgres() else { return Ok(Arc::new(SqliteStore::open(self.data)?)) };
        let component = self.lifecycle.health().component("postgres");
        let place = format!("PostgreSQL at {} (--postgres)", without_password(&config.url));
        let mends = |error: &StoreError| matches!(error, StoreError::Transient(_));
        let connect = || PostgresStore::connect(config.clone());
        let store = persist(&component, &place, mends, connect).await.map_err(|error| unfit(&place, &error))?;
        let store: Arc<dyn Store> = Arc::new(store);
        self.lifecycle.spawn("watch of postgres", watch::store(store.clone(), component, self.lifecycle.shutdown()));
        Ok(store)
    }

    /// An S3 server is asked when it is needed; who needs it says so when it is away.
    fn objects(&self) -> Done<Objects> {
        let Some(config) = self.servers.s3() else { return Ok(Objects::directory(&self.data.join("objects"))?) };
        let place = format!("S3 at {} (--s3)", config.endpoint);
        let objects = Objects::s3(config).map_err(|error| unfit(&place, &error))?;
        let (component, shutdown) = (self.lifecycle.health().component("s3"), self.lifecycle.shutdown());
        self.lifecycle.spawn("watch of s3", watch::objects(objects.clone(), component, shutdown));
        Ok(objects)
    }

    /// A ClickHouse server is asked when it is needed, too.
    fn clickhouse(&self, remote: Remote) -> Done<Analytics> {
        let analytics = Analytics::remote(remote).map_err(|error| Failure::new(Exit::Usage, error))?;
        let (component, shutdown) = (self.lifecycle.health().component("clickhouse"), self.lifecycle.shutdown());
        let watch = watch::analytics(analytics.clone(), component, Status::Degraded, shutdown);
        self.lifecycle.spawn("watch of clickhouse", watch);
        Ok(analytics)
    }

    async fn engine(&self) -> Done<Analytics> {
        let library = self.chdb_library.clone().unwrap_or_else(analytics::find_library);
        let folder = engine_folder(self.data);
        let opened = tokio::task::spawn_blocking(move || Analytics::embedded(&library, &folder)).await?;
        Ok(opened.unwrap_or_else(|error| Analytics::absent(error.to_string())))
    }
}

/// Makes the data folder, or refuses one that a newer program wrote.
pub fn make_folder(data: &Path) -> Done {
    fs::create_dir_all(data)
        .map_err(|e| Failure::new(Exit::Failed, format!("cannot make the data folder {} (--data): {e}", data.display())))?;
    check_format(data)
}

/// Where the engine keeps its tables.
pub fn engine_folder(data: &Path) -> PathBuf {
    data.join("clickhouse")
}

fn writer_config(settings: &settings::Writer) -> writer::Config {
    writer::Config {
        max_idempotency_keys: usize::try_from(settings.max_idempotency_keys).unwrap_or(usize::MAX),
        idempotency_window: Duration::from_secs(u64::from(settings.idempotency_days) * 24 * 3600),
        ..writer::Config::default()
    }
}

fn unfit(place: &str, error: &dyn std::error::Error) -> Failure {
    Failure::new(Exit::Failed, format!("{place} cannot be used: {error}"))
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
