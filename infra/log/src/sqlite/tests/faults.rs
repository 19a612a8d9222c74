//! A full queue, a full disk, a disk that fails.

use super::{LONG, append, check_integrity, dense, open, source};
use crate::{
    Durability, Log, LogError, Transaction,
    sqlite::{SqliteLog, queue::MOST_REQUESTS},
};
use std::path::Path;

/// A log whose file can grow by so many pages only.
fn open_limited(dir: &Path, pages: i64) -> SqliteLog {
    SqliteLog::open_prepared(dir, 4, |connection| {
        let used: i64 = connection.pragma_query_value(None, "page_count", |row| row.get(0))?;
        connection.pragma_update(None, "max_page_count", used + pages)
    })
    .unwrap()
}

#[tokio::test]
async fn a_full_queue_refuses_and_what_it_took_is_committed() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path()).await;
    let events = source("events", 0);
    // Another program that holds the file keeps the writer from emptying the queue.
    let holder = rusqlite::Connection::open(dir.path().join("log.db")).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut waiting = Vec::new();
    let refused = loop {
        let mut appended = log.append(vec![append(&events, "")], Durability::Durable);
        match futures::poll!(&mut appended) {
            std::task::Poll::Pending => waiting.push(appended),
            std::task::Poll::Ready(outcome) => break outcome.unwrap_err(),
        }
    };
    assert!(matches!(&refused, LogError::Transient(why) if why.contains("log queue is full")), "{refused}");
    assert!(waiting.len() >= MOST_REQUESTS);
    let refused = log.append(vec![append(&events, "")], Durability::Ordered).await.unwrap_err();
    assert!(matches!(refused, LogError::Transient(_)));
    holder.execute_batch("ROLLBACK").unwrap();
    let accepted = waiting.len();
    for (at, appended) in waiting.into_iter().enumerate() {
        assert_eq!(appended.await.unwrap(), [at as u64]);
    }
    assert_eq!(dense(&*log, &events).await.len(), accepted);
}

#[tokio::test]
async fn a_full_disk_refuses_durable_appends_and_the_log_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()).await);
    let log = open_limited(dir.path(), 50);
    let (events, results) = (source("events", 0), source("results", 0));
    let mut owner = log.transactional("writer-0").await.unwrap();
    let mut acknowledged = 0;
    let refused = loop {
        let records = vec![append(&events, vec![7; 20_000]), append(&results, "done")];
        match owner.commit(Transaction { append: records, consumed: Vec::new() }).await {
            Ok(offsets) => {
                assert_eq!(offsets, [acknowledged, acknowledged]);
                acknowledged += 1;
            }
            Err(refused) => break refused,
        }
    };
    assert!(matches!(refused, LogError::Transient(_)), "{refused}");
    assert!(acknowledged > 0);
    // What still fits is taken, at the next dense offset.
    assert_eq!(log.append(vec![append(&results, "small")], Durability::Durable).await.unwrap(), [acknowledged]);
    assert_eq!(dense(&log, &events).await.len() as u64, acknowledged);
    log.close().await.unwrap();
    check_integrity(dir.path());
    let log = open(dir.path()).await;
    assert_eq!(dense(&*log, &events).await.len() as u64, acknowledged);
    assert_eq!(dense(&*log, &results).await.len() as u64, acknowledged + 1);
}

#[tokio::test]
async fn when_a_command_that_was_seen_cannot_be_stored_the_log_fails_for_good() {
    let dir = tempfile::tempdir().unwrap();
    let (commands, results) = (source("commands", 0), source("results", 0));
    {
        let log = open(dir.path()).await;
        log.append(vec![append(&commands, "stored")], Durability::Durable).await.unwrap();
    }
    let log = open_limited(dir.path(), 20);
    let mut owner = log.transactional("writer-0").await.unwrap();
    let mut consumer = log.consume("writer", &["commands"]).await.unwrap();
    let seen = log.append(vec![append(&commands, vec![7; 200_000])], Durability::Ordered).await.unwrap();
    assert_eq!(seen, [1]);
    let decision = Transaction { append: vec![append(&results, "decided")], consumed: Vec::new() };
    let outcome = owner.commit(decision).await.unwrap_err();
    assert!(matches!(outcome, LogError::Transient(_) | LogError::Fatal(_)), "it was not committed: {outcome}");
    let fatal = |error: Option<LogError>| match error {
        Some(LogError::Fatal(why)) => assert!(why.contains("full"), "{why}"),
        other => panic!("{other:?} instead of the failure"),
    };
    fatal(log.wait(&commands, 1, LONG).await.err());
    fatal(log.append(vec![append(&results, "small")], Durability::Durable).await.err());
    fatal(log.append(vec![append(&commands, "small")], Durability::Ordered).await.err());
    fatal(owner.commit(Transaction::default()).await.err());
    fatal(log.transactional("writer-1").await.err());
    fatal(log.read(&commands, 0, 1).await.err());
    fatal(consumer.next(1, LONG).await.err());
    fatal(log.close().await.err());
    check_integrity(dir.path());
    let log = open(dir.path()).await;
    assert_eq!(dense(&*log, &commands).await.len(), 1, "the command is lost");
    assert!(dense(&*log, &results).await.is_empty(), "and so is every trace of its decision");
}
