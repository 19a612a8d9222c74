//! `GET /v1/aggregates/{type}/{id}/history`: the events of one aggregate, in order, payloads decoded.
//!
//! Answered from the read model `history`, which keeps the bytes of the log. An event whose schema this program does
//! not know is shown with its envelope and a reason instead of a payload.

use crate::{
    Gateway,
    auth::Access,
    call::Call,
    clock, codes,
    commands::{AggregateJson, answer_json},
    consistency, headers,
    openapi::{Operation, schemas as shapes},
    problem::Problem,
    queries, render,
    routes::{Answer, Route},
};
use axum::http::Method;
use schemas::{AnyProjection, json, row::Column, row::Value};
use serde::Serialize;
use stores::{Direction, Filter, Operator, Query};

/// Events of an answer unless the caller says otherwise.
const DEFAULT_LIMIT: usize = 100;

/// An event, for people and programs.
#[derive(Serialize)]
pub(crate) struct EventJson<'a> {
    /// Place in the history of the aggregate.
    pub seq: i64,
    /// Full name of its schema.
    pub r#type: &'a str,
    position: i64,
    partition: i64,
    event_id: &'a str,
    command_id: &'a str,
    causation_id: &'a str,
    correlation_id: &'a str,
    actor: &'a str,
    occurred_at: Option<String>,
    recorded_at: String,
    schema_id: i64,
    payload: Option<serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_error: Option<String>,
}

#[derive(Serialize)]
struct HistoryJson<'a> {
    aggregate: AggregateJson<'a>,
    items: Vec<EventJson<'a>>,
    next_after_seq: Option<i64>,
}

/// One aggregate of a tenant.
#[derive(Debug, Clone)]
pub(crate) struct Subject {
    /// Whose it is.
    pub tenant: &'static str,
    /// Its type.
    pub r#type: &'static str,
    /// Its context.
    pub context: &'static str,
    /// Its identity.
    pub id: String,
}

impl Subject {
    /// The aggregate that the path names.
    pub fn of(call: &Call) -> Result<Self, Problem> {
        let (named, id) = (call.name("type")?, call.name("id")?.to_owned());
        let schema = schemas::SCHEMAS.iter().find(|schema| schema.aggregate == Some(named));
        let known = schema.and_then(|schema| Some((schema.aggregate?, schema.context)));
        let (r#type, context) = known.ok_or_else(|| Problem::new(codes::NOT_FOUND, "there is no aggregate type of this name"))?;
        Ok(Self { tenant: call.principal.tenant, r#type, context, id })
    }
}

/// The rows of the table.
pub(crate) fn routes() -> Vec<Route> {
    let operation = Operation::new("getHistory", "history", "The events of an aggregate, in order.")
        .header("X-Consistency-Token", "What the answer has to show at least.", shapes::text())
        .query("after_seq", "Only events behind this one.", shapes::integer(0, i64::MAX as usize, 0))
        .query("limit", "Events of a page.", shapes::integer(1, queries::MAX_LIMIT, DEFAULT_LIMIT))
        .answer(200, "The events; next_after_seq is where the next page begins.", "application/json", shapes::history())
        .problems(&[400, 401, 404, 410, 503]);
    vec![Route::new(Method::GET, "/v1/aggregates/{type}/{id}/history", Access::Caller, operation, history)]
}

/// The read model.
pub(crate) fn projection() -> Result<&'static dyn AnyProjection, Problem> {
    projections::find("history").ok_or_else(|| Problem::new(codes::NOT_FOUND, "this server keeps no history"))
}

async fn history(call: Call) -> Answer {
    let subject = Subject::of(&call)?;
    let (mut after, mut limit) = (0, DEFAULT_LIMIT);
    for (name, text) in call.query()? {
        match name.as_str() {
            "limit" => limit = queries::limit(&text)?,
            "after_seq" => after = after_seq(&text)?,
            _ => {
                return Err(Problem::new(codes::INVALID_PARAMETER, "there is no such parameter; allowed are after_seq, limit"));
            }
        }
    }
    let projection = projection()?;
    let asked = call.token()?;
    if let Some(token) = &asked {
        consistency::settle(&call.gateway, projection, token).await?;
    }
    let token = call.gateway.watermarks.token(&call.gateway, projection, asked.as_ref()).await;
    let mut rows = events(&call.gateway, &subject, after, limit + 1).await?;
    if rows.is_empty() && (after == 0 || events(&call.gateway, &subject, 0, 1).await?.is_empty()) {
        return Err(Problem::new(codes::NOT_FOUND, format!("there is no {} of this id", subject.r#type)));
    }
    let more = rows.len() > limit;
    rows.truncate(limit);
    let columns = projection.table().columns;
    let items: Vec<_> = rows.iter().map(|row| event(columns, row)).collect();
    let next_after_seq = items.last().filter(|_| more).map(|last| last.seq);
    let aggregate = AggregateJson { r#type: subject.r#type, id: &subject.id };
    let mut response = answer_json(&HistoryJson { aggregate, items, next_after_seq });
    response.headers_mut().extend(token.map(|token| (headers::CONSISTENCY_TOKEN, token)));
    Ok(response)
}

/// A sequence number to go on behind.
pub(crate) fn after_seq(text: &str) -> Result<i64, Problem> {
    let seq = text.parse().ok().filter(|seq| *seq >= 0);
    seq.ok_or_else(|| Problem::new(codes::INVALID_PARAMETER, "the sequence number to go on behind must be a number from 0"))
}

/// Rows of the events behind `after`.
pub(crate) async fn events(gateway: &Gateway, subject: &Subject, after: i64, limit: usize) -> Result<Vec<Vec<Value>>, Problem> {
    let equal = |column, text: &str| Filter { column, operator: Operator::Equal, value: Value::Text(text.to_owned()) };
    let query = Query {
        table: projection()?.table(),
        tenant: subject.tenant.to_owned(),
        filters: vec![
            equal("aggregate_type", subject.r#type),
            equal("aggregate_id", &subject.id),
            Filter { column: "seq", operator: Operator::Above, value: Value::I64(after) },
        ],
        order: vec![("seq", Direction::Ascending)],
        after: None,
        limit,
    };
    Ok(gateway.store.query(&query).await?)
}

/// A row of `history` as JSON.
pub(crate) fn event<'a>(columns: &[Column], row: &'a [Value]) -> EventJson<'a> {
    let text = |name| render::text(columns, row, name).unwrap_or_default();
    let number = |name| render::number(columns, row, name);
    let decoded = match render::column(columns, row, "payload") {
        Some(Value::Bytes(wire)) => json::payload(wire).map_err(|error| error.to_string()),
        _ => Err("the payload is missing".to_owned()),
    };
    let (payload, payload_error) = match decoded {
        Ok(payload) => (Some(payload), None),
        Err(error) => (None, Some(error)),
    };
    EventJson {
        seq: number("seq").unwrap_or_default(),
        r#type: text("type"),
        position: number("position").unwrap_or_default(),
        partition: number("partition").unwrap_or_default(),
        event_id: text("event_id"),
        command_id: text("command_id"),
        causation_id: text("causation_id"),
        correlation_id: text("correlation_id"),
        actor: text("actor"),
        occurred_at: number("occurred_at").map(clock::rfc3339),
        recorded_at: clock::rfc3339(number("recorded_at").unwrap_or_default()),
        schema_id: number("schema_id").unwrap_or_default(),
        payload,
        payload_error,
    }
}
