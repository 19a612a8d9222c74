//! A whole program in a directory of its own, on a free port.

use crate::faults::Faulty;
use analytics::Analytics;
use gateway::{Config, Limits};
use log::{Log, LogError, sqlite::SqliteLog};
use metrics_exporter_prometheus::PrometheusHandle;
use objects::Objects;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use service::Lifecycle;
use std::{
    future::Future,
    net::SocketAddr,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};
use stores::{Store, sqlite::SqliteStore};
use tempfile::TempDir;
use tokio::net::TcpListener;

/// One recorder of metrics serves all worlds of the process.
static METRICS: OnceLock<PrometheusHandle> = OnceLock::new();

/// Which parts run, and how the gateway is set.
pub struct Setting {
    /// Whether commands are decided.
    pub writer: bool,
    /// The bounds of the writer, and its clock.
    pub deciding: writer::Config,
    /// Whether read models are built.
    pub projector: bool,
    /// The token of the gateway.
    pub token: Option<&'static str>,
    /// The bounds of the gateway.
    pub limits: Limits,
    /// What the gateway's appends to the log meet.
    pub fault: Option<fn() -> LogError>,
}

impl Default for Setting {
    fn default() -> Self {
        let deciding = writer::Config::default();
        Self { writer: true, deciding, projector: true, token: None, limits: Limits::default(), fault: None }
    }
}

/// A running program.
pub struct World {
    pub address: SocketAddr,
    pub client: Client,
    pub lifecycle: Lifecycle,
    pub log: Arc<dyn Log>,
    /// Removed with the world.
    _directory: TempDir,
}

impl World {
    /// Everything, as it is by default.
    pub async fn start() -> Self {
        Self::with(Setting::default()).await
    }

    pub async fn with(setting: Setting) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let log: Arc<dyn Log> = Arc::new(SqliteLog::open_default(&directory.path().join("log")).unwrap());
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&directory.path().join("store")).unwrap());
        let lifecycle = Lifecycle::new();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let config = Config {
            listener,
            token: setting.token.map(str::to_owned),
            log: match setting.fault {
                Some(fault) => Arc::new(Faulty { log: log.clone(), fault }),
                None => log.clone(),
            },
            store: store.clone(),
            analytics: Analytics::absent("no engine here: install it".to_owned()),
            objects: Objects::directory(&directory.path().join("objects")).unwrap(),
            lifecycle: lifecycle.clone(),
            metrics: METRICS.get_or_init(|| service::telemetry::start_metrics().unwrap()).clone(),
            limits: setting.limits,
        };
        lifecycle.spawn("gateway", gateway::serve(config));
        if setting.writer {
            let (log, life) = (log.clone(), lifecycle.clone());
            lifecycle.spawn("writer", async move {
                let deciders = writer::Deciders::new().with::<work::Job>();
                writer::run(log, deciders, setting.deciding, &life).await
            });
        }
        if setting.projector {
            lifecycle.spawn("projector", projector::run(log.clone(), store.clone(), projections::all(), lifecycle.clone()));
        }
        let client = Client::builder().no_proxy().build().unwrap();
        let world = Self { address, client, lifecycle, log, _directory: directory };
        world
            .eventually("the program is ready", async || world.get("/livez").send().await.is_ok_and(|r| r.status() == 200))
            .await;
        world
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("http://{}{path}", self.address)).timeout(Duration::from_secs(60))
    }

    pub fn get(&self, path: &str) -> RequestBuilder {
        self.request(Method::GET, path)
    }

    pub fn post(&self, path: &str, body: &Value) -> RequestBuilder {
        self.request(Method::POST, path).json(body)
    }

    /// Submits a job and answers what the gateway said.
    pub async fn submit(&self, queue: &str) -> Value {
        let answer = self.post("/v1/commands/work.SubmitJob", &job(queue)).send().await.unwrap();
        assert_eq!(answer.status(), 201);
        answer.json().await.unwrap()
    }

    /// Waits for a condition, for long enough.
    pub async fn eventually(&self, what: &str, condition: impl AsyncFn() -> bool) {
        let start = Instant::now();
        while !condition().await {
            assert!(start.elapsed() < Duration::from_secs(30), "not in time: {what}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Ends the program; every part must end in order.
    pub async fn stop(self) {
        let ended = tokio::time::timeout(Duration::from_secs(30), self.lifecycle.finished()).await;
        assert_eq!(ended.expect("the program ends"), Ok(()));
    }
}

/// A job for a queue.
pub fn job(queue: &str) -> Value {
    json!({ "queue": queue, "kind": "train.wine", "config": { "epochs": 3 } })
}

/// The id in a command's answer.
pub fn id(answer: &Value) -> String {
    answer["aggregate"]["id"].as_str().unwrap().to_owned()
}

/// Asserts that the answer is a problem with this status and code, and gives its document.
pub async fn problem(answer: impl Future<Output = reqwest::Result<Response>>, status: u16, code: &str) -> Value {
    let answer = answer.await.unwrap();
    assert_eq!(answer.status(), StatusCode::from_u16(status).unwrap(), "{:?}", answer.text().await);
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    let path = answer.url().path().to_owned();
    let document: Value = answer.json().await.unwrap();
    assert_eq!(document["code"], code, "{document}");
    assert_eq!(document["status"], status);
    assert_eq!(document["type"], format!("/problems/{code}"));
    assert_eq!(document["instance"], path);
    assert!(document["title"].is_string() && document["detail"].is_string() && document["retryable"].is_boolean(), "{document}");
    document
}
