//! The suite, and what only a file can show.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use super::{OpenError, SqliteStore};
use crate::{Advance, Store, Write, conformance::Fixture};
use schemas::{
    Row,
    row::{Json, Value},
};
use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
};
use tempfile::TempDir;

struct File {
    dir: TempDir,
    store: Arc<SqliteStore>,
}

impl Fixture for File {
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Arc::new(SqliteStore::open(dir.path()).unwrap());
        Self { dir, store }
    }

    fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    async fn reopen(self) -> Self {
        drop(Arc::into_inner(self.store).expect("nobody else holds the store"));
        let store = Arc::new(SqliteStore::open(self.dir.path()).unwrap());
        Self { dir: self.dir, store }
    }
}

mod suite {
    crate::conformance_suite!(super::File);
}

#[test]
fn the_second_opener_is_refused_and_told_by_whom() {
    let dir = tempfile::tempdir().unwrap();
    let first = SqliteStore::open(dir.path()).unwrap();
    let second = SqliteStore::open(dir.path()).err().unwrap();
    assert!(matches!(&second, OpenError::Held { process, .. } if *process == std::process::id().to_string()), "{second}");
    drop(first);
    SqliteStore::open(dir.path()).unwrap();
}

#[test]
fn a_newer_format_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    drop(SqliteStore::open(dir.path()).unwrap());
    let path = dir.path().join("store.db");
    rusqlite::Connection::open(&path).unwrap().pragma_update(None, "user_version", 2).unwrap();
    let before = std::fs::read(&path).unwrap();
    let refused = SqliteStore::open(dir.path()).err().unwrap();
    assert!(matches!(refused, OpenError::Newer { found: 2, known: 1, .. }), "{refused}");
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn what_is_no_store_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.db");
    std::fs::write(&path, b"no database at all, whatever it is called".repeat(100)).unwrap();
    assert!(matches!(SqliteStore::open(dir.path()), Err(OpenError::Unreadable { .. })));
    std::fs::remove_file(&path).unwrap();
    rusqlite::Connection::open(&path).unwrap().execute_batch("CREATE TABLE theirs (a)").unwrap();
    assert!(matches!(SqliteStore::open(dir.path()), Err(OpenError::Unreadable { .. })));
}

#[derive(Debug, Clone, PartialEq, Row)]
#[row(table = "counters", index(value))]
struct Counter {
    #[row(key)]
    id: i64,
    value: i64,
    padding: Json,
}

#[tokio::test]
async fn the_write_ahead_log_does_not_grow_for_ever() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(dir.path()).unwrap();
    let generation = store.create(&Counter::TABLE, 1).await.unwrap().id;
    for value in 0..24 {
        // Other content each time: SQLite leaves pages alone that would be the same.
        let row = Counter { id: 1, value, padding: Json(value.to_string().repeat(4 << 20)) };
        let row = std::iter::once(Value::Text("default".into())).chain(row.into_values()).collect();
        store.write(Write { generation, upserts: vec![row], ..Write::default() }).await.unwrap();
    }
    let log = std::fs::metadata(dir.path().join("store.db-wal")).unwrap().len();
    assert!(log > 32 << 20, "the log is where it is expected: {log}");
    assert!(log < 100 << 20, "more than 150 MiB were written, and the log has {log}");
}

/// Names the directory in which the test below runs as the child that is killed.
const CHILD: &str = "SWARMLOG_STORE_KILLED_CHILD";

#[test]
fn rows_and_position_agree_after_a_kill() {
    if let Some(dir) = std::env::var_os(CHILD) {
        return write_for_ever(Path::new(&dir));
    }
    let dir = tempfile::tempdir().unwrap();
    let test = "sqlite::tests::rows_and_position_agree_after_a_kill";
    for round in 0..15_u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test, "--nocapture", "--test-threads=1"])
            .env(CHILD, dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let written = lines.map_while(Result::ok).filter_map(|line| line.strip_prefix("written ")?.parse::<u64>().ok());
        let acknowledged = written.take(usize::try_from(1 + round * 7).unwrap()).last();
        child.kill().unwrap();
        child.wait().unwrap();
        check(dir.path(), acknowledged.expect("the child wrote something"));
    }
}

fn check(dir: &Path, acknowledged: u64) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let store = SqliteStore::open(dir).unwrap();
    runtime.block_on(async {
        let generation = store.generations("counters").await.unwrap().remove(0);
        let position = store.positions(generation.id).await.unwrap()[&("t".to_owned(), 0)].0;
        assert!(position >= acknowledged, "{position} is behind {acknowledged}");
        let keys: Vec<_> = (0..40).map(|id| vec![Value::Text("default".into()), Value::I64(id)]).collect();
        for row in store.load(generation.id, &keys).await.unwrap() {
            let row = Counter::from_values(row.unwrap().split_off(1)).unwrap();
            assert_eq!(u64::try_from(row.value).unwrap(), position);
        }
        assert_eq!(store.scan(generation.id).await.unwrap().rows, 40);
    });
    drop(store);
    let sound: String = rusqlite::Connection::open(dir.join("store.db"))
        .unwrap()
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(sound, "ok");
}

fn write_for_ever(dir: &Path) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let store = SqliteStore::open(dir).unwrap();
    runtime.block_on(async {
        let generation = match store.generations("counters").await.unwrap().pop() {
            Some(known) => known.id,
            None => store.create(&Counter::TABLE, 1).await.unwrap().id,
        };
        let stands = store.positions(generation).await.unwrap();
        let mut position = stands.get(&("t".to_owned(), 0)).map_or(0, |(position, _)| *position);
        // An end in case the parent dies first.
        for _ in 0..100_000 {
            let value = i64::try_from(position).unwrap() + 1;
            let rows = (0..40).map(|id| Counter { id, value, padding: Json("x".repeat(200)) }.into_values());
            let upserts = rows.map(|row| std::iter::once(Value::Text("default".into())).chain(row).collect()).collect();
            let advance = Advance { topic: "t".into(), partition: 0, from: position, to: position + 1, next_offset: 0 };
            store.write(Write { generation, advance: vec![advance], upserts, ..Write::default() }).await.unwrap();
            position += 1;
            println!("written {position}");
        }
    });
}
