//! What a worker says under its lease.

use super::{decide, job};
use crate::{
    auth::Access,
    call::Call,
    clock, codes,
    commands::{self, answer_json},
    names,
    openapi::{Operation, schemas as shapes},
    problem::Problem,
    render,
    routes::{Answer, Route},
    submit::Decision,
};
use axum::http::Method;
use schemas::{SchemaInfo, json};
use serde::Serialize;
use serde_json::json;

#[derive(Serialize)]
struct RenewedJson {
    ok: bool,
    cancel: bool,
    lost: bool,
    until: Option<String>,
}

/// What a worker may say under its lease, the command that it becomes, and what it is for.
const SAYINGS: [(&str, &str, &str); 5] = [
    ("renew", "work.RenewLease", "Holds on to a job; says whether it was cancelled or lost."),
    ("progress", "work.ReportProgress", "Says how far the job is."),
    ("checkpoint", "work.RecordCheckpoint", "Records a point to resume from."),
    ("complete", "work.CompleteJob", "Ends the job well."),
    ("fail", "work.FailJob", "Says that the attempt failed."),
];

/// The rows of the table.
pub(super) fn routes() -> impl Iterator<Item = Route> {
    SAYINGS.into_iter().filter_map(|(verb, command, summary)| {
        let schema = schemas::schema(command)?;
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
        Some(Route::new(Method::POST, path, Access::Caller, operation, move |call| say(call, verb, schema)))
    })
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
    // The lease is renewed; that its end cannot be read for now is no reason to say otherwise.
    let Ok((columns, row)) = job(call, job_id, &decision.token).await else {
        return Ok(answer_json(&RenewedJson { ok: true, cancel: false, lost: false, until: None }));
    };
    let cancel = render::text(columns, &row, "status") == Some("cancelled");
    let lost = !cancel && render::number(columns, &row, "fence") != Some(fence);
    let until = render::number(columns, &row, "lease_until").filter(|_| !cancel && !lost).map(clock::rfc3339);
    Ok(answer_json(&RenewedJson { ok: !cancel && !lost, cancel, lost, until }))
}
