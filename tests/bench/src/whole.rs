//! The whole program within this process, on files, as `swarmlog up` has it: writer and all consumers, with their metrics.
//!
//! The gateway's HTTP is opened only to ask how far the consumers are, so that under a load of the in-process client
//! nobody but that client listens to results.

use crate::{
    server::TOKEN,
    steering::{EVERY, Steering},
};
use analytics::Analytics;
use anyhow::{Context, Result, ensure};
use gateway::{Client, Config, Limits};
use log::{Log, sqlite::SqliteLog};
use metrics_exporter_prometheus::PrometheusHandle;
use objects::Objects;
use schemas::{Stream, snapshots_topic};
use service::{Lifecycle, telemetry};
use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};
use stores::{Store, sqlite::SqliteStore};
use tokio::net::TcpListener;
use writer::Deciders;

/// The longest start.
const START: Duration = Duration::from_secs(60);

/// All parts but the gateway.
pub struct Whole {
    log: Arc<SqliteLog>,
    store: Arc<dyn Store>,
    analytics: Analytics,
    objects: Objects,
    metrics: PrometheusHandle,
    lifecycle: Lifecycle,
}

impl Whole {
    /// Starts them on the folder `data` and waits until all are ready.
    pub async fn start(data: &Path) -> Result<Self> {
        let log = Arc::new(SqliteLog::open_default(data)?);
        let streams = [Stream::Commands, Stream::Events, Stream::Results].map(|stream| stream.topic("work"));
        let others = [snapshots_topic("work"), "telemetry.metric".to_owned(), "telemetry.log".to_owned()];
        let topics: Vec<&str> = streams.iter().chain(&others).map(String::as_str).collect();
        log.create_topics(&topics).await?;
        let folder = data.join("clickhouse");
        let engine = tokio::task::spawn_blocking(move || Analytics::embedded(&analytics::find_library(), &folder)).await?;
        let whole = Self {
            log,
            store: Arc::new(SqliteStore::open(data)?),
            analytics: engine.unwrap_or_else(|error| Analytics::absent(error.to_string())),
            objects: Objects::directory(&data.join("objects"))?,
            metrics: telemetry::start_metrics()?,
            lifecycle: Lifecycle::new(),
        };
        whole.start_parts();
        let start = Instant::now();
        while !whole.lifecycle.health().is_ready() {
            ensure!(start.elapsed() < START, "not ready after {START:?}: {:?}", whole.lifecycle.health().statuses());
            tokio::time::sleep(EVERY).await;
        }
        Ok(whole)
    }

    fn start_parts(&self) {
        let (log, life): (Arc<dyn Log>, _) = (self.log.clone(), &self.lifecycle);
        let (writers_log, writers_life) = (log.clone(), life.clone());
        life.spawn("writer", async move {
            writer::run(writers_log, Deciders::new().with::<work::Job>(), writer::Config::default(), &writers_life).await
        });
        life.spawn("operational", consumer_operational::run(log.clone(), self.store.clone(), life.clone()));
        life.spawn("analytics", consumer_analytics::run(log.clone(), self.analytics.clone(), life.clone()));
        life.spawn("archive", consumer_archive::run(log, self.objects.clone(), life.clone()));
    }

    /// A client that sends commands without HTTP, with the bounds of a gateway.
    pub async fn client(&self) -> Result<Client> {
        Ok(Client::start(self.log.clone(), &Limits::default()).await?)
    }

    /// Opens the gateway for as long as `ask` takes.
    pub async fn asked<T>(&self, ask: impl AsyncFnOnce(Steering) -> Result<T>) -> Result<T> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let life = self.lifecycle.stage();
        life.spawn(
            "gateway",
            gateway::serve(Config {
                listener,
                token: Some(TOKEN.to_owned()),
                log: self.log.clone(),
                store: self.store.clone(),
                analytics: self.analytics.clone(),
                objects: self.objects.clone(),
                lifecycle: life.clone(),
                metrics: self.metrics.clone(),
                limits: Limits::default(),
            }),
        );
        let answer = ask(Steering::open(address).await?).await;
        life.finished().await.context("the gateway did not end well")?;
        answer
    }

    /// Ends all parts and closes what they wrote.
    pub async fn stop(self) -> Result<()> {
        self.lifecycle.finished().await?;
        self.analytics.close().await?;
        Ok(self.log.close().await?)
    }
}
