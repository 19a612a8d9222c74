//! Statements of strangers: every line of `hostile.sql`, the second wall behind the gate, the limits, the answers.

use super::rows::{event, metric};
use serde_json::Value;
use swarmlog_analytics::{
    Analytics, AnalyticsError, SqlFormat,
    tables::{EventRow, MetricRow},
};

async fn seed(analytics: &Analytics) {
    let client = analytics.client().unwrap();
    let mut events = client.insert::<EventRow>("events").await.unwrap().with_setting("insert_deduplication_token", "seed");
    for position in 1..=50 {
        events.write(&event("work.events", 0, position)).await.unwrap();
    }
    events.end().await.unwrap();
    let mut metrics = client.insert::<MetricRow>("run_metrics").await.unwrap().with_setting("insert_deduplication_token", "seed");
    for offset in 0..50 {
        metrics.write(&metric(offset, 0)).await.unwrap();
    }
    metrics.end().await.unwrap();
}

/// The statements below a heading of the file.
pub fn statements(heading: &str) -> Vec<&'static str> {
    let file = include_str!("hostile.sql");
    let lines = file.lines().skip_while(|line| *line != heading).skip(1).take_while(|line| !line.starts_with("-- "));
    lines.filter(|line| !line.is_empty()).collect()
}

pub async fn hostile_statements_are_refused_and_ordinary_ones_run(analytics: Analytics) {
    seed(&analytics).await;
    let (refuse, allow) = (statements("-- REFUSE"), statements("-- ALLOW"));
    assert!(refuse.len() >= 37 && allow.len() >= 24, "{} and {}", refuse.len(), allow.len());
    let mut wrong = Vec::new();
    for sql in refuse {
        match analytics.sql(sql, SqlFormat::Json).await {
            Err(AnalyticsError::Refused(_) | AnalyticsError::Invalid(_)) => {}
            other => wrong.push(format!("{sql}\n    not refused: {other:?}")),
        }
    }
    for sql in allow {
        match analytics.sql(sql, SqlFormat::Json).await {
            Ok(answer) => assert!(serde_json::from_slice::<Value>(&answer.body).unwrap()["data"].is_array(), "{sql}"),
            Err(error) => wrong.push(format!("{sql}\n    {error:?}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

pub async fn the_gate_itself_refuses_what_the_engine_would_run(analytics: Analytics) {
    // Lines that the role or the parser would stop as well prove nothing about the gate: these would run.
    for sql in [
        "SELECT length(file('/etc/passwd'))",
        "SELECT * APPLY(file) FROM (SELECT '/etc/passwd')",
        "SELECT arrayMap(file, ['/etc/passwd'])",
        "SELECT hostName()",
        "SELECT sleep(1)",
        "SELECT * FROM merge('swarmlog', 'events')",
        "SELECT count() FROM system.tables",
        "EXPLAIN SELECT 1",
        "SELECT 1 FORMAT CSV",
    ] {
        let answer = analytics.sql(sql, SqlFormat::Text).await;
        assert!(matches!(answer, Err(AnalyticsError::Refused(_))), "{sql}: {answer:?}");
    }
}

pub async fn answers_have_the_form_that_was_asked_for(analytics: Analytics) {
    seed(&analytics).await;
    let sql = "SELECT position, recorded_at, type FROM events ORDER BY position LIMIT 2";
    let json = analytics.sql(sql, SqlFormat::Json).await.unwrap();
    assert_eq!(json.content_type, "application/json");
    let json: Value = serde_json::from_slice(&json.body).unwrap();
    assert_eq!(json["rows"], 2);
    assert_eq!(json["meta"][0]["name"], "position");
    assert_eq!(json["data"][0]["position"], 1);
    assert_eq!(json["data"][0]["recorded_at"], "2026-11-21T02:00:00.000001Z");
    assert!(json["elapsed"].as_f64().is_some(), "{json}");
    let lines = analytics.sql(sql, SqlFormat::JsonLines).await.unwrap();
    let lines = String::from_utf8(lines.body.to_vec()).unwrap();
    assert_eq!(lines.lines().count(), 2);
    assert_eq!(serde_json::from_str::<Value>(lines.lines().next().unwrap()).unwrap()["type"], "work.JobLeased");
    let text = analytics.sql(sql, SqlFormat::Text).await.unwrap();
    assert!(String::from_utf8(text.body.to_vec()).unwrap().contains("position"), "a table for people");
}

pub async fn a_statement_ends_at_its_limits(analytics: Analytics) {
    for sql in [
        "SELECT number FROM numbers(1000000)",
        "SELECT repeat('x', 1000000) FROM numbers(1000)",
        "SELECT groupArray(toString(number)) FROM numbers(100000000)",
        "SELECT count() FROM numbers(1000000000000) WHERE NOT isNaN(number)",
        "SELECT sum(cityHash64(number)) FROM numbers(100000000000)",
    ] {
        let started = std::time::Instant::now();
        let answer = analytics.sql(sql, SqlFormat::Json).await;
        assert!(matches!(answer, Err(AnalyticsError::Limit(_))), "{sql}: {answer:?}");
        assert!(started.elapsed().as_secs() < 60, "{sql}");
    }
    let long = format!("SELECT '{}'", "x".repeat(70_000));
    assert!(matches!(analytics.sql(&long, SqlFormat::Json).await, Err(AnalyticsError::Refused(_))));
    let deep = format!("SELECT {}1{}", "(".repeat(20_000), ")".repeat(20_000));
    assert!(analytics.sql(&deep, SqlFormat::Json).await.is_err());
}

pub async fn what_does_not_parse_is_explained_without_the_engines_entrails(analytics: Analytics) {
    for sql in ["SELEC 1", "SELECT", "SELECT nonsense FROM events", "SELECT 1 +", "", "SELECT 'open"] {
        match analytics.sql(sql, SqlFormat::Json).await {
            Err(AnalyticsError::Invalid(message) | AnalyticsError::Refused(message)) => {
                for entrails in ["DB::", "version 26", "/engine/", "Stack trace"] {
                    assert!(!message.contains(entrails), "{sql}: {message}");
                }
            }
            other => panic!("{sql}: {other:?}"),
        }
    }
    let nul = analytics.sql("SELECT 1\0; DROP TABLE events", SqlFormat::Json).await;
    assert!(matches!(nul, Err(AnalyticsError::Refused(_))), "{nul:?}");
}

pub async fn a_stranger_sees_a_doubled_row_once(analytics: Analytics) {
    let client = analytics.client().unwrap();
    for token in ["first", "second"] {
        let mut insert = client.insert::<EventRow>("events").await.unwrap().with_setting("insert_deduplication_token", token);
        insert.write(&event("doubled", 0, 1)).await.unwrap();
        insert.end().await.unwrap();
    }
    let answer = analytics.sql("SELECT count() AS n FROM events WHERE topic = 'doubled'", SqlFormat::JsonLines).await;
    assert_eq!(answer.unwrap().body, "{\"n\":1}\n");
}
