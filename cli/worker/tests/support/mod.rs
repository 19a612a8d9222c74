//! A small server that keeps the rules of jobs and leases, and misbehaves on demand.
#![allow(clippy::unwrap_used, clippy::expect_used, dead_code, reason = "tests; not every test uses everything")]

use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, Request, State},
    http::{HeaderMap, StatusCode},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::{get, post, put},
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    future::Future,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};
use swarmlog_worker::{Config, Summary, Url, WorkerError, run};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub const TOKEN: &str = "secret";
pub const QUEUE: &str = "demo";

#[derive(Debug, Clone, Default)]
pub struct Job {
    pub status: &'static str,
    pub kind: String,
    pub config: Value,
    pub fence: i64,
    pub attempts: i64,
    pub checkpoint: Option<Value>,
    pub checkpoints: Vec<u64>,
    pub steps: Vec<u64>,
    pub renewals: u64,
    pub result: Value,
    pub result_uri: Option<String>,
    pub error: Option<(String, String)>,
}

#[derive(Debug, Default)]
pub struct Known {
    pub jobs: BTreeMap<Uuid, Job>,
    pub blobs: HashMap<String, Bytes>,
    /// Batches of metric points, each counted once.
    pub batches: BTreeMap<Uuid, Value>,
    pub batch_posts: usize,
    /// Statuses that the next requests get instead of an answer.
    pub refusals: VecDeque<u16>,
    /// Words that are carried out once although the answer is an error.
    pub lose_answer_of: Vec<&'static str>,
    /// What happens to a job right after its answer was lost.
    pub after_loss: Option<fn(&mut Job)>,
    /// Idempotency keys, in order.
    pub keys: Vec<String>,
    /// How often a job still looks as it did while it was held.
    pub old_views: u64,
}

#[derive(Clone, Default)]
pub struct Stub(Arc<Mutex<Known>>);

impl Stub {
    pub fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap()
    }

    pub fn submit(&self, kind: &str, config: Value) -> Uuid {
        let id = Uuid::from_u128(0x0199_0000_0000_7000_8000_0000_0000_0000 + self.known().jobs.len() as u128);
        let job = Job { status: "queued", kind: kind.to_owned(), config, ..Job::default() };
        self.known().jobs.insert(id, job);
        id
    }

    pub fn job(&self, id: Uuid) -> Job {
        self.known().jobs[&id].clone()
    }

    /// Serves on `address` until the test ends.
    pub async fn serve(&self, address: &str) -> SocketAddr {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new()
            .route("/v1/queues/{queue}/lease", post(lease))
            .route("/v1/leases/{lease}/{word}", post(word))
            .route("/v1/jobs/{id}", get(job))
            .route("/v1/blobs/{sha256}", put(put_blob).get(get_blob))
            .route("/v1/telemetry:batch", post(telemetry))
            .layer(DefaultBodyLimit::max(64 << 20))
            .layer(from_fn_with_state(self.clone(), gate))
            .with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        address
    }
}

fn problem(status: u16, code: &str, detail: &str) -> Response {
    (StatusCode::from_u16(status).unwrap(), Json(json!({ "status": status, "code": code, "detail": detail }))).into_response()
}

async fn gate(State(stub): State<Stub>, headers: HeaderMap, request: Request, next: Next) -> Response {
    if headers.get("authorization").is_none_or(|value| value != &format!("Bearer {TOKEN}")) {
        return problem(401, "unauthorized", "the token is wrong");
    }
    let refusal = stub.known().refusals.pop_front();
    match refusal {
        Some(status) => problem(status, "busy", "busy"),
        None => next.run(request).await,
    }
}

async fn lease(State(stub): State<Stub>, Path(queue): Path<String>, Json(body): Json<Value>) -> Response {
    assert_eq!((queue.as_str(), &body["n"]), (QUEUE, &json!(1)));
    let until = Instant::now() + Duration::from_millis(body["wait_ms"].as_u64().unwrap());
    loop {
        let leased = stub.known().jobs.iter_mut().find(|(_, job)| job.status == "queued").map(|(id, job)| {
            job.status = "leased";
            job.fence += 1;
            job.attempts += 1;
            json!({
                "lease_id": format!("{id}.{}", job.fence), "job_id": id, "fence": job.fence, "kind": job.kind, "queue": queue,
                "until": "2026-11-21T02:00:00.000000Z", "config": job.config, "attempt": job.attempts, "max_attempts": 10,
                "checkpoint": job.checkpoint,
            })
        });
        if leased.is_some() || Instant::now() >= until {
            return Json(json!({ "leases": leased.into_iter().collect::<Vec<_>>() })).into_response();
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn word(
    State(stub): State<Stub>,
    Path((lease, word)): Path<(String, String)>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    let (id, fence) = lease.split_once('.').unwrap();
    let mut known = stub.known();
    known.keys.extend(headers.get("idempotency-key").map(|key| key.to_str().unwrap().to_owned()));
    let job = known.jobs.get_mut(&id.parse().unwrap()).unwrap();
    let holds = job.fence.to_string() == fence && matches!(job.status, "leased" | "running");
    if word == "renew" {
        job.renewals += 1;
        let cancel = job.status == "cancelled";
        return Json(json!({ "ok": holds, "cancel": cancel, "lost": !holds, "until": "2026-11-21T02:00:00.000000Z" }))
            .into_response();
    }
    if !holds {
        return problem(409, "stale_fence", "the lease does not hold the job");
    }
    match word.as_str() {
        "progress" => {
            job.status = "running";
            job.steps.push(body["step"].as_u64().unwrap());
        }
        "checkpoint" => {
            let step = body["step"].as_u64().unwrap();
            if job.checkpoints.iter().any(|last| *last >= step) {
                return problem(409, "checkpoint_not_newer", "a later one exists");
            }
            job.checkpoints.push(step);
            job.checkpoint = Some(body);
        }
        "complete" => {
            job.status = "completed";
            job.result = body["result"].clone();
            job.result_uri = body["result_uri"].as_str().map(str::to_owned);
        }
        "fail" => {
            let text = |name: &str| body[name].as_str().unwrap().to_owned();
            job.status = if body["class"] == "transient" { "queued" } else { "failed" };
            job.error = Some((text("class"), text("message")));
        }
        other => panic!("no such word: {other}"),
    }
    if let Some(place) = known.lose_answer_of.iter().position(|lost| **lost == *word) {
        known.lose_answer_of.remove(place);
        if let Some(after) = known.after_loss {
            after(known.jobs.get_mut(&id.parse().unwrap()).unwrap());
        }
        return problem(500, "internal", "the answer was lost");
    }
    Json(json!({ "ok": true })).into_response()
}

async fn job(State(stub): State<Stub>, Path(id): Path<Uuid>) -> Json<Value> {
    let job = stub.job(id);
    let mut known = stub.known();
    let status = if known.old_views > 0 { "running" } else { job.status };
    known.old_views = known.old_views.saturating_sub(1);
    Json(json!({ "job_id": id, "status": status, "fence": job.fence, "result_uri": job.result_uri }))
}

async fn put_blob(State(stub): State<Stub>, Path(sha256): Path<String>, bytes: Bytes) -> Response {
    let digest: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(digest, sha256);
    let size = bytes.len();
    let created = stub.known().blobs.insert(sha256.clone(), bytes).is_none();
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    (status, Json(json!({ "uri": format!("blob:{sha256}"), "size_bytes": size }))).into_response()
}

async fn get_blob(State(stub): State<Stub>, Path(sha256): Path<String>) -> Response {
    match stub.known().blobs.get(&sha256) {
        Some(bytes) => bytes.clone().into_response(),
        None => problem(404, "absent", "there is no such blob"),
    }
}

async fn telemetry(State(stub): State<Stub>, Json(body): Json<Value>) -> Json<Value> {
    let mut known = stub.known();
    known.batch_posts += 1;
    let id = body["batch_id"].as_str().unwrap().parse().unwrap();
    if let Some(before) = known.batches.get(&id) {
        let values = |batch: &Value| batch["points"].as_array().unwrap().iter().map(|p| p["value"].clone()).collect::<Vec<_>>();
        assert_eq!(values(before), values(&body), "a repeated step must bring the same values");
    }
    known.batches.entry(id).or_insert(body);
    Json(json!({ "ok": true }))
}

pub fn config(address: SocketAddr) -> Config {
    let server = Url::parse(&format!("http://{address}")).unwrap();
    Config::new(server, Some(TOKEN.to_owned()), "tester", QUEUE)
}

/// A worker that runs.
pub struct Working {
    pub shutdown: CancellationToken,
    pub task: JoinHandle<Result<Summary, WorkerError>>,
}

impl Working {
    pub fn start(config: Config) -> Self {
        let shutdown = CancellationToken::new();
        Self { task: tokio::spawn(run(config, shutdown.clone())), shutdown }
    }

    /// Waits until the worker ends by itself.
    pub async fn end(self) -> Result<Summary, WorkerError> {
        tokio::time::timeout(Duration::from_secs(60), self.task).await.expect("the worker ends").unwrap()
    }

    pub async fn stop(self) -> Summary {
        self.shutdown.cancel();
        self.end().await.unwrap()
    }
}

/// A worker that ends once the queue is empty.
pub async fn work_off(address: SocketAddr) -> Summary {
    Working::start(Config { until_idle: Some(Duration::ZERO), ..config(address) }).end().await.unwrap()
}

pub async fn eventually<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) {
    let until = Instant::now() + Duration::from_secs(30);
    while !condition().await {
        assert!(Instant::now() < until, "waited 30 s until {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
