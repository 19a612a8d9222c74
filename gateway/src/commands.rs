//! `POST /v1/commands/{type}`: one route per command schema, and one that says what there is.
//!
//! What enters is JSON and headers; what leaves is the writer's answer, or 202 where the caller does not wait for it.
//! Nothing here knows a command: bodies, checks and documents come from the schemas.

use crate::{
    auth::{Access, Principal},
    call::Call,
    codes, collections,
    headers::{self, CommandHeaders},
    openapi::{Operation, schemas as shapes},
    problem::Problem,
    routes::{Answer, Route},
    submit::{Decision, Order, Outcome, Wait},
};
use axum::{
    body::Body,
    http::{HeaderValue, Method, Response, StatusCode, header},
};
use schemas::{SchemaInfo, SchemaKind, json};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

/// An aggregate, in an answer.
#[derive(Serialize)]
pub(crate) struct AggregateJson<'a> {
    /// Its type.
    pub r#type: &'a str,
    /// Its identity.
    pub id: &'a str,
}

/// The answer to a decided command.
#[derive(Serialize)]
pub(crate) struct DecidedJson<'a> {
    /// Its identity.
    pub command_id: Uuid,
    /// The aggregate that it is for.
    pub aggregate: AggregateJson<'a>,
    /// Sequence number of the aggregate afterwards.
    pub seq: i64,
    /// Types of the events that followed.
    pub events: &'a [String],
    /// What a query has to see to show it.
    pub token: &'a str,
}

/// The answer to a command that is on record.
#[derive(Serialize)]
pub(crate) struct AcceptedJson<'a> {
    /// Its identity.
    pub command_id: Uuid,
    /// The aggregate that it is for.
    pub aggregate: AggregateJson<'a>,
    /// `accepted`
    pub state: &'static str,
    /// Where its status is told.
    pub status_url: &'a str,
}

/// The schemas of all commands.
pub(crate) fn all() -> impl Iterator<Item = &'static SchemaInfo> {
    schemas::SCHEMAS.iter().filter(|schema| schema.kind == SchemaKind::Command)
}

/// The rows of the table.
pub(crate) fn routes(limits: &crate::Limits) -> Vec<Route> {
    let known = all().map(|schema| {
        let operation =
            document(schema.name.replace('.', "_"), summary(schema)).body("application/json", json::json_schema(schema));
        Route::new(Method::POST, format!("/v1/commands/{}", schema.name), Access::Caller, operation, move |call| {
            submit(call, schema)
        })
    });
    let unknown =
        Operation::new("unknownCommand", "commands", "Says which commands there are, for any other name.").problems(&[404]);
    known
        .chain([Route::new(Method::POST, "/v1/commands/{id}", Access::Caller, unknown, |_| async { Err(unknown_command()) })])
        .map(|route| route.takes(limits.body_bytes, limits.body_time))
        .collect()
}

fn summary(schema: &SchemaInfo) -> String {
    let document: Option<Value> = serde_json::from_str(schema.json).ok();
    document.and_then(|document| document["doc"].as_str().map(str::to_owned)).unwrap_or_else(|| schema.name.to_owned())
}

/// What all commands have in common, for the documents.
fn document(id: String, summary: String) -> Operation {
    Operation::new(id, "commands", summary)
        .header(
            "Idempotency-Key",
            "Repeats under the same key and body have one effect and get the first answer.",
            shapes::text(),
        )
        .header(
            "If-Match",
            "The sequence number that the aggregate must be at, in quotes, or * if it must exist.",
            shapes::text(),
        )
        .header("If-None-Match", "* if the aggregate must not exist.", shapes::text())
        .header("Prefer", "respond-async, wait=<seconds>, return=minimal (RFC 7240).", shapes::text())
        .header("traceparent", "The trace that the command belongs to (W3C).", shapes::text())
        .header("X-Correlation-Id", "The conversation that the command belongs to.", shapes::uuid())
        .header("X-Occurred-At", "When it happened, as the caller says.", shapes::moment())
        .answer(200, "It was carried out.", "application/json", shapes::decided())
        .answer(
            201,
            "It was carried out and made the aggregate; Location says where it is read.",
            "application/json",
            shapes::decided(),
        )
        .answer(202, "It is on record and will be decided; Location is its status.", "application/json", shapes::accepted())
        .problems(&[400, 401, 403, 404, 408, 409, 412, 413, 415, 422, 503])
}

/// What is said to a name that no command has.
pub(crate) fn unknown_command() -> Problem {
    let known: Vec<_> = all().map(|schema| schema.name).collect();
    Problem::new(codes::UNKNOWN_COMMAND, format!("there is no such command; there are {}", known.join(", ")))
}

async fn submit(mut call: Call, schema: &'static SchemaInfo) -> Answer {
    let headers = CommandHeaders::read(&call.parts.headers, call.gateway.limits.max_command_wait)?;
    let body = call.bytes(&["application/json"]).await?;
    let value = json::parse(&body, json::Limits { bytes: call.route.body.bytes })?;
    let prefer = headers.prefer;
    let order = order(&call.principal, schema, value, headers)?;
    let (command_id, aggregate_id) = (order.command_id, order.aggregate_id.clone());
    let wait = wait(prefer, &call.gateway.limits);
    let outcome = call.gateway.submitter.send(&call.principal, order, wait).await?;
    let aggregate = AggregateJson { r#type: schema.aggregate.unwrap_or_default(), id: &aggregate_id };
    let mut response = match &outcome {
        Outcome::Decided(decision) => decided(command_id, aggregate, decision, prefer.minimal)?,
        Outcome::Accepted => accepted(command_id, aggregate, prefer.minimal),
    };
    if prefer != headers::Preferences::default() {
        insert(&mut response, headers::PREFERENCE_APPLIED, &prefer.applied());
    }
    Ok(response)
}

/// When a command is answered whose caller prefers this.
pub(crate) fn wait(prefer: headers::Preferences, limits: &crate::Limits) -> Wait {
    match (prefer.respond_async, prefer.wait) {
        (true, wait) => Wait::Recorded(wait.unwrap_or_default()),
        (false, wait) => Wait::Decided(wait.unwrap_or(limits.command_wait)),
    }
}

/// A command from its JSON form, with the identities that the caller left out.
pub(crate) fn order(
    principal: &Principal,
    schema: &'static SchemaInfo,
    value: Value,
    headers: CommandHeaders,
) -> Result<Order, Problem> {
    let key = headers.idempotency_key.as_deref();
    let command_id = key.map_or_else(Uuid::now_v7, |key| schemas::command_id(principal.tenant, schema.name, key));
    let body_hash = key.map(|_| json::body_hash(&value).to_vec());
    let value = json::with_generated(schema, value, &schemas::aggregate_id(command_id).to_string());
    let encoded = json::encode(schema, value)?;
    Ok(Order {
        schema,
        command_id,
        aggregate_id: encoded.aggregate_id,
        payload: encoded.wire,
        correlation_id: headers.correlation_id,
        traceparent: headers.traceparent,
        occurred_at: headers.occurred_at,
        expected_seq: headers.expected_seq,
        body_hash,
    })
}

/// The problem that a refused command is, if it was refused.
pub(crate) fn refusal(decision: &Decision) -> Option<Problem> {
    if (200..300).contains(&decision.result.status) {
        return None;
    }
    let mut problem = Problem::refused(decision.result.status, decision.result.code.clone(), decision.result.detail.clone());
    problem = problem.seq(decision.seq);
    if let Ok(token) = HeaderValue::try_from(decision.token.to_string()) {
        problem = problem.header(headers::CONSISTENCY_TOKEN, token);
    }
    if decision.seq > 0 {
        problem = problem.header(header::ETAG, etag(decision.seq));
    }
    Some(problem)
}

fn decided(command_id: Uuid, aggregate: AggregateJson<'_>, decision: &Decision, minimal: bool) -> Answer {
    if let Some(problem) = refusal(decision) {
        return Err(problem);
    }
    let token = decision.token.to_string();
    let created = decision.result.status == 201;
    let location = created.then(|| location(&aggregate));
    let body = DecidedJson { command_id, aggregate, seq: decision.seq, events: &decision.result.events, token: &token };
    let mut response = if minimal { Response::new(Body::empty()) } else { answer_json(&body) };
    *response.status_mut() = if created { StatusCode::CREATED } else { StatusCode::OK };
    response.headers_mut().insert(header::ETAG, etag(decision.seq));
    insert(&mut response, headers::CONSISTENCY_TOKEN, &token);
    if let Some(location) = location {
        insert(&mut response, header::LOCATION, &location);
    }
    Ok(response)
}

fn accepted(command_id: Uuid, aggregate: AggregateJson<'_>, minimal: bool) -> Response<Body> {
    let status_url = format!("/v1/commands/{command_id}");
    let body = AcceptedJson { command_id, aggregate, state: "accepted", status_url: &status_url };
    let mut response = if minimal { Response::new(Body::empty()) } else { answer_json(&body) };
    *response.status_mut() = StatusCode::ACCEPTED;
    insert(&mut response, header::LOCATION, &status_url);
    response
}

/// Where an aggregate is read.
fn location(aggregate: &AggregateJson<'_>) -> String {
    match collections::of_aggregate(aggregate.r#type) {
        Some(collection) => format!("/v1/{}/{}", collection.name(), aggregate.id),
        None => format!("/v1/aggregates/{}/{}/history", aggregate.r#type, aggregate.id),
    }
}

/// `"<seq>"`
pub(crate) fn etag(seq: i64) -> HeaderValue {
    HeaderValue::try_from(format!("\"{seq}\"")).unwrap_or(HeaderValue::from_static("\"0\""))
}

/// 200 with a JSON body.
pub(crate) fn answer_json(body: &impl Serialize) -> Response<Body> {
    let mut response = Response::new(Body::from(serde_json::to_vec(body).unwrap_or_default()));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Sets a header; text that is no header value is left out.
pub(crate) fn insert(response: &mut Response<Body>, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::try_from(value) {
        response.headers_mut().insert(name, value);
    }
}
