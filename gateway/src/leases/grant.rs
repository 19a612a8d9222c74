//! Handing out jobs: candidates from the queue's read model, the grant from the job itself.

use super::{candidates::Candidate, decide, job};
use crate::{
    auth::Access,
    call::Call,
    clock, codes, collections,
    commands::{self, answer_json},
    consistency, names,
    openapi::{Operation, schemas as shapes},
    problem::Problem,
    render::{self, ValueJson},
    routes::{Answer, Route},
};
use axum::http::{HeaderMap, Method};
use rand::Rng;
use schemas::row::{Column, Value};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::{Duration, Instant};
use stores::{Direction, Filter, Operator, Query};

/// Most leases of one request.
const MAX_LEASES: usize = 64;
/// How long a request for a lease waits at most.
const MAX_WAIT: Duration = Duration::from_secs(30);
/// How far behind the read model of jobs may be, in time, for a job to be handed out.
const CURRENT: Duration = Duration::from_secs(1);
/// Candidates of one look at the queue.
const CANDIDATES: usize = 32;
/// Time between two looks at an empty queue, in milliseconds; spread, so that waiting workers do not look together.
const LOOK_AGAIN_MS: std::ops::Range<u64> = 100..200;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LeaseRequest {
    worker: String,
    #[serde(default = "one")]
    n: usize,
    #[serde(default = "half_a_minute")]
    duration_ms: i64,
    #[serde(default)]
    wait_ms: u64,
}

fn one() -> usize {
    1
}

fn half_a_minute() -> i64 {
    30_000
}

#[derive(Serialize)]
struct LeasesJson {
    leases: Vec<serde_json::Value>,
}

/// The row of the table.
pub(super) fn route() -> Route {
    let operation = Operation::new("leaseJobs", "workers", "Takes jobs of a queue for a while, waiting for them if asked to.")
        .body("application/json", shapes::lease_request())
        .answer(200, "The leases, none if there was no job in time.", "application/json", shapes::leases())
        .problems(&[400, 401, 408, 413, 415, 503]);
    Route::new(Method::POST, "/v1/queues/{queue}/lease", Access::Caller, operation, lease_jobs)
}

async fn lease_jobs(mut call: Call) -> Answer {
    let queue = call.name("queue")?.to_owned();
    let request: LeaseRequest = call.json().await?;
    request.check()?;
    let full = |_| Problem::new(codes::BUSY, "too many requests wait for a job already; try again");
    let _permit = call.gateway.polls.try_acquire().map_err(full)?;
    let shutdown = call.gateway.lifecycle.shutdown();
    let deadline = Instant::now() + Duration::from_millis(request.wait_ms);
    let mut leases = Vec::new();
    loop {
        let last = take(&call, &queue, &request, &mut leases).await;
        let left = deadline.saturating_duration_since(Instant::now());
        match last {
            // What was granted is handed out whatever happened afterwards.
            Err(problem) if leases.is_empty() => return Err(problem),
            _ if !leases.is_empty() || left.is_zero() || shutdown.is_cancelled() => {
                return Ok(answer_json(&LeasesJson { leases }));
            }
            _ => {}
        }
        let pause = Duration::from_millis(rand::rng().random_range(LOOK_AGAIN_MS)).min(left);
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

impl LeaseRequest {
    fn check(&self) -> Result<(), Problem> {
        names::name("worker", &self.worker)?;
        let wrong = |detail: String| Err(Problem::new(codes::INVALID_BODY, detail));
        if !(1..=MAX_LEASES).contains(&self.n) {
            return wrong(format!("n must be a number from 1 to {MAX_LEASES}"));
        }
        if !(1000..=3_600_000).contains(&self.duration_ms) {
            return wrong("duration_ms must be a number from 1000 to 3600000".to_owned());
        }
        if Duration::from_millis(self.wait_ms) > MAX_WAIT {
            return wrong(format!("wait_ms must be a number from 0 to {}", MAX_WAIT.as_millis()));
        }
        Ok(())
    }
}

/// Takes jobs until there are as many as asked for, or no candidate is left.
async fn take(call: &Call, queue: &str, request: &LeaseRequest, leases: &mut Vec<serde_json::Value>) -> Result<(), Problem> {
    while leases.len() < request.n {
        match next_lease(call, queue, request).await? {
            Some(lease) => leases.push(lease),
            None => break,
        }
    }
    Ok(())
}

/// Tries candidates until one is granted; `None` if none is left.
async fn next_lease(call: &Call, queue: &str, request: &LeaseRequest) -> Result<Option<serde_json::Value>, Problem> {
    let candidates = candidates(call, queue).await?;
    let schema = schemas::schema("work.LeaseJob")
        .ok_or_else(|| Problem::new(codes::UNKNOWN_COMMAND, "this server has no work.LeaseJob"))?;
    if let (Some(jobs), false) = (collections::find("jobs"), candidates.is_empty()) {
        // A grant that cannot be told to the worker would cost the job an attempt; so nothing is granted while the row
        // to tell it from is far behind.
        consistency::settle_now(&call.gateway, jobs.projection, CURRENT).await?;
    }
    while let Some(candidate) = call.gateway.handed_out.pick(call.principal.tenant, &candidates) {
        let body = json!({ "job_id": candidate.job_id, "worker": request.worker, "duration_ms": request.duration_ms });
        let decision = decide(call, schema, body, &HeaderMap::new()).await?;
        // The job may be gone or taken, or be out of attempts, which ends it instead of granting it.
        if commands::refusal(&decision).is_some() || !decision.result.events.iter().any(|event| event == "work.JobLeased") {
            continue;
        }
        let (columns, row) = job(call, &candidate.job_id, &decision.token).await?;
        if render::number(columns, &row, "seq") == Some(decision.seq) {
            return Ok(Some(lease_json(columns, &row)));
        }
        // It was cancelled in the very moment; nobody holds it now.
    }
    Ok(None)
}

/// Jobs of the queue that may be free, best first.
async fn candidates(call: &Call, queue: &str) -> Result<Vec<Candidate>, Problem> {
    let table =
        projections::find("job_queue").ok_or_else(|| Problem::new(codes::NOT_FOUND, "this server keeps no queues"))?.table();
    let query = Query {
        table,
        tenant: call.principal.tenant.to_owned(),
        filters: vec![
            Filter { column: "queue", operator: Operator::Equal, value: Value::Text(queue.to_owned()) },
            Filter { column: "available_at", operator: Operator::AtMost, value: Value::Time(clock::now_micros()) },
        ],
        order: vec![("rank", Direction::Ascending), ("submitted_at", Direction::Ascending)],
        after: None,
        limit: CANDIDATES,
    };
    let rows = call.gateway.store.query(&query).await?;
    let candidate = |row: &Vec<Value>| {
        let job_id = render::text(table.columns, row, "job_id")?.to_owned();
        Some(Candidate { job_id, rank: render::number(table.columns, row, "rank")? })
    };
    Ok(rows.iter().filter_map(candidate).collect())
}

fn lease_json(columns: &[Column], row: &[Value]) -> serde_json::Value {
    let show = |name: &str| {
        let value = render::column(columns, row, name).unwrap_or(&Value::Null);
        serde_json::to_value(ValueJson(value)).unwrap_or_default()
    };
    let checkpoint = render::number(columns, row, "checkpoint_step").map(|step| {
        json!({
            "step": step,
            "uri": show("checkpoint_uri"),
            "sha256": show("checkpoint_sha256"),
            "size_bytes": show("checkpoint_size_bytes"),
        })
    });
    let job_id = render::text(columns, row, "job_id").unwrap_or_default();
    let fence = render::number(columns, row, "fence").unwrap_or_default();
    json!({
        "lease_id": format!("{job_id}.{fence}"),
        "job_id": job_id,
        "fence": fence,
        "until": show("lease_until"),
        "kind": show("kind"),
        "queue": show("queue"),
        "config": show("config"),
        "attempt": show("attempts"),
        "max_attempts": show("max_attempts"),
        "checkpoint": checkpoint,
    })
}
