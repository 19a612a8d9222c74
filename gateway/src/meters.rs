//! The gateway's metrics: names, and what is counted per route without a look-up by label.

use axum::http::{Method, StatusCode};
use metrics::{Counter, Histogram};
use parking_lot::RwLock;
use std::time::Duration;

/// Requests answered, by `route`, `method` and `status`.
pub(crate) const REQUESTS: &str = "swarmlog_http_requests_total";
/// Time from the head of a request to its answer, by `route`.
pub(crate) const REQUEST_SECONDS: &str = "swarmlog_http_request_seconds";
/// Commands whose answer is still to come.
pub(crate) const COMMANDS_IN_FLIGHT: &str = "swarmlog_commands_in_flight";
/// Requests that wait for a result.
pub(crate) const WAITERS: &str = "swarmlog_waiters";
/// Streams of events that are open.
pub(crate) const STREAMS: &str = "swarmlog_streams";
/// Connections that are open.
pub(crate) const CONNECTIONS: &str = "swarmlog_http_connections";

/// The metrics of one route.
pub(crate) struct RouteMeters {
    route: String,
    method: String,
    seconds: Histogram,
    answers: RwLock<Vec<(StatusCode, Counter)>>,
}

impl RouteMeters {
    /// Of the route with this path template.
    pub fn new(method: &Method, route: &str) -> Self {
        let seconds = metrics::histogram!(REQUEST_SECONDS, "route" => route.to_owned());
        Self { route: route.to_owned(), method: method.to_string(), seconds, answers: RwLock::default() }
    }

    /// Counts an answer.
    pub fn answered(&self, status: StatusCode, took: Duration) {
        self.seconds.record(took);
        if let Some((_, counter)) = self.answers.read().iter().find(|(known, _)| *known == status) {
            return counter.increment(1);
        }
        let counter = metrics::counter!(
            REQUESTS, "route" => self.route.clone(), "method" => self.method.clone(), "status" => status.as_u16().to_string()
        );
        counter.increment(1);
        let mut answers = self.answers.write();
        if answers.iter().all(|(known, _)| *known != status) {
            answers.push((status, counter));
        }
    }
}

/// Says how much is in flight, for the next rendering.
pub(crate) fn gauge(name: &'static str, value: usize) {
    metrics::gauge!(name).set(u32::try_from(value).map_or(f64::from(u32::MAX), f64::from));
}
