//! The worker protocol: `POST /v1/queues/{q}/lease` and `POST /v1/leases/{lease_id}/...`.
//!
//! A lease is asked for by queue; the gateway looks for a candidate and sends `work.LeaseJob`, and the job grants or
//! refuses. A stale look costs a retry, never a double lease. What a worker says under its lease becomes the command of
//! the same meaning with the lease's job and fence; a fence that is no longer the newest is told so.

use crate::{
    auth::Access,
    call::Call,
    candidates::Candidate,
    clock, codes, collections,
    commands::{self, answer_json},
    consistency,
    headers::CommandHeaders,
    names,
    openapi::{Operation, schemas as shapes},
    problem::Problem,
    render::{self, ValueJson},
    routes::{Answer, Route},
    submit::{Decision, Outcome, Wait},
};
use axum::http::{HeaderMap, Method};
use rand::Rng;
use schemas::{
    AnyProjection, ConsistencyToken, SchemaInfo, json,
    row::{Column, Value},
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::{Duration, Instant};
use stores::{Direction, Filter, Operator, Query};

/// Most leases of one request.
const MAX_LEASES: usize = 64;
/// How long a request for a lease waits at most.
const MAX_WAIT: Duration = Duration::from_secs(30);
/// How long a command of the protocol may take.
const DECIDED: Duration = Duration::from_secs(10);
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

#[derive(Serialize)]
struct RenewedJson {
    ok: bool,
    cancel: bool,
    lost: bool,
    until: Option<String>,
}

/// What a worker may say under its lease, the command that it becomes, and whether the body must say anything.
const SAYINGS: [(&str, &str, &str); 5] = [
    ("renew", "work.RenewLease", "Holds on to a job; says whether it was cancelled or lost."),
    ("progress", "work.ReportProgress", "Says how far the job is."),
    ("checkpoint", "work.RecordCheckpoint", "Records a point to resume from."),
    ("complete", "work.CompleteJob", "Ends the job well."),
    ("fail", "work.FailJob", "Says that the attempt failed."),
];

/// The rows of the table.
pub(crate) fn routes(limits: &crate::Limits) -> Vec<Route> {
    let lease = Operation::new("leaseJobs", "workers", "Takes jobs of a queue for a while, waiting for them if asked to.")
        .body("application/json", shapes::lease_request())
        .answer(200, "The leases, none if there was no job in time.", "application/json", shapes::leases())
        .problems(&[400, 401, 408, 413, 415, 503]);
    let mut routes = vec![Route::new(Method::POST, "/v1/queues/{queue}/lease", Access::Caller, lease, lease_jobs)];
    for (verb, command, summary) in SAYINGS {
        let Some(schema) = schemas::schema(command) else { continue };
        let answer = if verb == "renew" { shapes::renewed() } else { shapes::said() };
        let operation = Operation::new(format!("{verb}Lease"), "workers", summary)
            .header(
                "Idempotency-Key",
                "Repeats under the same key and body have one effect and get the first answer.",
                shapes::text(),
            )
            .body("application/json", without_lease(json::json_schema(schema)))
            .answer(200, "It is on record.", "application/json", answer)
            .problems(&[400, 401, 404, 408, 409, 413, 415, 422, 503]);
        let path = format!("/v1/leases/{{lease_id}}/{verb}");
        routes.push(Route::new(Method::POST, path, Access::Caller, operation, move |call| say(call, verb, schema)));
    }
    routes.into_iter().map(|route| route.takes(limits.body_bytes, limits.body_time)).collect()
}

/// The schema of a command without what the lease says.
fn without_lease(mut schema: serde_json::Value) -> serde_json::Value {
    for implied in ["job_id", "fence"] {
        if let Some(properties) = schema["properties"].as_object_mut() {
            properties.remove(implied);
        }
        if let Some(required) = schema["required"].as_array_mut() {
            required.retain(|name| name != implied);
        }
        if let Some(example) = schema.pointer_mut("/examples/0").and_then(serde_json::Value::as_object_mut) {
            example.remove(implied);
        }
    }
    schema
}

async fn lease_jobs(mut call: Call) -> Answer {
    let queue = call.name("queue")?.to_owned();
    let request: LeaseRequest = call.json().await?;
    names::name("worker", &request.worker)?;
    if !(1..=MAX_LEASES).contains(&request.n) {
        return Err(Problem::new(codes::INVALID_BODY, format!("n must be a number from 1 to {MAX_LEASES}")));
    }
    if !(1000..=3_600_000).contains(&request.duration_ms) {
        return Err(Problem::new(codes::INVALID_BODY, "duration_ms must be a number from 1000 to 3600000"));
    }
    if request.wait_ms > MAX_WAIT.as_millis() as u64 {
        return Err(Problem::new(codes::INVALID_BODY, "wait_ms must be a number from 0 to 30000"));
    }
    let full = |_| Problem::new(codes::BUSY, "too many requests wait for a job already; try again");
    let _permit = call.gateway.polls.try_acquire().map_err(full)?;
    let shutdown = call.gateway.lifecycle.shutdown();
    let deadline = Instant::now() + Duration::from_millis(request.wait_ms);
    let mut leases = Vec::new();
    loop {
        while leases.len() < request.n
            && let Some(lease) = next_lease(&call, &queue, &request).await?
        {
            leases.push(lease);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if !leases.is_empty() || left.is_zero() || shutdown.is_cancelled() {
            return Ok(answer_json(&LeasesJson { leases }));
        }
        let pause = Duration::from_millis(rand::rng().random_range(LOOK_AGAIN_MS)).min(left);
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Tries candidates until one is granted; `None` if none is left.
async fn next_lease(call: &Call, queue: &str, request: &LeaseRequest) -> Result<Option<serde_json::Value>, Problem> {
    let candidates = candidates(call, queue).await?;
    let schema = command("work.LeaseJob")?;
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

/// What a worker says under its lease.
async fn say(mut call: Call, verb: &'static str, schema: &'static SchemaInfo) -> Answer {
    let (job_id, fence) = names::lease(call.raw("lease_id")).map(|(job_id, fence)| (job_id.to_owned(), fence))?;
    let body = call.bytes(&["application/json"]).await?;
    let mut value = json::parse(&body, json::Limits { bytes: call.route.body.bytes })?;
    let Some(fields) = value.as_object_mut() else {
        return Err(Problem::new(codes::INVALID_BODY, "the body must be an object"));
    };
    if let Some(implied) = ["job_id", "fence"].into_iter().find(|implied| fields.contains_key(*implied)) {
        return Err(Problem::new(codes::INVALID_BODY, format!("/{implied}: the lease says it already; leave it out")));
    }
    fields.insert("job_id".to_owned(), job_id.as_str().into());
    fields.insert("fence".to_owned(), fence.into());
    let headers = std::mem::take(&mut call.parts.headers);
    let decision = decide(&call, schema, value, &headers).await?;
    let refusal = commands::refusal(&decision);
    match (verb, refusal) {
        ("renew", refusal) => renewed(&call, &job_id, fence, &decision, refusal).await,
        (_, Some(problem)) => Err(problem),
        (_, None) => Ok(answer_json(&json!({ "ok": true }))),
    }
}

/// Whether the lease still holds; a job that was cancelled or taken away is news, not an error.
async fn renewed(call: &Call, job_id: &str, fence: i64, decision: &Decision, refusal: Option<Problem>) -> Answer {
    match refusal {
        Some(problem) if problem.status() != 409 => return Err(problem),
        Some(problem) if problem.code() == "job_cancelled" => {
            return Ok(answer_json(&RenewedJson { ok: false, cancel: true, lost: false, until: None }));
        }
        Some(_) => return Ok(answer_json(&RenewedJson { ok: false, cancel: false, lost: true, until: None })),
        None => {}
    }
    let (columns, row) = job(call, job_id, &decision.token).await?;
    let cancel = render::text(columns, &row, "status") == Some("cancelled");
    let lost = !cancel && render::number(columns, &row, "fence") != Some(fence);
    let until = render::number(columns, &row, "lease_until").filter(|_| !cancel && !lost).map(clock::rfc3339);
    Ok(answer_json(&RenewedJson { ok: !cancel && !lost, cancel, lost, until }))
}

/// Sends a command and waits until it is decided.
async fn decide(
    call: &Call,
    schema: &'static SchemaInfo,
    body: serde_json::Value,
    headers: &HeaderMap,
) -> Result<Decision, Problem> {
    let headers = CommandHeaders::read(headers, DECIDED)?;
    let order = commands::order(&call.principal, schema, body, headers)?;
    let command_id = order.command_id;
    match call.gateway.submitter.send(&call.principal, order, Wait::Decided(DECIDED)).await? {
        Outcome::Decided(decision) => Ok(decision),
        Outcome::Accepted => Err(Problem::new(
            codes::BUSY,
            format!("the command was not decided in time; its status is at /v1/commands/{command_id}"),
        )),
    }
}

fn command(name: &str) -> Result<&'static SchemaInfo, Problem> {
    schemas::schema(name).ok_or_else(|| Problem::new(codes::UNKNOWN_COMMAND, format!("this server has no {name}")))
}

/// The row of a job, as new as `token`.
async fn job(call: &Call, job_id: &str, token: &ConsistencyToken) -> Result<(&'static [Column], Vec<Value>), Problem> {
    let absent = || Problem::new(codes::NOT_FOUND, "there is no such job");
    let collection = collections::find("jobs").ok_or_else(absent)?;
    let projection: &'static dyn AnyProjection = collection.projection;
    consistency::settle(&call.gateway, projection, token).await?;
    let key = [Value::Text(job_id.to_owned())];
    let row = call.gateway.store.get(&collection.table, call.principal.tenant, &key).await?;
    Ok((collection.table.columns, row.ok_or_else(absent)?))
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
