//! How a program is, over HTTP: `/health`, `/livez`, `/readyz` and `/metrics`.
//!
//! The gateway shows the same answers among its own routes; a part that serves nothing else, and a program that still
//! waits for its servers, serves [`routes`] alone. Liveness depends on nothing. Readiness ends with the wish to shut down.
//! Where a token is set, only `/metrics` asks for it: probes carry none.

use crate::{Lifecycle, Status};
use axum::{
    Json, Router,
    extract::{RawQuery, Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use jiff::Timestamp;
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::{Value, json};
use std::{collections::BTreeMap, fmt::Write, time::Duration};
use subtle::ConstantTimeEq;
use tokio::{net::TcpListener, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

/// How long requests in flight may take once no more are accepted.
const LAST_ANSWERS: Duration = Duration::from_secs(2);

/// What the pages show.
#[derive(Clone)]
pub struct Pages {
    /// The life of the program.
    pub lifecycle: Lifecycle,
    /// What `/metrics` renders.
    pub metrics: PrometheusHandle,
    /// The bearer token that `/metrics` asks for.
    pub token: Option<String>,
}

/// The pages as routes.
pub fn routes(pages: Pages) -> Router {
    Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/health", get(|State(pages): State<Pages>| async move { health(&pages.lifecycle) }))
        .route(
            "/readyz",
            get(|State(pages): State<Pages>, RawQuery(query): RawQuery| async move { ready(&pages.lifecycle, query) }),
        )
        .route("/metrics", get(metrics))
        .with_state(pages)
}

/// `/health`: whether the program and each of its parts works, for people and monitors.
pub fn health_report(lifecycle: &Lifecycle) -> (StatusCode, Value) {
    let statuses = lifecycle.health().statuses();
    let is_dead = lifecycle.shutdown().is_cancelled() || !lifecycle.health().is_ready();
    let is_partial = statuses.iter().any(|(_, status)| matches!(status, Status::Degraded(_)));
    let (code, status) = match (is_dead, is_partial) {
        (true, _) => (StatusCode::SERVICE_UNAVAILABLE, "unhealthy"),
        (false, true) => (StatusCode::OK, "degraded"),
        (false, false) => (StatusCode::OK, "healthy"),
    };
    let dependencies: BTreeMap<String, String> = statuses.into_iter().map(|(name, status)| (name, status.to_string())).collect();
    let report = json!({
        "status": status,
        "timestamp": Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string(),
        "service": "swarmlog",
        "version": env!("CARGO_PKG_VERSION"),
        "dependencies": dependencies,
    });
    (code, report)
}

/// `/readyz`: whether work should be sent here; with `verbose` in the query, how every part is.
pub fn readiness_report(lifecycle: &Lifecycle, query: Option<&str>) -> (StatusCode, String) {
    let ends = lifecycle.shutdown().is_cancelled();
    let is_ready = !ends && lifecycle.health().is_ready();
    let mut body = String::new();
    let is_verbose = |pair: &str| pair == "verbose" || pair.starts_with("verbose=");
    if query.is_some_and(|query| query.split('&').any(is_verbose)) {
        for (name, status) in lifecycle.health().statuses() {
            // Writing to a string cannot fail.
            let _ = writeln!(body, "{name}: {status}");
        }
        if ends {
            body.push_str("lifecycle: the program ends\n");
        }
    }
    body.push_str(if is_ready { "ready\n" } else { "not ready\n" });
    (if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, body)
}

/// Serves `router` until `stop`, then answers what is in flight.
pub async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) -> std::io::Result<()> {
    let served = axum::serve(listener, router).with_graceful_shutdown(stop.clone().cancelled_owned()).into_future();
    tokio::pin!(served);
    tokio::select! {
        served = &mut served => served,
        () = stop.cancelled() => timeout(LAST_ANSWERS, served).await.unwrap_or(Ok(())),
    }
}

/// The pages on a listener whose real server is not there yet: all else is told to come back.
pub struct WaitingRoom {
    stop: CancellationToken,
    served: JoinHandle<std::io::Result<()>>,
}

impl WaitingRoom {
    /// Opens it; answers the listener, on which nothing may be accepted before [`close`](Self::close).
    pub fn open(listener: TcpListener, pages: Pages) -> std::io::Result<(Self, TcpListener)> {
        let listener = listener.into_std()?;
        let ours = TcpListener::from_std(listener.try_clone()?)?;
        let stop = CancellationToken::new();
        let served = tokio::spawn(serve(ours, routes(pages).fallback(starting), stop.clone()));
        Ok((Self { stop, served }, TcpListener::from_std(listener)?))
    }

    /// Accepts no more and answers what is in flight.
    pub async fn close(self) {
        self.stop.cancel();
        // Whatever became of it, the real server takes over now.
        let _ = self.served.await;
    }
}

/// For every other path of a part that serves only the pages.
pub async fn nothing_else(request: Request) -> Response {
    let path = request.uri().path();
    let detail = format!(
        "{path} is not served by this part: it has /health, /livez, /readyz and /metrics; commands and queries go to the gateway"
    );
    problem(StatusCode::NOT_FOUND, "not_found", &detail)
}

async fn starting() -> Response {
    let detail = "the server waits for what it needs; /readyz?verbose names it";
    let mut response = problem(StatusCode::SERVICE_UNAVAILABLE, "starting", detail);
    response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
    // The next request shall find the real server, which does not know this connection.
    response.headers_mut().insert(header::CONNECTION, header::HeaderValue::from_static("close"));
    response
}

fn health(lifecycle: &Lifecycle) -> Response {
    let (status, report) = health_report(lifecycle);
    (status, Json(report)).into_response()
}

fn ready(lifecycle: &Lifecycle, query: Option<String>) -> Response {
    readiness_report(lifecycle, query.as_deref()).into_response()
}

async fn metrics(State(pages): State<Pages>, headers: HeaderMap) -> Response {
    let given = headers.get(header::AUTHORIZATION).map(|value| value.as_bytes()).unwrap_or_default();
    let is_allowed = pages.token.as_ref().is_none_or(|token| format!("Bearer {token}").as_bytes().ct_eq(given).into());
    if !is_allowed {
        return problem(StatusCode::UNAUTHORIZED, "unauthorized", "send the header Authorization: Bearer TOKEN");
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], pages.metrics.render()).into_response()
}

fn problem(status: StatusCode, code: &str, detail: &str) -> Response {
    let title = status.canonical_reason().unwrap_or_default();
    let problem = json!({ "type": "about:blank", "title": title, "status": status.as_u16(), "code": code, "detail": detail, "retryable": status.is_server_error() });
    (status, [(header::CONTENT_TYPE, "application/problem+json")], problem.to_string()).into_response()
}
