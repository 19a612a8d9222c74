//! The suite of the port.

use crate::{Log, conformance::Fixture, sqlite::SqliteLog};
use std::sync::Arc;
use tempfile::TempDir;

struct Embedded {
    dir: TempDir,
    log: Arc<SqliteLog>,
}

impl Fixture for Embedded {
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let log = Arc::new(SqliteLog::open_default(dir.path()).unwrap());
        Self { dir, log }
    }

    fn log(&self) -> Arc<dyn Log> {
        self.log.clone()
    }

    async fn reopen(&mut self) {
        self.log.close().await.unwrap();
        self.log = Arc::new(SqliteLog::open(self.dir.path(), 9).unwrap());
    }
}

crate::log_conformance!(Embedded);
