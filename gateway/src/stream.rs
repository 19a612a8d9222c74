//! `GET /v1/aggregates/{type}/{id}/stream`: the events of one aggregate as they happen (server-sent events).
//!
//! What happened is read from `history`, first what the reader lacks, then whatever comes; both by the same query, so
//! there is no seam between them. `id` is the sequence number, and `Last-Event-ID` goes on behind it. The number of
//! streams is bounded; each reads only as fast as its reader takes, and ends when the program does.

use crate::{
    Gateway,
    auth::Access,
    call::Call,
    codes, consistency, headers,
    history::{self, Subject},
    openapi::{Operation, schemas as shapes},
    problem::Problem,
    routes::{Answer, Route},
};
use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, Method, Response, header},
};
use bytes::Bytes;
use schemas::{Stream as Topics, row::Value};
use std::{convert::Infallible, fmt::Write, sync::Arc, time::Duration};
use stores::GenerationState;
use tokio::sync::OwnedSemaphorePermit;

/// Events of one piece of the answer.
const PIECE: usize = 256;
/// How often a silent stream says that it lives.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// The shortest time between two looks at an aggregate of which nothing came.
const REST: Duration = Duration::from_millis(50);
/// Pause after the store did not answer.
const PAUSE: Duration = Duration::from_secs(1);
/// `Last-Event-ID`
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// The rows of the table.
pub(crate) fn routes() -> Vec<Route> {
    let operation = Operation::new("streamEvents", "history", "The events of an aggregate, as they happen.")
        .header("Last-Event-ID", "The sequence number to go on behind.", shapes::integer(0, i64::MAX as usize, 0))
        .header("X-Consistency-Token", "What the stream has to show at least.", shapes::text())
        .query("after_seq", "The same, for a first request.", shapes::integer(0, i64::MAX as usize, 0))
        .answer(
            200,
            "Server-sent events: id is the sequence number, event the type, data the event as in the history.",
            "text/event-stream",
            shapes::text(),
        )
        .problems(&[400, 401, 404, 410, 503]);
    vec![Route::new(Method::GET, "/v1/aggregates/{type}/{id}/stream", Access::Caller, operation, stream)]
}

async fn stream(call: Call) -> Answer {
    let subject = Subject::of(&call)?;
    let mut after = 0;
    for (name, text) in call.query()? {
        match name.as_str() {
            "after_seq" => after = history::after_seq(&text)?,
            _ => return Err(Problem::new(codes::INVALID_PARAMETER, "there is no such parameter; allowed is after_seq")),
        }
    }
    if let Some(last) = headers::one(&call.parts.headers, &LAST_EVENT_ID)? {
        after = history::after_seq(last)?;
    }
    if let Some(token) = call.token()? {
        consistency::settle(&call.gateway, history::projection()?, &token).await?;
    }
    let full = |_| Problem::new(codes::BUSY, "too many streams are open; try again later").retry_after(5);
    let permit = call.gateway.streams.clone().try_acquire_owned().map_err(full)?;
    if history::events(&call.gateway, &subject, 0, 1).await?.is_empty() {
        return Err(Problem::new(codes::NOT_FOUND, format!("there is no {} of this id", subject.r#type)));
    }
    let follower = Follower { gateway: call.gateway, subject, after, greeted: false, _permit: permit };
    let pieces = futures::stream::unfold(follower, |mut follower| async move {
        let piece = follower.piece().await?;
        Some((Ok::<_, Infallible>(piece), follower))
    });
    let mut response = Response::new(Body::from_stream(pieces));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// A reader of a stream.
struct Follower {
    gateway: Arc<Gateway>,
    subject: Subject,
    after: i64,
    greeted: bool,
    _permit: OwnedSemaphorePermit,
}

impl Follower {
    /// What to send next; `None` once the program ends.
    async fn piece(&mut self) -> Option<Bytes> {
        let shutdown = self.gateway.lifecycle.shutdown();
        if !self.greeted {
            // The reader learns at once that the stream is open, whether or not there is an event.
            self.greeted = true;
            return Some(Bytes::from_static(b": open\n\n"));
        }
        tokio::select! {
            biased;
            () = shutdown.cancelled() => None,
            piece = self.events() => Some(piece.unwrap_or(Bytes::from_static(b": alive\n\n"))),
        }
    }

    /// The next events, or nothing within the time of a heartbeat.
    async fn events(&mut self) -> Option<Bytes> {
        let heartbeat = tokio::time::sleep(HEARTBEAT);
        tokio::pin!(heartbeat);
        loop {
            tokio::select! {
                biased;
                () = &mut heartbeat => return None,
                found = self.look() => match found {
                    Ok(Some(piece)) => return Some(piece),
                    Ok(None) => {}
                    Err(problem) => {
                        tracing::debug!(problem.code = problem.code(), "a stream could not be read for now");
                        tokio::time::sleep(PAUSE).await;
                    }
                },
            }
        }
    }

    /// The events that are there; if there is none, waits until the partition has moved on.
    async fn look(&mut self) -> Result<Option<Bytes>, Problem> {
        // Where the read model stands is read before the events are, so that nothing slips in between unseen.
        let key = schemas::key(self.subject.tenant, self.subject.r#type, &self.subject.id);
        let partition = schemas::partition(key.as_bytes(), self.gateway.log.partitions());
        let topic = Topics::Events.topic(self.subject.context);
        let stands = self.position(&topic, partition).await?;
        let rows = history::events(&self.gateway, &self.subject, self.after, PIECE).await?;
        if let Some(piece) = self.write(&rows)? {
            return Ok(Some(piece));
        }
        tokio::time::sleep(REST).await;
        self.gateway.store.reached("history", &topic, partition, stands + 1, HEARTBEAT).await?;
        Ok(None)
    }

    async fn position(&self, topic: &str, partition: u32) -> Result<u64, Problem> {
        let generations = self.gateway.store.generations("history").await?;
        let Some(live) = generations.iter().find(|generation| generation.state == GenerationState::Live) else {
            return Ok(0);
        };
        let positions = self.gateway.store.positions(live.id).await?;
        Ok(positions.get(&(topic.to_owned(), partition)).map_or(0, |(position, _)| *position))
    }

    fn write(&mut self, rows: &[Vec<Value>]) -> Result<Option<Bytes>, Problem> {
        let columns = history::projection()?.table().columns;
        let mut text = String::new();
        for row in rows {
            let event = history::event(columns, row);
            // JSON without line breaks is one line of data; writing to a string cannot fail.
            let data = serde_json::to_string(&event).unwrap_or_default();
            let _ = write!(text, "id: {}\nevent: {}\ndata: {data}\n\n", event.seq, event.r#type);
            self.after = event.seq;
        }
        Ok((!text.is_empty()).then(|| Bytes::from(text)))
    }
}
