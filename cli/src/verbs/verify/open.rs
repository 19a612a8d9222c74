//! Opens what is checked, and makes nothing that is not there.
//!
//! A file is only opened if no process holds its folder; a server that is away is not waited for.

use crate::{
    Done,
    failure::{Exit, Failure},
    parts::FORMAT,
    servers::Servers,
};
use analytics::{Analytics, Remote};
use log::{
    Log, LogError,
    kafka::KafkaLog,
    sqlite::{self, SqliteLog},
};
use objects::Objects;
use service::settings::without_password;
use std::{
    fmt::Display,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use stores::{PostgresConfig, PostgresStore, SqliteStore, Store, StoreError};
use verify::Sources;

/// So long a server may take to let us in.
const CONNECT: Duration = Duration::from_secs(30);

/// What is checked, and what of it has to be closed.
pub struct Opened {
    sources: Sources,
    analytics: Analytics,
    file: Option<Arc<SqliteLog>>,
}

impl Opened {
    /// Opens the servers that the settings name, and the rest in `folder`.
    pub async fn open(folder: &Path, servers: &Servers, library: Option<PathBuf>) -> Done<Self> {
        let (kafka, postgres, s3) = (servers.kafka()?, servers.postgres(), servers.s3());
        if kafka.is_none() || postgres.is_none() {
            check_format(folder)?;
        }
        let (log, file): (Arc<dyn Log>, _) = match kafka {
            Some(config) => {
                let place = format!("Kafka at {}", config.bootstrap);
                let away = |error: LogError| unfit(&place, matches!(error, LogError::Transient(_)), &error);
                let connect = async {
                    if !KafkaLog::is_founded(config.clone()).await.map_err(away)? {
                        return Err(Failure::new(Exit::NotFound, format!("there is no log in {place}")));
                    }
                    KafkaLog::connect(config).await.map_err(away)
                };
                (Arc::new(bounded(&place, connect).await?), None)
            }
            None => {
                present(folder, "log.db")?;
                let file = Arc::new(SqliteLog::open_default(folder).map_err(|error| {
                    let is_held = matches!(error, sqlite::OpenError::Held { .. });
                    Failure::new(if is_held { Exit::Conflict } else { Exit::Failed }, error)
                })?);
                (file.clone(), Some(file))
            }
        };
        let store: Arc<dyn Store> = match postgres {
            Some(config) => {
                // Each read model's snapshot keeps a connection.
                let pool_size = config.pool_size.max(projections::all().len() + 1);
                let config = PostgresConfig { pool_size, ..config };
                let place = format!("PostgreSQL at {}", without_password(&config.url));
                let away = |error: StoreError| unfit(&place, matches!(error, StoreError::Transient(_)), &error);
                Arc::new(bounded(&place, async { PostgresStore::connect(config).await.map_err(away) }).await?)
            }
            None => {
                present(folder, "store.db")?;
                Arc::new(SqliteStore::open(folder).map_err(|error| {
                    let is_held = matches!(error, stores::OpenError::Held { .. });
                    Failure::new(if is_held { Exit::Conflict } else { Exit::Failed }, error)
                })?)
            }
        };
        let objects = match s3 {
            Some(config) => Some(Objects::s3(config)?),
            None => {
                Some(folder.join("objects")).filter(|place| place.exists()).map(|place| Objects::directory(&place)).transpose()?
            }
        };
        let analytics = match servers.clickhouse() {
            Some(remote) => clickhouse(remote).await?,
            None => engine(folder, library).await?,
        };
        Ok(Self { sources: Sources { log, store, analytics: Some(analytics.clone()), objects }, analytics, file })
    }

    /// What is checked.
    pub fn sources(&self) -> Sources {
        self.sources.clone()
    }

    /// Closes what has to be closed.
    pub async fn close(self) -> Done {
        drop(self.sources);
        self.analytics.close().await?;
        if let Some(file) = self.file {
            file.close().await?;
        }
        Ok(())
    }
}

/// A ClickHouse server.
async fn clickhouse(remote: Remote) -> Done<Analytics> {
    let place = format!("ClickHouse at {}", without_password(&remote.url));
    let analytics = Analytics::remote(remote).map_err(|error| unfit(&place, false, &error))?;
    let check = async { analytics.check().await.map_err(|error| unfit(&place, true, &error)) };
    bounded(&place, check).await.map(|()| analytics)
}

/// The engine on its folder, or why there is none to ask.
async fn engine(folder: &Path, library: Option<PathBuf>) -> Done<Analytics> {
    let folder = folder.join("clickhouse");
    if !folder.exists() {
        return Ok(Analytics::absent(format!("the ClickHouse engine has no folder {}", folder.display())));
    }
    let library = library.unwrap_or_else(analytics::find_library);
    let opened = tokio::task::spawn_blocking(move || Analytics::embedded(&library, &folder)).await?;
    Ok(opened.unwrap_or_else(|error| Analytics::absent(error.to_string())))
}

async fn bounded<T>(place: &str, connect: impl Future<Output = Done<T>>) -> Done<T> {
    let silent = |_| Failure::new(Exit::Unavailable, format!("{place} did not answer within {} s", CONNECT.as_secs()));
    tokio::time::timeout(CONNECT, connect).await.map_err(silent)?
}

fn unfit(place: &str, is_away: bool, error: &dyn Display) -> Failure {
    Failure::new(if is_away { Exit::Unavailable } else { Exit::Failed }, format!("{place} cannot be used: {error}"))
}

/// Refuses a folder that is none of ours, or that a newer program wrote.
fn check_format(folder: &Path) -> Done {
    let format = fs::read_to_string(folder.join("format")).map_err(|error| {
        let none = format!("there is no data in {} ({error}); name the folder, or the servers", folder.display());
        Failure::new(Exit::NotFound, none)
    })?;
    if format.trim() == FORMAT.to_string() {
        return Ok(());
    }
    let other = format!(
        "the data folder {} has format {}, this program knows format {FORMAT}: use the program that wrote it",
        folder.display(),
        format.trim()
    );
    Err(Failure::new(Exit::Failed, other))
}

/// A file that is missing is not made.
fn present(folder: &Path, name: &str) -> Done {
    let file = folder.join(name);
    if file.exists() {
        return Ok(());
    }
    let none = format!("there is no {}; if it lies on a server, name it as `swarmlog up` was told", file.display());
    Err(Failure::new(Exit::NotFound, none))
}
