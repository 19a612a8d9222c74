//! Opening, closing, and what the file says.

use super::{append, dense, open, source};
use crate::{
    Durability, Log, LogError,
    sqlite::{OpenError, SqliteLog},
};

#[tokio::test]
async fn a_second_opener_is_refused_and_told_who_holds_the_directory() {
    let dir = tempfile::tempdir().unwrap();
    let log = SqliteLog::open_default(dir.path()).unwrap();
    let message = SqliteLog::open_default(dir.path()).err().unwrap().to_string();
    for part in [&dir.path().display().to_string(), &std::process::id().to_string(), "stop that process"] {
        assert!(message.contains(part), "{message} lacks {part}");
    }
    drop(log);
    SqliteLog::open_default(dir.path()).unwrap();
}

#[tokio::test]
async fn a_newer_format_is_refused_and_the_file_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()).await);
    let file = rusqlite::Connection::open(dir.path().join("log.db")).unwrap();
    file.pragma_update(None, "user_version", 7).unwrap();
    let error = SqliteLog::open_default(dir.path()).err().unwrap();
    assert!(matches!(error, OpenError::Newer { found: 7, known: 1, .. }), "{error}");
    assert!(error.to_string().contains("format 7"), "{error}");
    file.pragma_update(None, "user_version", 1).unwrap();
    drop(file);
    assert!(SqliteLog::open_default(dir.path()).unwrap().shared.has_topic("events"));
}

#[test]
fn a_database_of_something_else_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    rusqlite::Connection::open(dir.path().join("log.db")).unwrap().execute_batch("CREATE TABLE cats (name)").unwrap();
    let error = SqliteLog::open_default(dir.path()).err().unwrap();
    assert!(matches!(error, OpenError::Foreign { .. }), "{error}");
    std::fs::write(dir.path().join("log.db"), vec![7; 10_000]).unwrap();
    let error = SqliteLog::open_default(dir.path()).err().unwrap();
    assert!(matches!(error, OpenError::Database { .. }), "{error}");
}

#[test]
fn the_number_of_partitions_is_fixed_when_the_log_is_made() {
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(SqliteLog::open(dir.path(), 0), Err(OpenError::Partitions { asked: 0, .. })));
    let timeline = {
        let log = SqliteLog::open(dir.path(), 3).unwrap();
        assert_eq!(log.partitions(), 3);
        log.timeline()
    };
    let log = SqliteLog::open(dir.path(), 8).unwrap();
    assert_eq!((log.partitions(), log.timeline()), (3, timeline));
    assert_eq!(timeline.0.get_version_num(), 7);
}

#[tokio::test]
async fn closing_commits_what_waits_empties_the_wal_and_refuses_what_comes_later() {
    let dir = tempfile::tempdir().unwrap();
    let commands = source("commands", 0);
    let log = open(dir.path()).await;
    let mut owner = log.transactional("writer-0").await.unwrap();
    let mut consumer = log.consume("writer", &["commands"]).await.unwrap();
    for at in 0..10u8 {
        log.append(vec![append(&commands, [at])], Durability::Ordered).await.unwrap();
    }
    let (one, other) = tokio::join!(log.close(), log.close());
    one.unwrap();
    other.unwrap();
    let fatal = |error: Option<LogError>| matches!(error, Some(LogError::Fatal(why)) if why.contains("closed"));
    assert!(fatal(log.append(vec![append(&commands, "late")], Durability::Durable).await.err()));
    assert!(fatal(log.append(vec![append(&commands, "late")], Durability::Ordered).await.err()));
    assert!(fatal(log.read(&commands, 0, 1).await.err()));
    assert!(fatal(log.wait(&commands, 99, super::LONG).await.err()));
    assert!(fatal(owner.commit(Default::default()).await.err()));
    assert!(fatal(consumer.next(1, super::LONG).await.err()));
    assert!(!dir.path().join("log.db-wal").exists(), "nothing is left to recover");
    // The old handle is still there, but the directory is free.
    let log = open(dir.path()).await;
    assert_eq!(dense(&*log, &commands).await.len(), 10);
}

#[tokio::test]
async fn dropping_the_log_commits_what_waits() {
    let dir = tempfile::tempdir().unwrap();
    let commands = source("commands", 0);
    let log = open(dir.path()).await;
    log.append(vec![append(&commands, "kept")], Durability::Ordered).await.unwrap();
    drop(log);
    assert_eq!(dense(&*open(dir.path()).await, &commands).await.len(), 1);
}

#[tokio::test]
async fn what_is_trimmed_leaves_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path()).await;
    let events = source("events", 0);
    log.append((0..5000).map(|_| append(&events, "x")).collect(), Durability::Durable).await.unwrap();
    assert!(!log.trim(&events, 4000).await.unwrap(), "one step is not enough");
    while !log.trim(&events, 4000).await.unwrap() {}
    log.close().await.unwrap();
    let log = open(dir.path()).await;
    let left = log.read(&events, 0, usize::MAX).await.unwrap();
    assert_eq!((left.len(), left[0].offset), (1000, 4000));
    super::check_integrity(dir.path());
}
