//! `POST /v1/telemetry:batch`: measured values and log lines of one source.
//!
//! A batch becomes one record per topic, appended durably and all or nothing. Its id makes a repeat harmless for
//! whoever counts: the same batch again has the same record ids. No rule decides on telemetry.

use crate::{
    auth::Access,
    call::Call,
    clock, codes,
    commands::answer_json,
    names,
    openapi::{Operation, schemas as shapes},
    problem::Problem,
    routes::{Answer, Route},
};
use axum::http::Method;
use bytes::Bytes;
use log::{Append, Durability, Source};
use schemas::{
    Message,
    envelope::Envelope,
    telemetry::{Level, LogLine, LogLines, MetricPoint, MetricPoints},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The topic of measured values.
pub(crate) const METRIC_TOPIC: &str = "telemetry.metric";
/// The topic of log lines.
pub(crate) const LOG_TOPIC: &str = "telemetry.log";
/// Most points, and most lines, of a batch.
const MOST: usize = 1000;
/// Most bytes of a line.
const LINE_BYTES: usize = 16 << 10;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Batch {
    source: String,
    batch_id: Option<Uuid>,
    #[serde(default)]
    points: Vec<Point>,
    #[serde(default)]
    lines: Vec<Line>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Point {
    job_id: String,
    name: String,
    step: i64,
    value: f64,
    at: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    job_id: String,
    level: Level,
    message: String,
    at: Option<String>,
}

#[derive(Serialize)]
struct AcceptedJson {
    accepted: usize,
    batch_id: Uuid,
}

/// The rows of the table.
pub(crate) fn routes(limits: &crate::Limits) -> Vec<Route> {
    let operation = Operation::new("sendTelemetry", "telemetry", "Records measured values and log lines of one source.")
        .body("application/json", shapes::telemetry(MOST))
        .answer(200, "The batch is on record.", "application/json", shapes::telemetry_accepted())
        .problems(&[400, 401, 408, 413, 415, 503]);
    let route = Route::new(Method::POST, "/v1/telemetry:batch", Access::Caller, operation, batch);
    vec![route.takes(limits.telemetry_bytes, limits.body_time)]
}

async fn batch(mut call: Call) -> Answer {
    let Batch { source, batch_id, points, lines } = call.json().await?;
    names::name("source", &source)?;
    for (what, count) in [("points", points.len()), ("lines", lines.len())] {
        if count > MOST {
            return Err(Problem::new(
                codes::TOO_LARGE,
                format!("{count} {what} are more than the {MOST} of one batch; send several"),
            ));
        }
    }
    let accepted = points.len() + lines.len();
    if accepted == 0 {
        return Err(Problem::new(codes::INVALID_BODY, "the batch is empty; send points or lines"));
    }
    let (batch_id, now) = (batch_id.unwrap_or_else(Uuid::now_v7), clock::now_micros());
    let points: Vec<_> = points.into_iter().enumerate().map(|(n, point)| point.read(n, now)).collect::<Result<_, _>>()?;
    let lines: Vec<_> = lines.into_iter().enumerate().map(|(n, line)| line.read(n, now)).collect::<Result<_, _>>()?;
    let mut records = Vec::new();
    if !points.is_empty() {
        let message = MetricPoints { source: source.clone(), batch_id, points };
        records.push(record(&call, METRIC_TOPIC, &source, batch_id, now, &message)?);
    }
    if !lines.is_empty() {
        let message = LogLines { source: source.clone(), batch_id, lines };
        records.push(record(&call, LOG_TOPIC, &source, batch_id, now, &message)?);
    }
    call.gateway.log.append(records, Durability::Durable).await?;
    Ok(answer_json(&AcceptedJson { accepted, batch_id }))
}

impl Point {
    fn read(self, n: usize, now: i64) -> Result<MetricPoint, Problem> {
        let at = moment(&format!("/points/{n}"), self.at, now)?;
        let Self { job_id, name, step, value, .. } = self;
        names::name(&format!("/points/{n}/job_id"), &job_id)?;
        names::name(&format!("/points/{n}/name"), &name)?;
        if !value.is_finite() {
            return Err(Problem::new(codes::INVALID_BODY, format!("/points/{n}/value: must be a finite number")));
        }
        Ok(MetricPoint { job_id, name, step, value, at })
    }
}

impl Line {
    fn read(self, n: usize, now: i64) -> Result<LogLine, Problem> {
        let at = moment(&format!("/lines/{n}"), self.at, now)?;
        let Self { job_id, level, message, .. } = self;
        names::name(&format!("/lines/{n}/job_id"), &job_id)?;
        if message.len() > LINE_BYTES || message.contains('\0') {
            let detail = format!("/lines/{n}/message: must be at most {LINE_BYTES} bytes without NUL");
            return Err(Problem::new(codes::INVALID_BODY, detail));
        }
        Ok(LogLine { job_id, level, message, at })
    }
}

fn moment(place: &str, text: Option<String>, now: i64) -> Result<i64, Problem> {
    let Some(text) = text else { return Ok(now) };
    let bad = || Problem::new(codes::INVALID_BODY, format!("{place}/at: must be a moment like 2026-11-21T02:00:00Z"));
    clock::micros(&text).ok_or_else(bad)
}

fn record<M: Message>(call: &Call, topic: &str, source: &str, batch_id: Uuid, now: i64, message: &M) -> Result<Append, Problem> {
    let tenant = call.principal.tenant;
    let key = schemas::key(tenant, "source", source);
    let partition = schemas::partition(key.as_bytes(), call.gateway.log.partitions());
    let envelope = Envelope {
        id: batch_id,
        tenant: tenant.to_owned(),
        aggregate_type: "source".to_owned(),
        aggregate_id: source.to_owned(),
        seq: 0,
        position: 0,
        timeline: call.gateway.log.timeline().0,
        r#type: message.name().to_owned(),
        schema_id: i32::try_from(message.schema_id().0).unwrap_or_default(),
        command_id: batch_id,
        causation_id: batch_id,
        correlation_id: batch_id,
        traceparent: crate::headers::traceparent(&call.parts.headers).map(str::to_owned),
        actor: call.principal.actor.to_owned(),
        occurred_at: None,
        recorded_at: now,
        expected_seq: -2,
        idempotent: false,
        body_hash: None,
    };
    let (mut envelope_bytes, mut payload) = (Vec::with_capacity(256), Vec::with_capacity(4096));
    envelope.encode(&mut envelope_bytes)?;
    message.encode(&mut payload)?;
    Ok(Append {
        source: Source { topic: topic.into(), partition },
        key: Bytes::from(key),
        envelope: Bytes::from(envelope_bytes),
        payload: Bytes::from(payload),
        time: now,
    })
}
