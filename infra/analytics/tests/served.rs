//! The engine as a server, spoken to without a ClickHouse client: what `curl` or a dashboard would send.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod suite;

use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::Value;
use std::{net::SocketAddr, sync::LazyLock, time::Duration};
use suite::{
    server::{self, PEOPLE, WRITER},
    strangers::statements,
};
use swarmlog_analytics::Engine;
use tokio::{io::AsyncWriteExt, net::TcpStream, runtime::Runtime};

struct Served {
    runtime: Runtime,
    engine: Engine,
    address: SocketAddr,
}

static SERVED: LazyLock<Served> = LazyLock::new(|| {
    let runtime = Runtime::new().unwrap();
    let engine = server::engine();
    let address = runtime.block_on(server::serve(&engine));
    Served { runtime, engine, address }
});

fn run<F: Future<Output = ()>>(test: impl FnOnce() -> F) {
    SERVED.runtime.block_on(test());
}

/// A request with parameters in its URL.
fn request(method: Method, user: &str, parameters: &[(&str, &str)]) -> RequestBuilder {
    let request = Client::new().request(method, format!("http://{}/", SERVED.address)).query(parameters);
    request.header("X-ClickHouse-User", user).header("X-ClickHouse-Key", server::password(user))
}

fn code(response: &Response) -> &str {
    response.headers().get("X-ClickHouse-Exception-Code").map_or("", |code| code.to_str().unwrap())
}

/// The text of a good answer.
async fn text(request: RequestBuilder) -> String {
    let response = request.send().await.unwrap();
    let status = response.status();
    let text = response.text().await.unwrap();
    assert_eq!(status, StatusCode::OK, "{text}");
    text
}

/// ClickHouse's code in a refusal.
async fn refusal(request: RequestBuilder) -> (StatusCode, String) {
    let response = request.send().await.unwrap();
    (response.status(), code(&response).to_owned())
}

#[test]
fn a_sign_of_life_needs_no_password_and_everything_else_does() {
    run(|| async {
        let get = async |path: &str| Client::new().get(format!("http://{}{path}", SERVED.address)).send().await.unwrap();
        for path in ["/ping", "/"] {
            assert_eq!(get(path).await.text().await.unwrap(), "Ok.\n");
        }
        let nobody = get("/?query=SELECT+1").await;
        assert_eq!((nobody.status(), code(&nobody)), (StatusCode::UNAUTHORIZED, "516"));
        assert!(nobody.headers().contains_key("WWW-Authenticate"));
        let in_url = get(&format!("/?query=SELECT+1&user={WRITER}&password={}", server::password(WRITER))).await;
        assert_eq!((in_url.status(), code(&in_url)), (StatusCode::UNAUTHORIZED, "516"));
        let url = format!("http://{}/", SERVED.address);
        let basic = |user: &str, password: String| Client::new().post(&url).basic_auth(user, Some(password)).body("SELECT 1");
        assert_eq!(refusal(basic(WRITER, server::password(PEOPLE))).await, (StatusCode::FORBIDDEN, "516".to_owned()));
        assert_eq!(text(basic(WRITER, server::password(WRITER))).await, "1\n");
        assert_eq!(text(basic(PEOPLE, server::password(PEOPLE))).await, "1\n");
    });
}

#[test]
fn statements_come_in_the_url_or_in_the_body_with_parameters_and_a_format() {
    run(|| async {
        let sql = "SELECT {n:UInt8} + 1 AS n FORMAT JSONEachRow;";
        assert_eq!(text(request(Method::GET, WRITER, &[("query", sql), ("param_n", "41")])).await, "{\"n\":42}\n");
        assert_eq!(text(request(Method::POST, WRITER, &[("default_format", "CSV")]).body("SELECT 'a'")).await, "\"a\"\n");
        assert_eq!(text(request(Method::POST, WRITER, &[("query", "SELECT 1 +")]).body("1")).await, "2\n");
        // An answer of many blocks is still one document, also where the format hides before the settings.
        for end in ["FORMAT JSON", "FORMAT JSON SETTINGS max_threads = 2"] {
            let sql = format!("SELECT number FROM numbers(200000) {end}");
            let json: Value = serde_json::from_str(&text(request(Method::POST, WRITER, &[]).body(sql)).await).unwrap();
            assert_eq!(json["rows"], 200_000, "{end}");
        }
        let answer = request(Method::POST, WRITER, &[]).body("SELECT 1 FORMAT JSON").send().await.unwrap();
        assert!(answer.headers()["content-type"].to_str().unwrap().starts_with("application/json"));
        assert_eq!(answer.headers()["x-clickhouse-format"], "JSON");
        assert_eq!(refusal(request(Method::POST, WRITER, &[])).await, (StatusCode::BAD_REQUEST, "36".to_owned()));
        let wrong = refusal(request(Method::POST, WRITER, &[]).body("SELECT nonsense")).await;
        assert_eq!(wrong, (StatusCode::INTERNAL_SERVER_ERROR, "47".to_owned()));
    });
}

#[test]
fn a_get_only_reads() {
    run(|| async {
        for sql in ["CREATE TABLE got (a UInt8) ENGINE = Memory", "INSERT INTO parked (reason) SELECT 'x'"] {
            for settings in [&[("query", sql)][..], &[("query", sql), ("readonly", "0")]] {
                assert_eq!(refusal(request(Method::GET, WRITER, settings)).await.1, "164", "{sql}");
            }
        }
    });
}

#[test]
fn rows_of_an_insert_come_in_the_body() {
    run(|| async {
        let insert = "INSERT INTO parked (topic, reason) FORMAT JSONEachRow";
        let row = r#"{"topic":"curl","reason":"x\n\ny"}"#;
        for _ in 0..2 {
            let parameters = [("query", insert), ("insert_deduplication_token", "curl")];
            assert_eq!(text(request(Method::POST, WRITER, &parameters).body(row)).await, "");
        }
        let count = "SELECT count() FROM parked WHERE topic = 'curl'";
        assert_eq!(text(request(Method::POST, WRITER, &[]).body(count)).await, "1\n");
        let in_text = refusal(request(Method::POST, WRITER, &[]).body(format!("{insert} {row}"))).await;
        assert_eq!(in_text.0, StatusCode::BAD_REQUEST);
        let refused = refusal(request(Method::POST, PEOPLE, &[("query", insert)]).body(row)).await;
        assert_eq!(refused, (StatusCode::FORBIDDEN, "497".to_owned()));
    });
}

#[test]
fn the_people_pass_the_gate_at_the_server_too() {
    run(|| async {
        let mut wrong = Vec::new();
        for sql in statements("-- REFUSE") {
            // A format is cut off here and no part of the statement.
            let sql = sql.replace(" FORMAT CSV", "");
            let answer = request(Method::POST, PEOPLE, &[]).body(sql.clone()).send().await.unwrap();
            if answer.status() == StatusCode::OK && sql != "SELECT 1" {
                wrong.push(format!("{sql}\n    {}", answer.text().await.unwrap()));
            }
        }
        for sql in statements("-- ALLOW") {
            let answer = request(Method::POST, PEOPLE, &[]).body(sql).send().await.unwrap();
            if answer.status() != StatusCode::OK {
                wrong.push(format!("{sql}\n    {}", answer.text().await.unwrap()));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        let count = "SELECT count() FROM events FORMAT JSONCompact";
        let json: Value = serde_json::from_str(&text(request(Method::GET, PEOPLE, &[("query", count)])).await).unwrap();
        assert!(json["data"][0][0].is_number(), "{json}");
    });
}

#[test]
fn the_people_loosen_no_limit_and_see_no_other_database() {
    run(|| async {
        let with = |name: &'static str, value: &'static str| request(Method::POST, PEOPLE, &[(name, value)]).body("SELECT 1");
        for (name, value) in [
            ("max_execution_time", "10"),
            ("final", "1"),
            ("readonly", "2"),
            ("database", "swarmlog"),
            ("add_http_cors_header", "1"),
        ] {
            assert_eq!(text(with(name, value)).await, "1\n", "{name} = {value}");
        }
        for (name, value) in
            [("max_execution_time", "0"), ("max_memory_usage", "0"), ("readonly", "0"), ("log_comment", "x"), ("role", "owner")]
        {
            assert_ne!(refusal(with(name, value)).await.0, StatusCode::OK, "{name} = {value}");
        }
        for (name, value) in [("database", "system"), ("default_format", "Template")] {
            assert_eq!(refusal(with(name, value)).await, (StatusCode::FORBIDDEN, "497".to_owned()), "{name}");
        }
    });
}

#[test]
fn what_is_not_offered_is_refused_and_not_ignored() {
    run(|| async {
        for parameter in [("compress", "1"), ("session_id", "a"), ("no_such_setting", "1")] {
            assert_ne!(
                refusal(request(Method::POST, WRITER, &[parameter]).body("SELECT 1")).await.0,
                StatusCode::OK,
                "{parameter:?}"
            );
        }
        let packed = request(Method::POST, WRITER, &[]).header("Content-Encoding", "gzip").body("SELECT 1");
        assert_eq!(refusal(packed).await.0, StatusCode::BAD_REQUEST);
    });
}

#[test]
fn a_statement_without_end_is_too_large() {
    run(|| async {
        let endless = request(Method::POST, WRITER, &[]).body(format!("SELECT '{}'", "x".repeat(5 << 20)));
        assert_eq!(refusal(endless).await, (StatusCode::PAYLOAD_TOO_LARGE, "307".to_owned()));
    });
}

#[test]
fn requests_beyond_a_number_are_refused_at_once() {
    run(|| async {
        // A server of its own, which has no other requests.
        let address = server::serve(&SERVED.engine).await;
        let head = format!(
            "POST / HTTP/1.1\r\nhost: x\r\nx-clickhouse-user: {WRITER}\r\nx-clickhouse-key: {}\r\ncontent-length: 8\r\n\r\n",
            server::password(WRITER)
        );
        let mut idle = Vec::new();
        let url = format!("http://{address}/");
        let ask = || {
            let request = Client::new().post(&url).header("X-ClickHouse-User", WRITER);
            request.header("X-ClickHouse-Key", server::password(WRITER)).body("SELECT 1")
        };
        assert_eq!(text(ask()).await, "1\n");
        for _ in 0..128 {
            let mut connection = TcpStream::connect(address).await.unwrap();
            connection.write_all(head.as_bytes()).await.unwrap();
            idle.push(connection);
        }
        let full = async {
            while refusal(ask()).await != (StatusCode::SERVICE_UNAVAILABLE, "202".to_owned()) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), full).await.expect("it is full");
        drop(idle);
        let again = async { while refusal(ask()).await.0 != StatusCode::OK {} };
        tokio::time::timeout(Duration::from_secs(20), again).await.expect("there is room again");
    });
}
