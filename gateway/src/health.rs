//! How the program is: `/health`, `/livez`, `/readyz`, `/metrics`, and what the codes of errors mean.

use crate::{
    auth::Access,
    call::Call,
    codes,
    commands::answer_json,
    meters,
    openapi::{Operation, schemas as shapes},
    routes::{Answer, Route},
};
use axum::{
    body::Body,
    http::{HeaderValue, Method, Response, StatusCode, header},
};
use service::http;

/// The rows of the table.
pub(crate) fn routes() -> Vec<Route> {
    let health = Operation::new("getHealth", "operations", "How the program and its parts are.")
        .answer(200, "It works, at least in part.", "application/json", shapes::health())
        .answer(503, "It does not work.", "application/json", shapes::health())
        .problems(&[]);
    let live = Operation::new("isAlive", "operations", "Whether the process answers.")
        .answer(200, "It does.", "text/plain", shapes::text())
        .problems(&[]);
    let ready = Operation::new("isReady", "operations", "Whether requests should be sent here.")
        .query("verbose", "Names every part.", shapes::text())
        .answer(200, "They should.", "text/plain", shapes::text())
        .answer(503, "They should not.", "text/plain", shapes::text())
        .problems(&[]);
    let metrics = Operation::new("getMetrics", "operations", "Metrics in Prometheus' text format.")
        .answer(200, "The metrics.", "text/plain", shapes::text())
        .problems(&[401]);
    let problem = Operation::new("explainProblem", "operations", "What the code of an error means.")
        .answer(200, "The meaning.", "text/plain", shapes::text())
        .problems(&[400]);
    vec![
        Route::new(Method::GET, "/health", Access::Open, health, show),
        Route::new(Method::GET, "/livez", Access::Open, live, |_| async { Ok(text(StatusCode::OK, "ok\n".to_owned())) }),
        Route::new(Method::GET, "/readyz", Access::Open, ready, readiness),
        Route::new(Method::GET, "/metrics", Access::Caller, metrics, render),
        Route::new(Method::GET, "/problems/{code}", Access::Open, problem, explain),
    ]
}

async fn show(call: Call) -> Answer {
    let (status, report) = http::health_report(&call.gateway.lifecycle);
    let mut response = answer_json(&report);
    *response.status_mut() = status;
    Ok(response)
}

async fn readiness(call: Call) -> Answer {
    let (status, body) = http::readiness_report(&call.gateway.lifecycle, call.parts.uri.query());
    Ok(text(status, body))
}

async fn render(call: Call) -> Answer {
    let gateway = &call.gateway;
    meters::gauge(meters::COMMANDS_IN_FLIGHT, gateway.submitter.in_flight());
    meters::gauge(meters::WAITERS, gateway.submitter.waiting());
    meters::gauge(meters::STREAMS, gateway.limits.streams.saturating_sub(gateway.streams.available_permits()));
    meters::gauge(meters::CONNECTIONS, gateway.limits.connections.saturating_sub(gateway.connections.available_permits()));
    let mut response = text(StatusCode::OK, gateway.metrics.render());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"));
    Ok(response)
}

async fn explain(call: Call) -> Answer {
    let name = call.name("code")?;
    let Some(code) = codes::find(name) else {
        // Deciders bring codes of their own, which no table here repeats.
        let page = format!(
            "A rule refused the command\n\n{name}\n\nThis is the code of a rule of the aggregate. The detail of the answer says \
             what the rule is and what to do.\n"
        );
        return Ok(text(StatusCode::OK, page));
    };
    let again = if code.retryable { "The same request may succeed later." } else { "The same request will not succeed later." };
    let page = format!("{}\n\n{} ({})\n\n{}\n\n{again}\n", code.title, code.name, code.status, code.meaning);
    Ok(text(StatusCode::OK, page))
}

fn text(status: StatusCode, body: String) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
