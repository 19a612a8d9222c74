//! `POST /v1/commands:batch`: several commands in one request, one result for each, in their order.
//!
//! Each command is treated as if it came alone, so some may be refused while others are carried out; they are no
//! transaction. What is well formed goes to the log together, in order, so that of several commands for one aggregate
//! the first is decided first. What concerns a single command stands in its item instead of in a header.

use crate::{
    Limits,
    auth::{Access, Principal},
    call::Call,
    codes,
    commands::{self, AcceptedJson, AggregateJson, DecidedJson, answer_json, insert},
    headers::{self, CommandHeaders},
    openapi::{Operation, schemas as shapes},
    problem::Problem,
    routes::{Answer, Route},
    submit::{Decision, Order, Outcome},
};
use axum::http::{HeaderMap, Method, header};
use schemas::{ConsistencyToken, SchemaInfo, SchemaKind, json};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

const PATH: &str = "/v1/commands:batch";

/// Most commands of a batch.
const MOST: usize = 1000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Item {
    r#type: String,
    key: Option<String>,
    expected_seq: Option<i64>,
    body: Box<RawValue>,
}

#[derive(Serialize)]
struct Results<'a> {
    results: Vec<ResultJson<'a>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum ResultJson<'a> {
    Decided {
        status: i32,
        #[serde(flatten)]
        decided: DecidedJson<'a>,
    },
    Accepted {
        status: u16,
        #[serde(flatten)]
        accepted: AcceptedJson<'a>,
    },
    Problem(Option<Box<RawValue>>),
}

/// What a result repeats of its command.
struct Sent {
    command_id: Uuid,
    schema: &'static SchemaInfo,
    aggregate_id: String,
    status_url: String,
}

/// The rows of the table.
pub(crate) fn routes(limits: &Limits) -> Vec<Route> {
    let operation = Operation::new("sendCommands", "commands", "Several commands, each treated as if it came alone.")
        .header("Prefer", "respond-async, wait=<seconds> (RFC 7240), for all of them.", shapes::text())
        .header("traceparent", "The trace that the commands belong to (W3C).", shapes::text())
        .header("X-Correlation-Id", "The conversation that the commands belong to.", shapes::uuid())
        .header("X-Occurred-At", "When they happened, as the caller says.", shapes::moment())
        .body("application/json", shapes::batch(MOST))
        .answer(
            200,
            "One result for each, in their order, with a status of its own.",
            "application/json",
            shapes::batch_results(),
        )
        .problems(&[400, 401, 408, 413, 415, 503]);
    let route = Route::new(Method::POST, PATH, Access::Caller, operation, send);
    vec![route.takes(limits.batch_bytes, limits.body_time)]
}

async fn send(mut call: Call) -> Answer {
    of_single_commands(&call.parts.headers)?;
    let shared = CommandHeaders::read(&call.parts.headers, call.gateway.limits.max_command_wait)?;
    let items: Vec<Item> = call.json().await?;
    if items.len() > MOST {
        return Err(Problem::new(codes::TOO_LARGE, format!("a batch has at most {MOST} commands, this one has {}", items.len())));
    }
    let body_bytes = call.gateway.limits.body_bytes;
    let mut results: Vec<Result<Sent, Problem>> = Vec::with_capacity(items.len());
    let mut orders = Vec::with_capacity(items.len());
    for item in items {
        let ordered = order(&call.principal, item, &shared, body_bytes);
        results.push(ordered.map(|order| {
            let sent = Sent::of(&order);
            orders.push(order);
            sent
        }));
    }
    let wait = commands::wait(shared.prefer, &call.gateway.limits);
    let mut outcomes = match orders.is_empty() {
        true => Vec::new(),
        false => call.gateway.submitter.send_all(&call.principal, orders, wait).await?,
    }
    .into_iter();
    // Each command that was sent takes the outcome of its place.
    let results: Vec<Result<Done, Problem>> = results
        .into_iter()
        .map(|sent| sent.and_then(|sent| Ok(Done::new(sent, outcomes.next().unwrap_or_else(|| Err(lost()))?))))
        .collect();
    let trace_id = headers::trace_id(&call.parts.headers).unwrap_or_default();
    let shown = results.iter().enumerate().map(|(place, result)| match result {
        Ok(done) => done.show(place, trace_id),
        Err(problem) => show_problem(problem, place, trace_id),
    });
    let mut response = answer_json(&Results { results: shown.collect() });
    if let Some(token) = reached(results.iter().flatten().filter_map(Done::decision)) {
        insert(&mut response, headers::CONSISTENCY_TOKEN, &token.to_string());
    }
    let applied = headers::Preferences { minimal: false, ..shared.prefer }.applied();
    if !applied.is_empty() {
        insert(&mut response, headers::PREFERENCE_APPLIED, &applied);
    }
    Ok(response)
}

impl Sent {
    fn of(order: &Order) -> Self {
        let status_url = format!("/v1/commands/{}", order.command_id);
        Self { command_id: order.command_id, schema: order.schema, aggregate_id: order.aggregate_id.clone(), status_url }
    }
}

/// Refuses headers that concern one command.
fn of_single_commands(given: &HeaderMap) -> Result<(), Problem> {
    for (name, field) in
        [(headers::IDEMPOTENCY_KEY, "key"), (header::IF_MATCH, "expected_seq"), (header::IF_NONE_MATCH, "expected_seq")]
    {
        if given.contains_key(&name) {
            let detail = format!("the header {name} concerns one command; put it into its item, as {field}");
            return Err(Problem::new(codes::INVALID_HEADER, detail));
        }
    }
    Ok(())
}

/// The command of an item.
fn order(principal: &Principal, item: Item, shared: &CommandHeaders, body_bytes: usize) -> Result<Order, Problem> {
    let known = schemas::schema(&item.r#type).filter(|schema| schema.kind == SchemaKind::Command);
    let schema = known.ok_or_else(commands::unknown_command)?;
    if item.key.as_deref().is_some_and(|key| !headers::is_key(key)) {
        return Err(Problem::new(codes::INVALID_BODY, "key must be 1 to 255 visible ASCII characters"));
    }
    if item.expected_seq.is_some_and(|seq| seq < -1) {
        return Err(Problem::new(codes::INVALID_BODY, "expected_seq must be a number from 1, or 0 or -1, or absent"));
    }
    let value = json::parse(item.body.get().as_bytes(), json::Limits { bytes: body_bytes })?;
    let own = CommandHeaders { idempotency_key: item.key, expected_seq: item.expected_seq.unwrap_or(-2), ..shared.clone() };
    commands::order(principal, schema, value, own)
}

fn lost() -> Problem {
    Problem::new(codes::INTERNAL, "the outcome of the command is unknown; ask for its status")
}

/// What a query has to see to show all of it.
fn reached<'a>(decisions: impl Iterator<Item = &'a Decision>) -> Option<ConsistencyToken> {
    decisions.map(|decision| decision.token.clone()).reduce(|mut all, one| {
        for (place, position) in one.positions {
            let known = all.positions.entry(place).or_default();
            *known = position.max(*known);
        }
        all
    })
}

/// A command that was sent, and what became of it.
struct Done {
    sent: Sent,
    outcome: Outcome,
    token: String,
}

impl Done {
    fn new(sent: Sent, outcome: Outcome) -> Self {
        let token = match &outcome {
            Outcome::Decided(decision) => decision.token.to_string(),
            Outcome::Accepted => String::new(),
        };
        Self { sent, outcome, token }
    }

    fn decision(&self) -> Option<&Decision> {
        match &self.outcome {
            Outcome::Decided(decision) => Some(decision),
            Outcome::Accepted => None,
        }
    }

    fn show(&self, place: usize, trace_id: &str) -> ResultJson<'_> {
        let Sent { command_id, schema, aggregate_id, status_url } = &self.sent;
        let (command_id, aggregate) =
            (*command_id, AggregateJson { r#type: schema.aggregate.unwrap_or_default(), id: aggregate_id });
        let Some(decision) = self.decision() else {
            return ResultJson::Accepted {
                status: 202,
                accepted: AcceptedJson { command_id, aggregate, state: "accepted", status_url },
            };
        };
        match commands::refusal(decision) {
            Some(problem) => show_problem(&problem, place, trace_id),
            None => {
                let Decision { seq, result, .. } = decision;
                let decided = DecidedJson { command_id, aggregate, seq: *seq, events: &result.events, token: &self.token };
                ResultJson::Decided { status: result.status, decided }
            }
        }
    }
}

fn show_problem<'a>(problem: &Problem, place: usize, trace_id: &str) -> ResultJson<'a> {
    ResultJson::Problem(problem.to_json(&format!("{PATH}#/{place}"), trace_id))
}
