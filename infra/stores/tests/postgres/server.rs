//! PostgreSQL servers of a test binary: one that all tests share, and one for a test that stops its own.
//!
//! A small shell outlives the tests, waits for the end of its input, which comes however they end, stops the server
//! and removes its folder.

use local::{Server, Servers};
use std::{
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};
use swarmlog_stores::PostgresConfig;

const KEEPER: &str = r#"
read -r _
read -r pid _ < "$0/postgres.pid" && kill -INT "$pid" && while kill -0 "$pid" 2> /dev/null; do sleep 0.05; done
rm -rf "$0"
"#;

pub struct Postgres {
    servers: Servers,
    folder: PathBuf,
    keeper: Child,
}

/// The server of this binary.
pub fn shared() -> &'static Postgres {
    static SHARED: OnceLock<Postgres> = OnceLock::new();
    SHARED.get_or_init(Postgres::start)
}

impl Postgres {
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap().keep();
        let keeper = Command::new("sh")
            .args(["-c", KEEPER])
            .arg(&folder)
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let servers = Servers::open(&folder, || Command::new("false")).unwrap();
        servers.up(&[Server::Postgres]).unwrap();
        Self { servers, folder, keeper }
    }

    pub fn url(&self) -> String {
        self.servers.addresses().postgres.clone()
    }

    /// A store that nobody else has, with few connections.
    pub fn schema(&self) -> PostgresConfig {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let schema = format!("test_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        PostgresConfig { pool_size: 6, schema, ..PostgresConfig::new(self.url()) }
    }

    /// Kills the server in the middle of whatever it does, and starts it again.
    pub fn crash(&self) {
        self.servers.kill(Server::Postgres).unwrap();
        let end = Instant::now() + Duration::from_secs(60);
        // Its other processes take a moment to notice; until then the folder is in use.
        while let Err(error) = self.servers.up(&[Server::Postgres]) {
            if Instant::now() > end { let log = self.folder.join("postgres.log"); panic!("{error}: {}", std::fs::read_to_string(log).unwrap_or_default()); }
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}
