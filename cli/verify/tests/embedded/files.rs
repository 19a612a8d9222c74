//! A world on files in a temporary directory.

use super::world::World;
use log::sqlite::SqliteLog;
use rusqlite::Connection;
use std::sync::Arc;
use stores::SqliteStore;
use tempfile::TempDir;

pub struct Files {
    pub world: World,
    dir: TempDir,
}

impl Files {
    pub async fn filled() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let log = Arc::new(SqliteLog::open(dir.path(), 3).unwrap());
        let store = Arc::new(SqliteStore::open(dir.path()).unwrap());
        Self { world: World::filled(log, store).await, dir }
    }

    /// Changes the closed log behind its back.
    pub async fn cut(self, change: impl FnOnce(&Connection)) -> Self {
        let Self { world: World { log, store }, dir } = self;
        assert_eq!(Arc::strong_count(&log), 1, "nobody else holds the log");
        drop(log);
        change(&Connection::open(dir.path().join("log.db")).unwrap());
        let log = Arc::new(SqliteLog::open(dir.path(), 3).unwrap());
        Self { world: World { log, store }, dir }
    }

    /// Changes the closed store behind its back.
    pub async fn tampered(self, sql: &str) -> Self {
        let Self { world: World { log, store }, dir } = self;
        assert_eq!(Arc::strong_count(&store), 1, "nobody else holds the store");
        drop(store);
        Connection::open(dir.path().join("store.db")).unwrap().execute_batch(sql).unwrap();
        let store = Arc::new(SqliteStore::open(dir.path()).unwrap());
        Self { world: World { log, store }, dir }
    }
}
