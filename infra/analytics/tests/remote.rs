//! A server by URL keeps the promises of the port: here the engine of this process, over TCP.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

#[macro_use]
mod suite;

use std::{net::SocketAddr, sync::LazyLock, time::Duration};
use suite::{World, inserts_and_queries::insert, proxy::Proxy, rows::event, server};
use swarmlog_analytics::{Analytics, AnalyticsError, Remote, SqlFormat};
use tokio::{net::TcpListener, runtime::Runtime};

static SERVED: LazyLock<(World, SocketAddr)> = LazyLock::new(|| {
    let runtime = Runtime::new().unwrap();
    let address = runtime.block_on(server::serve(&server::engine()));
    let analytics = server::analytics(address);
    runtime.block_on(analytics.prepare()).unwrap();
    (World { runtime, analytics }, address)
});

conformance!(SERVED.0);

/// Runs a test that makes ports of its own to the served engine.
fn with_address<F: Future<Output = ()>>(test: impl FnOnce(SocketAddr) -> F) {
    SERVED.0.runtime.block_on(test(SERVED.1));
}

#[test]
fn the_gate_stands_before_the_network() {
    // With a user who may do everything nothing behind the gate helps it: each of these would run.
    with_address(|address| async move {
        let (sql_user, sql_password) = (server::WRITER.to_owned(), server::password(server::WRITER));
        let analytics = Analytics::remote(Remote { sql_user, sql_password, ..server::remote(address) }).unwrap();
        for sql in [
            "SELECT length(file('/etc/passwd'))",
            "SELECT * APPLY(file) FROM (SELECT '/etc/passwd')",
            "SELECT count() FROM system.tables",
            "SELECT * FROM parked",
            "SELECT 1 IN (SELECT 1 FROM parked)",
            "SELECT 1 SETTINGS max_threads = 1",
            "SELECT 1 FORMAT CSV",
            "SHOW TABLES",
            "CREATE TABLE swarmlog.slipped (a UInt8) ENGINE = Memory",
        ] {
            let answer = analytics.sql(sql, SqlFormat::Json).await;
            assert!(matches!(answer, Err(AnalyticsError::Refused(_))), "{sql}: {answer:?}");
        }
        assert!(analytics.sql("SELECT count() FROM events", SqlFormat::Json).await.is_ok());
    });
}

#[test]
fn a_stranger_runs_as_another_user_under_limits_that_he_cannot_see_past() {
    with_address(|address| async move {
        let sql_password = "another".to_owned();
        let analytics = Analytics::remote(Remote { sql_password, ..server::remote(address) }).unwrap();
        analytics.prepare().await.unwrap();
        let answer = analytics.sql("SELECT 1", SqlFormat::Json).await;
        assert!(
            matches!(&answer, Err(AnalyticsError::Transient(reason)) if reason.contains("let this program in")),
            "{answer:?}"
        );
        let reason = analytics.check().await.expect_err("a wrong password");
        assert!(reason.contains("people's SQL") && !reason.contains('\n'), "{reason}");
    });
}

#[test]
fn a_server_that_is_down_is_waited_for_and_then_used() {
    with_address(|address| async move {
        let (proxy, stable) = Proxy::start().await;
        let analytics = server::analytics(stable);
        let error = analytics.prepare().await.expect_err("nobody is there");
        assert!(matches!(error, AnalyticsError::Transient(_)), "{error}");
        let answer = analytics.sql("SELECT 1", SqlFormat::Json).await;
        assert!(matches!(answer, Err(AnalyticsError::Transient(_))), "{answer:?}");
        let reason = analytics.check().await.expect_err("nobody is there");
        assert!(!reason.contains('\n') && !reason.is_empty(), "{reason:?}");
        proxy.lead_to(Some(address));
        analytics.prepare().await.unwrap();
        analytics.check().await.unwrap();
        assert!(analytics.sql("SELECT 1", SqlFormat::Json).await.is_ok());
    });
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_answers_is_given_up() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let analytics = server::analytics(silent.local_addr().unwrap());
    let reason = analytics.check().await.expect_err("silence");
    assert!(!reason.contains('\n'), "{reason}");
    assert!(matches!(analytics.prepare().await, Err(AnalyticsError::Transient(_))));
    assert!(analytics.sql("SELECT 1", SqlFormat::Json).await.is_err());
    // Nobody bounds what a consumer asks: the connection does.
    assert!(analytics.client().unwrap().query("SELECT 1").fetch_one::<u8>().await.is_err());
}

#[test]
fn wrong_credentials_of_the_program_are_worth_another_try() {
    with_address(|address| async move {
        let analytics = Analytics::remote(Remote { password: "another".to_owned(), ..server::remote(address) }).unwrap();
        assert!(format!("{analytics:?}").contains("writer") && !format!("{analytics:?}").contains("another"));
        assert!(matches!(analytics.prepare().await, Err(AnalyticsError::Transient(_))));
        assert!(analytics.check().await.is_err());
    });
}

#[test]
fn several_processes_may_make_the_tables_at_once_and_again() {
    with_address(|address| async move {
        let other = move || Analytics::remote(Remote { database: "elsewhere".to_owned(), ..server::remote(address) }).unwrap();
        let tries: Vec<_> = (0..8).map(|_| tokio::spawn(async move { other().prepare().await })).collect();
        for done in tries {
            done.await.unwrap().unwrap();
        }
        let analytics = other();
        insert(analytics.client().unwrap(), "events", &[event("elsewhere", 0, 1)], "elsewhere").await.unwrap();
        analytics.prepare().await.unwrap();
        let sql = "SELECT count() FROM elsewhere.events";
        assert_eq!(analytics.client().unwrap().query(sql).fetch_one::<u64>().await.unwrap(), 1);
    });
}

#[test]
fn an_insert_whose_answer_was_lost_is_repeated_without_a_double() {
    with_address(|address| async move {
        let (proxy, stable) = Proxy::start().await;
        proxy.lead_to(Some(address));
        let analytics = server::analytics(stable);
        let rows: Vec<_> = (1..=1000).map(|position| event("lost.answer", 0, position)).collect();
        // The first try of a client asks for the columns; the proxy loses only the answer to the insert itself.
        proxy.lose_answers(1);
        insert(analytics.client().unwrap(), "events", &rows, "lost answer").await.expect_err("the answer is lost");
        assert_eq!(proxy.to_lose(), 0);
        let count = async || {
            let sql = "SELECT count() FROM events WHERE topic = 'lost.answer'";
            SERVED.0.analytics.client().unwrap().query(sql).fetch_one::<u64>().await.unwrap()
        };
        assert_eq!(count().await, 1000, "it was applied");
        insert(analytics.client().unwrap(), "events", &rows, "lost answer").await.unwrap();
        // Counted without FINAL: not even a hidden double.
        assert_eq!(count().await, 1000);
    });
}

#[test]
fn the_statements_for_a_servers_users_are_clickhouses() {
    SERVED.0.with(|analytics| async move {
        let file = include_str!("../../deploy/clickhouse-users.sql");
        let text: String = file.lines().filter(|line| !line.starts_with("--")).collect::<Vec<_>>().join("\n");
        let statements: Vec<_> = text.split(';').map(str::trim).filter(|statement| !statement.is_empty()).collect();
        assert!(statements.len() > 8, "{statements:?}");
        for statement in statements {
            let query = analytics.client().unwrap().query_raw("SELECT formatQuery({q:String})").param("q", statement);
            query.fetch_one::<String>().await.unwrap_or_else(|error| panic!("{statement}: {error}"));
        }
    });
}

#[test]
fn an_answer_that_nobody_waits_for_is_not_computed_to_its_end() {
    SERVED.0.with(|analytics| async move {
        let client = analytics.client().unwrap().clone();
        let mark = "an_answer_that_nobody_waits_for";
        let asking = tokio::spawn({
            let client = client.clone();
            let sql = format!("SELECT sum(cityHash64(number)) AS {mark} FROM numbers(1000000000000)");
            async move { client.query(&sql).fetch_one::<u64>().await }
        });
        let sql = format!("SELECT count() FROM system.processes WHERE query LIKE 'SELECT sum(cityHash64(number)) AS {mark}%'");
        let running = async |expected: u64| {
            while client.query(&sql).fetch_one::<u64>().await.unwrap() != expected {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), running(1)).await.expect("it begins");
        asking.abort();
        tokio::time::timeout(Duration::from_secs(60), running(0)).await.expect("it ends");
    });
}
