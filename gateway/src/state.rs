//! `GET /v1/aggregates/{type}/{id}/state`: the state that the rules decided on, now or at an earlier point.
//!
//! It is folded from the history by the very function that the writer folds with, so it shows what a decision was based
//! on. Nothing is decided here, and nothing is kept.

use crate::{
    auth::Access,
    call::Call,
    clock, codes,
    commands::{AggregateJson, answer_json, etag},
    consistency, headers,
    history::{self, Subject},
    openapi::{Operation, schemas as shapes},
    problem::Problem,
    render,
    routes::{Answer, Route},
};
use axum::http::{Method, header};
use schemas::{CodecError, Decider, Message, row::Value};
use serde::Serialize;

/// Events of one step.
const STEP: usize = 500;

/// Most events that one answer is folded from.
const MOST: i64 = 100_000;

/// The aggregates whose state can be shown.
const KNOWN: &[(&str, Start)] = &[(work::Job::NAME, start::<work::Job>)];

/// Begins with nothing.
type Start = fn() -> Box<dyn Fold>;

/// A state without its type.
trait Fold: Send {
    /// Takes an event into it.
    fn take(&mut self, name: &str, wire: &[u8]) -> Result<(), CodecError>;
    /// The state as JSON.
    fn show(&self) -> serde_json::Result<serde_json::Value>;
}

struct State<D: Decider>(D::State);

impl<D: Decider> Fold for State<D> {
    fn take(&mut self, name: &str, wire: &[u8]) -> Result<(), CodecError> {
        D::evolve(&mut self.0, &D::Event::decode(name, wire)?);
        Ok(())
    }

    fn show(&self) -> serde_json::Result<serde_json::Value> {
        serde_json::to_value(&self.0)
    }
}

fn start<D: Decider>() -> Box<dyn Fold> {
    Box::new(State::<D>(D::State::default()))
}

#[derive(Serialize)]
struct StateJson<'a> {
    aggregate: AggregateJson<'a>,
    seq: i64,
    recorded_at: String,
    state: serde_json::Value,
}

/// Up to where a history is folded.
#[derive(Debug, Clone, Copy)]
enum Until {
    /// To its end.
    Now,
    /// To this event, which must be there.
    Seq(i64),
    /// To the last event that was recorded by then, in microseconds.
    Time(i64),
}

/// The rows of the table.
pub(crate) fn routes() -> Vec<Route> {
    let operation = Operation::new("getState", "history", "The state that the rules decide on, now or at an earlier point.")
        .header("X-Consistency-Token", "What the answer has to show at least.", shapes::text())
        .query("at_seq", "After this event.", shapes::integer(1, MOST as usize, 1))
        .query("at", "After the last event that was recorded by then.", shapes::moment())
        .answer(200, "The state; seq is the last event in it.", "application/json", shapes::state())
        .problems(&[400, 401, 404, 410, 413, 503]);
    vec![Route::new(Method::GET, "/v1/aggregates/{type}/{id}/state", Access::Caller, operation, state)]
}

async fn state(call: Call) -> Answer {
    let subject = Subject::of(&call)?;
    let until = until(call.query()?)?;
    let known = KNOWN.iter().find(|(name, _)| *name == subject.r#type);
    let (_, start) = known.ok_or_else(|| Problem::new(codes::NOT_FOUND, "no rules keep a state of this type"))?;
    let projection = history::projection()?;
    let asked = call.token()?;
    if let Some(token) = &asked {
        consistency::settle(&call.gateway, projection, token).await?;
    }
    let token = call.gateway.watermarks.token(&call.gateway, projection, asked.as_ref()).await;
    let columns = projection.table().columns;
    let (mut fold, mut seq, mut recorded_at) = (start(), 0, 0);
    'history: loop {
        let rows = history::events(&call.gateway, &subject, seq, STEP).await?;
        for row in &rows {
            let number = |name| render::number(columns, row, name).unwrap_or_default();
            match until {
                Until::Time(time) if number("recorded_at") > time => break 'history,
                _ if number("seq") != seq + 1 => return Err(unreadable(seq + 1, "is not in the history; see /v1/parked")),
                _ => {}
            }
            seq += 1;
            recorded_at = number("recorded_at");
            let name = render::text(columns, row, "type").unwrap_or_default();
            let Some(Value::Bytes(wire)) = render::column(columns, row, "payload") else {
                return Err(unreadable(seq, "has no payload"));
            };
            fold.take(name, wire).map_err(|error| unreadable(seq, &format!("cannot be read by this program: {error}")))?;
            if matches!(until, Until::Seq(last) if last == seq) {
                break 'history;
            }
        }
        if rows.len() < STEP {
            break;
        }
        if seq >= MOST {
            return Err(Problem::new(
                codes::TOO_LARGE,
                format!("a state is folded from at most {MOST} events; ask for an earlier one"),
            ));
        }
    }
    if seq == 0 || matches!(until, Until::Seq(last) if last != seq) {
        return Err(Problem::new(codes::NOT_FOUND, absent(subject.r#type, until)));
    }
    let state = fold.show().map_err(|error| unreadable(seq, &format!("leads to a state that is no JSON: {error}")))?;
    let aggregate = AggregateJson { r#type: subject.r#type, id: &subject.id };
    let mut response = answer_json(&StateJson { aggregate, seq, recorded_at: clock::rfc3339(recorded_at), state });
    response.headers_mut().insert(header::ETAG, etag(seq));
    response.headers_mut().extend(token.map(|token| (headers::CONSISTENCY_TOKEN, token)));
    Ok(response)
}

fn until(query: Vec<(String, String)>) -> Result<Until, Problem> {
    let refuse = |detail| Err(Problem::new(codes::INVALID_PARAMETER, detail));
    let mut until = Until::Now;
    for (name, text) in query {
        if !matches!(until, Until::Now) {
            return refuse("at_seq and at exclude each other; send one of them");
        }
        until = match name.as_str() {
            "at_seq" => match text.parse() {
                Ok(seq) if seq >= 1 => Until::Seq(seq),
                _ => return refuse("at_seq must be a number from 1"),
            },
            "at" => match clock::micros(&text) {
                Some(time) => Until::Time(time),
                None => return refuse("at must be a moment like 2026-11-21T02:00:00Z"),
            },
            _ => return refuse("there is no such parameter; allowed are at_seq, at"),
        };
    }
    Ok(until)
}

fn absent(named: &str, until: Until) -> String {
    match until {
        Until::Now => format!("there is no {named} of this id"),
        Until::Seq(seq) => format!("there is no {named} of this id with an event {seq}"),
        Until::Time(_) => format!("there was no {named} of this id at that time"),
    }
}

/// A history that cannot be folded is not shown in part.
fn unreadable(seq: i64, why: &str) -> Problem {
    Problem::new(codes::INTERNAL, format!("the state cannot be shown: event {seq} {why}"))
}
