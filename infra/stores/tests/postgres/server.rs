//! PostgreSQL servers of a test binary: one that all tests share, and one for a test that kills its own.

use local::{Server, Servers};
use std::{
    process::Command,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};
use swarmlog_stores::PostgresConfig;

pub struct Postgres(Servers);

/// The server of this binary.
pub fn shared() -> &'static Postgres {
    static SHARED: OnceLock<Postgres> = OnceLock::new();
    SHARED.get_or_init(Postgres::start)
}

impl Postgres {
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap().keep();
        let servers = Servers::open(&folder, || Command::new("false")).unwrap();
        servers.end_with_this_process().unwrap();
        servers.up(&[Server::Postgres]).unwrap();
        Self(servers)
    }

    pub fn url(&self) -> String {
        self.0.addresses().postgres.clone()
    }

    /// A store that nobody else has, with few connections.
    pub fn schema(&self) -> PostgresConfig {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let schema = format!("test_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        PostgresConfig { pool_size: 6, schema, ..PostgresConfig::new(self.url()) }
    }

    /// Kills the server in the middle of whatever it does, and starts it again.
    pub fn crash(&self) {
        self.0.kill(Server::Postgres).unwrap();
        let end = Instant::now() + Duration::from_secs(60);
        // Its other processes take a moment to notice; until then the folder is in use.
        while let Err(error) = self.0.up(&[Server::Postgres]) {
            assert!(Instant::now() < end, "{error}");
        }
    }
}
