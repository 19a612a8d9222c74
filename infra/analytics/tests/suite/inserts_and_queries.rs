//! The trusted client, unmodified.

use super::rows::{TIME, event, metric};
use clickhouse::{Client, Compression, Row, sql::Identifier};
use serde::{Deserialize, Serialize};
use swarmlog_analytics::{
    Analytics,
    tables::{EventRow, MetricRow, ParkedRow},
};
use uuid::Uuid;

/// A day in microseconds.
const DAY: i64 = 86_400_000_000;

/// Inserts under a deduplication token.
pub async fn insert<R>(client: &Client, table: &str, rows: &[R], token: &str) -> clickhouse::error::Result<()>
where
    R: for<'a> Row<Value<'a> = R> + clickhouse::RowOwned + Serialize,
{
    let mut insert = client.insert::<R>(table).await?.with_setting("insert_deduplication_token", token);
    for row in rows {
        insert.write(row).await?;
    }
    insert.end().await
}

async fn events_of(client: &Client, topic: &str) -> Vec<EventRow> {
    let sql = "SELECT ?fields FROM events WHERE topic = ? ORDER BY partition, position";
    client.query(sql).bind(topic).fetch_all::<EventRow>().await.unwrap()
}

pub async fn typed_rows_survive_the_round_trip(analytics: Analytics) {
    let client = analytics.client().unwrap();
    let events: Vec<EventRow> = (1..=5000).map(|position| event("round.trip", 3, position)).collect();
    insert(client, "events", &events, "round").await.unwrap();
    assert_eq!(events_of(client, "round.trip").await, events);

    let metrics: Vec<MetricRow> = (0..100).map(|offset| metric(offset, 0)).collect();
    insert(client, "run_metrics", &metrics, "metrics").await.unwrap();
    let back = client.query("SELECT ?fields FROM run_metrics FINAL ORDER BY offset").fetch_all::<MetricRow>().await;
    assert_eq!(back.unwrap(), metrics);

    let parked = ParkedRow {
        topic: "work.events".to_owned(),
        partition: 1,
        position: 8,
        offset: 7,
        timeline: Uuid::from_u128(7),
        recorded_at: TIME,
        reason: "schema id 99 is unknown".to_owned(),
        key: "6b".to_owned(),
        envelope: "00".to_owned(),
        payload: "ff".to_owned(),
    };
    insert(client, "parked", std::slice::from_ref(&parked), "parked").await.unwrap();
    assert_eq!(client.query("SELECT ?fields FROM parked").fetch_one::<ParkedRow>().await.unwrap(), parked);
}

pub async fn rows_are_stored_once_however_often_their_insert_is_repeated(analytics: Analytics) {
    let client = analytics.client().unwrap();
    let later = |row: EventRow| EventRow { recorded_at: row.recorded_at + 60 * DAY, ..row };
    let events: Vec<EventRow> = (1..=1000).map(|position| later(event("dedup", 0, position))).collect();
    for _ in 0..3 {
        insert(client, "events", &events, "t/dedup/0/1-1000").await.unwrap();
    }
    let count = |sql: &'static str| async move { client.query(sql).fetch_one::<u64>().await.unwrap() };
    assert_eq!(count("SELECT count() FROM events WHERE topic = 'dedup'").await, 1000);
    // Only these events are in that month.
    let parts = "SELECT count() FROM system.parts WHERE table = 'events' AND active AND partition = '202701'";
    let before = count(parts).await;
    insert(client, "events", &events, "t/dedup/0/1-1000").await.unwrap();
    assert_eq!(count(parts).await, before);
    // Past the window of tokens, the sorting key is the net.
    insert(client, "events", &events, "another token").await.unwrap();
    assert_eq!(count("SELECT count() FROM events FINAL WHERE topic = 'dedup'").await, 1000);
}

pub async fn one_insert_is_one_block(analytics: Analytics) {
    let client = analytics.client().unwrap();
    client.query("CREATE TABLE block (a UInt64) ENGINE = MergeTree ORDER BY a").execute().await.unwrap();
    #[derive(Row, Serialize)]
    struct A {
        a: u64,
    }
    let mut insert = client.insert::<A>("block").await.unwrap();
    // More than the engine would put into a block by itself.
    for a in 0..1_200_000 {
        insert.write(&A { a }).await.unwrap();
    }
    insert.end().await.unwrap();
    let parts = client.query("SELECT rows FROM system.parts WHERE table = 'block' AND active").fetch_all::<u64>().await;
    assert_eq!(parts.unwrap(), [1_200_000]);
}

pub async fn compressed_inserts_are_understood_and_broken_ones_refused(analytics: Analytics) {
    let client = analytics.client().unwrap().clone().with_compression(Compression::Lz4);
    let events: Vec<EventRow> = (1..=3000).map(|position| event("lz4", 0, position)).collect();
    insert(&client, "events", &events, "lz4").await.unwrap();
    assert_eq!(events_of(&client, "lz4").await, events);
    // Rows that say they are compressed and are not.
    let plain = client.with_compression(Compression::None).with_setting("decompress", "1");
    let error = insert(&plain, "events", &events, "not compressed").await.unwrap_err().to_string();
    assert!(error.contains("compressed frame"), "{error}");
}

pub async fn parameters_arrive_as_they_were_sent(analytics: Analytics) {
    let client = analytics.client().unwrap();
    for value in ["plain", "it's", "a\\b", "tab\tline\n\nend", "'; DROP TABLE events", "\u{1F600}", ""] {
        let back = client.query_raw("SELECT {value:String}").param("value", value).fetch_one::<String>().await.unwrap();
        assert_eq!(back, value);
    }
    let sum = client.query_raw("SELECT {a:UInt64} + {b:UInt64}").param("a", 40_u64).param("b", 2_u64);
    assert_eq!(sum.fetch_one::<u64>().await.unwrap(), 42);
}

pub async fn long_and_empty_answers_arrive_whole(analytics: Analytics) {
    let client = analytics.client().unwrap();
    let numbers = client.query("SELECT number FROM numbers(500000)").fetch_all::<u64>().await.unwrap();
    assert!(numbers.iter().copied().eq(0..500_000));
    let none = client.query("SELECT ?fields FROM events WHERE topic = 'no such topic'").fetch_all::<EventRow>().await;
    assert_eq!(none.unwrap(), []);
    let none = client.query("SELECT max(position) FROM events WHERE topic = 'x' HAVING count() > 0").fetch_optional::<u64>();
    assert_eq!(none.await.unwrap(), None);
}

pub async fn an_error_says_so_before_the_first_row_or_after(analytics: Analytics) {
    let client = analytics.client().unwrap();
    let error = client.query("SELECT nonsense FROM events").fetch_all::<u64>().await.unwrap_err().to_string();
    assert!(error.contains("Code: 47"), "{error}");
    let error = client.query("SELECT 1; SELECT 2").fetch_all::<u8>().await.unwrap_err().to_string();
    assert!(error.contains("one statement"), "{error}");

    let sql = "SELECT number, throwIf(number = 300000) FROM numbers(500000)";
    let mut cursor = client.query(sql).with_setting("max_block_size", "1000").fetch::<(u64, u8)>().unwrap();
    let mut rows = 0;
    let error = loop {
        match cursor.next().await {
            Ok(Some(_)) => rows += 1,
            Ok(None) => panic!("the error was lost after {rows} rows"),
            Err(error) => break error.to_string(),
        }
    };
    assert!(rows > 0 && error.contains("Code: 395"), "{rows} rows, then {error}");
}

pub async fn an_insert_that_breaks_off_stores_nothing(analytics: Analytics) {
    let client = analytics.client().unwrap();
    let mut broken = client.insert::<EventRow>("events").await.unwrap();
    for position in 1..=20_000 {
        broken.write(&event("broken", 0, position)).await.unwrap();
    }
    drop(broken);
    let running = "SELECT count() FROM system.processes WHERE query LIKE 'INSERT INTO events%'";
    let started = std::time::Instant::now();
    while client.query(running).fetch_one::<u64>().await.unwrap() > 0 {
        assert!(started.elapsed().as_secs() < 60, "the insert goes on");
    }
    let count = client.query("SELECT count() FROM events WHERE topic = 'broken'").fetch_one::<u64>().await.unwrap();
    assert_eq!(count, 0);
}

pub async fn rows_in_the_text_of_a_statement_are_refused(analytics: Analytics) {
    let client = analytics.client().unwrap();
    let sql = "INSERT INTO parked (reason) VALUES ('x\n\nDROP TABLE events;')";
    let error = client.query(sql).execute().await.unwrap_err().to_string();
    assert!(error.contains("never into its text"), "{error}");
    let error = client.query("SELECT * FROM ?").bind(Identifier("absent")).execute().await.unwrap_err().to_string();
    assert!(error.contains("Code: 60"), "{error}");
}

pub async fn many_statements_share_the_engine(analytics: Analytics) {
    let tasks: Vec<_> = (0..40_u64)
        .map(|n| {
            let client = analytics.client().unwrap().clone();
            tokio::spawn(async move {
                client.query("SELECT sum(number) + ? FROM numbers(100000)").bind(n).fetch_one::<u64>().await.unwrap()
            })
        })
        .collect();
    for (n, task) in tasks.into_iter().enumerate() {
        assert_eq!(task.await.unwrap(), 4_999_950_000 + n as u64);
    }
}

#[derive(Debug, Deserialize, Row)]
struct Description {
    name: String,
    comment: String,
}

pub async fn the_tables_explain_themselves(analytics: Analytics) {
    let client = analytics.client().unwrap();
    let sql = "SELECT name, comment FROM system.columns WHERE database = 'swarmlog' AND table = 'events'";
    let columns = client.query(sql).fetch_all::<Description>().await.unwrap();
    assert_eq!(columns.len(), EventRow::COLUMN_NAMES.len());
    assert!(columns.iter().all(|column| !column.comment.is_empty()), "{columns:?}");
    assert!(columns.iter().any(|column| column.name == "payload"));
}
