//! Bad input: refused the same way every time, never a 500, never stored.

use crate::world::{Setting, World, job, problem};
use gateway::{GatewayError, Limits};
use log::Source;
use reqwest::{Body, Method};
use serde_json::Value;
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const SUBMIT: &str = "/v1/commands/work.SubmitJob";

async fn raw(world: &World, body: impl Into<Body>) -> (u16, Value) {
    let request = world.request(Method::POST, SUBMIT).header("content-type", "application/json").body(body);
    let answer = request.send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn json_that_readers_understand_differently_is_refused() {
    let world = World::start().await;
    let keys: String = (0..60_000).map(|n| format!("\"k{n}\":{n},")).collect();
    let bodies: Vec<Vec<u8>> = [
        "".to_owned(),
        "nonsense".to_owned(),
        "{} {}".to_owned(),
        "[]".to_owned(),
        "null".to_owned(),
        format!("{}{}", "[".repeat(10_000), "]".repeat(10_000)),
        format!("{}1{}", "{\"a\":".repeat(10_000), "}".repeat(10_000)),
        format!("{{{keys}\"queue\":\"q\",\"kind\":\"k\"}}"),
        r#"{"queue":"a","queue":"b","kind":"k"}"#.to_owned(),
        r#"{"queue":"a","kind":"k","max_attempts":NaN}"#.to_owned(),
        r#"{"queue":"a","kind":"k","max_attempts":1e400}"#.to_owned(),
        r#"{"queue":"a","kind":"k","max_attempts":99999999999999999999}"#.to_owned(),
        r#"{"queue":"a","kind":"k","max_attempts":1.5}"#.to_owned(),
        r#"{"queue":"\ud800","kind":"k"}"#.to_owned(),
        r#"{"queue":"a\u0000b","kind":"k"}"#.to_owned(),
        r#"{"queue":"a","kind":"k","config":{"x":"\u0000"}}"#.to_owned(),
        r#"{"queue":"a","kind":"k","unknown":1}"#.to_owned(),
        r#"{"queue":"a","kind":"k","actor":"root"}"#.to_owned(),
    ]
    .into_iter()
    .map(String::into_bytes)
    .chain([b"{\"queue\":\"\xff\",\"kind\":\"k\"}".to_vec()])
    .collect();
    for body in bodies {
        let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
        let (status, first) = raw(&world, body.clone()).await;
        assert_eq!(status, 400, "{shown}: {first}");
        let (_, second) = raw(&world, body).await;
        assert_eq!((&first["code"], &first["detail"]), (&second["code"], &second["detail"]), "{shown}");
    }
    for partition in 0..world.log.partitions() {
        let source = Source { topic: "work.commands".into(), partition };
        assert_eq!(world.log.end(&source).await.unwrap(), 0, "nothing was appended");
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_is_refused_before_it_is_read() {
    let limits = Limits { body_bytes: 1000, telemetry_bytes: 2000, blob_bytes: 3000, ..Limits::default() };
    let world = World::with(Setting { limits, ..Setting::default() }).await;
    assert_eq!(raw(&world, "x".repeat(1001)).await.0, 413);
    let endless = futures::stream::repeat_with(|| Ok::<_, std::io::Error>(vec![b' '; 400])).take_n(1000);
    let request = world.request(Method::POST, SUBMIT).header("content-type", "application/json").body(Body::wrap_stream(endless));
    // The connection may be closed while the rest is still being sent.
    if let Ok(answer) = request.send().await {
        assert_eq!(answer.status(), 413);
    }
    let blob = world.request(Method::PUT, &format!("/v1/blobs/{}", "0a".repeat(32))).body(vec![0; 3001]);
    assert_eq!(blob.send().await.unwrap().status(), 413);
    assert_eq!(world.post("/v1/telemetry:batch", &Value::String("x".repeat(2001))).send().await.unwrap().status(), 413);
    world.stop().await;
}

/// Limits a stream without another crate.
trait TakeN: Sized {
    fn take_n(self, n: usize) -> futures::stream::BoxStream<'static, Result<Vec<u8>, std::io::Error>>;
}

impl<S: futures::Stream<Item = Result<Vec<u8>, std::io::Error>> + Send + 'static> TakeN for S {
    fn take_n(self, n: usize) -> futures::stream::BoxStream<'static, Result<Vec<u8>, std::io::Error>> {
        use futures::StreamExt;
        self.take(n).boxed()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_methods_types_and_encodings_are_told_apart() {
    let world = World::start().await;
    let plain = world.request(Method::POST, SUBMIT).header("content-type", "text/plain").body("{}");
    problem(plain.send(), 415, "unsupported_media_type").await;
    problem(world.request(Method::POST, SUBMIT).body("{}").send(), 415, "unsupported_media_type").await;
    let zipped = world.post(SUBMIT, &job("q")).header("content-encoding", "gzip");
    problem(zipped.send(), 415, "unsupported_media_type").await;
    problem(world.get(SUBMIT).send(), 405, "method_not_allowed").await;
    problem(world.request(Method::DELETE, "/v1/jobs").send(), 405, "method_not_allowed").await;
    problem(world.get("/v2/jobs").send(), 404, "not_found").await;
    let traced = world.get("/v2/jobs").header("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    let document = problem(traced.send(), 404, "not_found").await;
    assert_eq!(document["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_ids_never_get_past_the_door() {
    let world = World::start().await;
    let long = "x".repeat(129);
    for hostile in ["..", "a..b", "..%2f..%2fetc%2fpasswd", "a%2Fb", "a'b", "a;b", "a%00b", "a%25b", "%E2%80%AEabc", "%ff", &long]
    {
        for path in [
            format!("/v1/jobs/{hostile}"),
            format!("/v1/commands/{hostile}"),
            format!("/v1/aggregates/job/{hostile}/history"),
            format!("/v1/projections/{hostile}"),
            format!("/v1/blobs/{hostile}"),
        ] {
            // A client library would tidy the path up before sending it.
            let answer = speak(&world, &format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")).await;
            assert!(answer.starts_with("HTTP/1.1 400 "), "{path}: {answer}");
            assert!(answer.contains("application/problem+json") && answer.contains("invalid_id"), "{path}: {answer}");
        }
    }
    let enormous = "x".repeat(60_000);
    let answer = speak(&world, &format!("GET /v1/jobs/{enormous} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 4"), "{}", &answer[..80.min(answer.len())]);
    world.stop().await;
}

/// Sends bytes and reads until the end.
async fn speak(world: &World, bytes: &str) -> String {
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    stream.write_all(bytes.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await.expect("an answer").unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_heads_and_bodies_are_told_408() {
    let limits = Limits { head_time: Duration::from_millis(300), body_time: Duration::from_millis(300), ..Limits::default() };
    let world = World::with(Setting { limits, ..Setting::default() }).await;
    let head = speak(&world, "GET /livez HTTP/1.1\r\nhost: x\r\n").await;
    assert!(head.starts_with("HTTP/1.1 408 ") && head.contains("slow_request"), "{head}");
    let body = speak(
        &world,
        &format!("POST {SUBMIT} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{{"),
    )
    .await;
    assert!(body.starts_with("HTTP/1.1 408 ") && body.contains("slow_request"), "{body}");
    world.stop().await;
}

#[tokio::test]
async fn a_bind_beyond_loopback_without_a_token_is_refused() {
    let refused = gateway::check_bind("0.0.0.0:8080".parse().unwrap(), None).unwrap_err();
    assert!(matches!(refused, GatewayError::Exposed(_)));
    assert!(gateway::check_bind("0.0.0.0:8080".parse().unwrap(), Some("secret")).is_ok());
}
