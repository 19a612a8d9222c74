//! `GET /v1/commands/{id}`: what became of a command.
//!
//! Answered from the read model of commands. A command that is not there yet is looked for again once the read model
//! has seen everything that the log held when the request came; so whoever was told 202 is never told 404, with or
//! without a token. If the read model does not get there in time the answer is 503.
//!
//! A command that the log forgot before it was answered has expired: nobody will decide it any more. This is found out
//! when somebody asks, since rows know no clock.

use crate::{
    Gateway,
    auth::Access,
    call::Call,
    clock, codes, collections,
    commands::{AggregateJson, answer_json, etag, insert},
    consistency, headers,
    openapi::{Operation, schemas as shapes},
    problem::Problem,
    render,
    routes::{Answer, Route},
};
use axum::http::{HeaderValue, Method, header};
use log::Source;
use schemas::{
    ConsistencyToken, Stream,
    row::{Column, Value},
};
use serde::Serialize;
use serde_json::value::RawValue;
use std::time::Duration;
use uuid::Uuid;

/// A command that waits for so long may have been forgotten; by so much the times of a partition may be off, too.
const LONG_AGO: Duration = Duration::from_hours(1);

#[derive(Serialize)]
struct StatusJson<'a> {
    command_id: Uuid,
    r#type: &'a str,
    state: &'a str,
    /// Absent as long as the command waits for its answer.
    status: Option<i64>,
    aggregate: AggregateJson<'a>,
    seq: Option<i64>,
    events: Option<&'a RawValue>,
    code: Option<&'a str>,
    detail: Option<&'a str>,
    token: Option<String>,
    actor: Option<&'a str>,
    accepted_at: Option<String>,
    finished_at: Option<String>,
}

/// The rows of the table.
pub(crate) fn routes() -> Vec<Route> {
    let operation =
        Operation::new("getCommand", "commands", "What became of a command: accepted, done, refused, undecodable or expired.")
            .header("X-Consistency-Token", "What the answer has to show at least.", shapes::text())
            .answer(200, "Its status.", "application/json", shapes::command_status())
            .problems(&[400, 401, 404, 410, 503]);
    vec![Route::new(Method::GET, "/v1/commands/{id}", Access::Caller, operation, status)]
}

async fn status(call: Call) -> Answer {
    let id = Uuid::try_parse(call.name("id")?)
        .map_err(|_| Problem::new(codes::INVALID_ID, "the id of a command is a UUID, as its answer and its Location say"))?;
    call.no_query()?;
    let gateway = &call.gateway;
    let Some(collection) = collections::find("commands") else {
        return Err(Problem::new(codes::NOT_FOUND, "this server keeps no status of commands"));
    };
    if let Some(token) = call.token()? {
        consistency::settle(gateway, collection.projection, &token).await?;
    }
    let key = [Value::Text(id.to_string())];
    let columns = collection.table.columns;
    let read = async || gateway.store.get(&collection.table, call.principal.tenant, &key).await;
    // A row without a type was made by the answer alone; the command itself is about to be read.
    let is_whole = |row: &Vec<Value>| render::text(columns, row, "type").is_some_and(|name| !name.is_empty());
    // Before the first projection there is no table, which the wait below sorts out.
    let row = match read().await.ok().flatten().filter(is_whole) {
        Some(row) => row,
        None => {
            consistency::settle_now(gateway, collection.projection, gateway.limits.status_wait).await?;
            let absent = || Problem::new(codes::NOT_FOUND, "there is no such command");
            read().await?.ok_or_else(absent)?
        }
    };
    let (row, has_expired) = if is_forgotten(gateway, columns, &row).await? {
        // Its answer may be on the way into the read model.
        consistency::settle_now(gateway, collection.projection, gateway.limits.status_wait).await?;
        let row = read().await?.unwrap_or(row);
        let has_expired = waits_since(columns, &row).is_some();
        (row, has_expired)
    } else {
        (row, false)
    };
    let mut status = document(id, columns, &row, gateway.log.timeline().0);
    if has_expired {
        status.state = "expired";
        status.detail = Some("the log forgot the command before it was decided; nothing was done, send it again");
    }
    let mut response = answer_json(&status);
    if let Some(seq) = render::number(columns, &row, "seq").filter(|seq| *seq > 0) {
        response.headers_mut().insert(header::ETAG, etag(seq));
    }
    match token(columns, &row, gateway.log.timeline().0) {
        Some(token) => insert(&mut response, headers::CONSISTENCY_TOKEN, &token),
        None if has_expired => {}
        None => drop(response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"))),
    }
    Ok(response)
}

/// When a command was accepted that still waits for its answer.
fn waits_since(columns: &[Column], row: &[Value]) -> Option<i64> {
    let waits = render::text(columns, row, "state") == Some("accepted");
    render::number(columns, row, "accepted_at").filter(|_| waits)
}

/// Whether a command waits for its answer that is older than the oldest one that the log keeps in its partition.
async fn is_forgotten(gateway: &Gateway, columns: &[Column], row: &[Value]) -> Result<bool, Problem> {
    let long_ago = i64::try_from(LONG_AGO.as_micros()).unwrap_or(i64::MAX);
    let waits = waits_since(columns, row).filter(|accepted_at| *accepted_at < clock::now_micros().saturating_sub(long_ago));
    let Some(accepted_at) = waits else { return Ok(false) };
    let place = render::text(columns, row, "type").and_then(|name| name.split_once('.'));
    let partition = render::number(columns, row, "partition").and_then(|partition| u32::try_from(partition).ok());
    let (Some((context, _)), Some(partition)) = (place, partition) else { return Ok(false) };
    let source = Source { topic: Stream::Commands.topic(context).into(), partition };
    let from = gateway.log.offset_at(&source, 0).await?;
    let oldest = gateway.log.read(&source, from, 1).await?;
    Ok(oldest.first().is_none_or(|oldest| oldest.time.saturating_sub(long_ago) > accepted_at))
}

fn document<'a>(command_id: Uuid, columns: &[Column], row: &'a [Value], timeline: Uuid) -> StatusJson<'a> {
    let text = |name| render::text(columns, row, name);
    let number = |name| render::number(columns, row, name);
    StatusJson {
        command_id,
        r#type: text("type").unwrap_or_default(),
        state: text("state").unwrap_or_default(),
        status: number("status").filter(|status| *status > 0),
        aggregate: AggregateJson {
            r#type: text("aggregate_type").unwrap_or_default(),
            id: text("aggregate_id").unwrap_or_default(),
        },
        seq: number("seq"),
        events: text("events").and_then(|events| serde_json::from_str(events).ok()),
        code: text("code"),
        detail: text("detail"),
        token: token(columns, row, timeline),
        actor: text("actor").filter(|actor| !actor.is_empty()),
        accepted_at: number("accepted_at").map(clock::rfc3339),
        finished_at: number("finished_at").map(clock::rfc3339),
    }
}

/// The token of an answered command.
fn token(columns: &[Column], row: &[Value], timeline: Uuid) -> Option<String> {
    let position = u64::try_from(render::number(columns, row, "position")?).ok()?;
    let partition = u32::try_from(render::number(columns, row, "partition")?).ok()?;
    let (context, _) = render::text(columns, row, "type")?.split_once('.')?;
    Some(ConsistencyToken::at(timeline, context, partition, position).to_string())
}
