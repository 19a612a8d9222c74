//! What only the embedded log promises, and the suite of the port run against it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod conformance;
mod consuming;
mod crash;
mod faults;
mod opening;

use super::SqliteLog;
use crate::{Append, Log, Record, Source};
use std::{path::Path, sync::Arc, time::Duration};

/// Far longer than anything takes here.
const LONG: Duration = Duration::from_secs(60);

fn source(topic: &str, partition: u32) -> Source {
    Source { topic: topic.into(), partition }
}

fn append(source: &Source, payload: impl Into<Vec<u8>>) -> Append {
    let payload: Vec<u8> = payload.into();
    Append { source: source.clone(), key: "k".into(), envelope: "e".into(), payload: payload.into(), time: 1 }
}

/// A log with the topics `commands`, `events` and `results`.
async fn open(dir: &Path) -> Arc<SqliteLog> {
    let log = Arc::new(SqliteLog::open_default(dir).unwrap());
    log.create_topics(&["commands", "events", "results"]).await.unwrap();
    log
}

/// All records of a source; their offsets must be dense from 0.
async fn dense(log: &dyn Log, source: &Source) -> Vec<Record> {
    let records = log.read(source, 0, usize::MAX).await.unwrap();
    let offsets: Vec<u64> = records.iter().map(|record| record.offset).collect();
    assert_eq!(offsets, (0..log.end(source).await.unwrap()).collect::<Vec<_>>(), "offsets of {source} are dense");
    records
}

/// Asks SQLite whether the file is sound.
fn check_integrity(dir: &Path) {
    let file = rusqlite::Connection::open(dir.join("log.db")).unwrap();
    let verdict: String = file.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(verdict, "ok");
}
