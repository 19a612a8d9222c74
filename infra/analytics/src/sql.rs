//! Statements of strangers: through the gate, in a confined session, up to the limits.

use crate::{
    AnalyticsError,
    caller::{Caller, Work},
    metrics as names,
    session::{Rights, Sessions},
};
use bytes::Bytes;
use std::{
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

/// How long a caller waits for an answer: the engine's own limit of time and some grace.
pub(crate) const ANSWER: Duration = Duration::from_secs(15);

/// The forms an answer can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SqlFormat {
    /// One JSON object: `meta`, `data`, `rows`, `elapsed` (seconds).
    Json,
    /// One JSON object for each row, each on a line.
    JsonLines,
    /// A table for people.
    Text,
}

impl SqlFormat {
    /// The engine's name of it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Json => "JSON",
            Self::JsonLines => "JSONEachRow",
            Self::Text => "PrettyCompactMonoBlock",
        }
    }

    fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::JsonLines => "application/x-ndjson",
            Self::Text => "text/plain; charset=utf-8",
        }
    }
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqlAnswer {
    /// Its media type.
    pub content_type: &'static str,
    /// It.
    pub body: Bytes,
}

impl SqlAnswer {
    /// What the engine answered in `format` after a while.
    pub(crate) fn new(format: SqlFormat, body: Bytes, elapsed: Duration) -> Self {
        let body = match format {
            SqlFormat::Json => with_elapsed(&body, elapsed),
            SqlFormat::JsonLines | SqlFormat::Text => body,
        };
        Self { content_type: format.content_type(), body }
    }
}

/// Counts a statement and its time.
pub(crate) async fn observed(work: impl Future<Output = Result<SqlAnswer, AnalyticsError>>) -> Result<SqlAnswer, AnalyticsError> {
    let started = Instant::now();
    let answer = work.await;
    metrics::counter!(names::SQL_STATEMENTS, "outcome" => outcome(&answer)).increment(1);
    metrics::histogram!(names::SQL_SECONDS).record(started.elapsed().as_secs_f64());
    answer
}

/// Runs a statement of a stranger in this process.
pub(crate) async fn run(sessions: &Arc<Sessions>, statement: &str, format: SqlFormat) -> Result<SqlAnswer, AnalyticsError> {
    let turn = sessions.turn(Rights::Stranger).await?;
    let work = Work::new();
    let _caller = Caller::of(&work, sessions);
    let (sessions, statement) = (sessions.clone(), statement.to_owned());
    // The turn goes along and ends with the statement, even if nobody waits for the answer any more.
    let work = tokio::task::spawn_blocking(move || {
        let answer = answer(&sessions, &work, &statement, format);
        drop(turn);
        answer
    });
    match tokio::time::timeout(ANSWER, work).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(panic)) => Err(AnalyticsError::Fatal(panic.to_string())),
        Err(_) => Err(late()),
    }
}

/// The answer did not come in time.
pub(crate) fn late() -> AnalyticsError {
    AnalyticsError::Limit(format!("no answer within {} s", ANSWER.as_secs()))
}

fn answer(sessions: &Sessions, work: &Work, statement: &str, format: SqlFormat) -> Result<SqlAnswer, AnalyticsError> {
    let session = sessions.stranger(work, &[])?;
    let statement = sessions.gate.pass(&session, statement)?;
    let started = Instant::now();
    let body = session.query(&statement, format.name())?;
    Ok(SqlAnswer::new(format, body, started.elapsed()))
}

/// Adds the time taken to the engine's JSON object.
fn with_elapsed(body: &[u8], elapsed: Duration) -> Bytes {
    let body = body.trim_ascii_end();
    let body = body.strip_suffix(b"}").unwrap_or(body).trim_ascii_end();
    let mut whole = body.to_vec();
    whole.extend_from_slice(format!(",\n\t\"elapsed\": {:.6}\n}}\n", elapsed.as_secs_f64()).as_bytes());
    whole.into()
}

fn outcome(answer: &Result<SqlAnswer, AnalyticsError>) -> &'static str {
    match answer {
        Ok(_) => "answered",
        Err(AnalyticsError::Refused(_)) => "refused",
        Err(AnalyticsError::Invalid(_)) => "invalid",
        Err(AnalyticsError::Limit(_)) => "limit",
        Err(_) => "failed",
    }
}
