//! Whether the program is well, who may call it, and how it is bound.

use crate::world::{Setting, World, id, job, problem};
use serde_json::Value;

#[tokio::test(flavor = "multi_thread")]
async fn health_has_exactly_the_fields_that_monitors_know() {
    let world = World::start().await;
    world.eventually("all parts are ready", async || world.get("/readyz").send().await.unwrap().status() == 200).await;
    let health: Value = world.get("/health").send().await.unwrap().json().await.unwrap();
    let mut fields: Vec<_> = health.as_object().unwrap().keys().map(String::as_str).collect();
    fields.sort_unstable();
    assert_eq!(fields, ["dependencies", "service", "status", "timestamp", "version"]);
    assert_eq!((health["status"].as_str(), health["service"].as_str()), (Some("healthy"), Some("swarmlog")));
    assert_eq!(health["dependencies"]["gateway"], "ready");
    let verbose = world.get("/readyz?verbose").send().await.unwrap().text().await.unwrap();
    assert!(verbose.contains("gateway: ready\n") && verbose.ends_with("ready\n"), "{verbose}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_token_opens_what_is_not_public() {
    let world = World::with(Setting { token: Some("secret"), ..Setting::default() }).await;
    for path in ["/health", "/livez", "/readyz?verbose", "/problems/busy"] {
        assert_ne!(world.get(path).send().await.unwrap().status(), 401, "{path}");
    }
    for path in ["/v1/jobs", "/v1/jobs/x", "/v1/projections", "/metrics", "/openapi.json", "/v1/parked"] {
        let refused = world.get(path).send().await.unwrap();
        assert!(refused.headers()["www-authenticate"].to_str().unwrap().starts_with("Bearer"));
        problem(world.get(path).send(), 401, "unauthorized").await;
        problem(world.get(path).bearer_auth("Secret").send(), 401, "unauthorized").await;
    }
    problem(world.post("/v1/commands/work.SubmitJob", &job("q")).send(), 401, "unauthorized").await;
    let answer = world.post("/v1/commands/work.SubmitJob", &job("q")).bearer_auth("secret").send().await.unwrap();
    assert_eq!(answer.status(), 201);
    let said: Value = answer.json().await.unwrap();
    let token = said["token"].as_str().unwrap();
    let row = world.get(&format!("/v1/jobs/{}", id(&said))).bearer_auth("secret").header("x-consistency-token", token);
    assert_eq!(row.send().await.unwrap().json::<Value>().await.unwrap()["submitted_by"], "operator");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_count_requests_by_route() {
    let world = World::start().await;
    world.submit("q").await;
    problem(world.get("/v1/nowhere").send(), 404, "not_found").await;
    let metrics = world.get("/metrics").send().await.unwrap().text().await.unwrap();
    let line = |parts: &[&str]| metrics.lines().any(|line| parts.iter().all(|part| line.contains(part)));
    assert!(line(&[
        "swarmlog_http_requests_total{",
        "route=\"/v1/commands/work.SubmitJob\"",
        "method=\"POST\"",
        "status=\"201\""
    ]));
    assert!(line(&["swarmlog_http_request_seconds_count{", "route=\"/v1/commands/work.SubmitJob\""]), "{metrics}");
    assert!(line(&["swarmlog_http_requests_total{", "route=\"unmatched\"", "status=\"404\""]), "{metrics}");
    for gauge in ["swarmlog_commands_in_flight", "swarmlog_waiters", "swarmlog_http_connections"] {
        assert!(line(&[gauge]), "{gauge}");
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_code_is_explained() {
    let world = World::start().await;
    let page = world.get("/problems/busy").send().await.unwrap().text().await.unwrap();
    assert!(page.contains("503"), "{page}");
    let rule = world.get("/problems/stale_fence").send().await.unwrap();
    assert_eq!(rule.status(), 200);
    world.stop().await;
}
