//! The engine in a process of its own, reached over TCP: this program, started again.
#![allow(dead_code, reason = "a test and an example each use a part")]

use analytics::{Analytics, Engine, Remote, User, Users, find_library};
use std::{
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
};

/// Names the engine's folder to a child.
const FOLDER: &str = "SWARMLOG_TEST_ENGINE_FOLDER";
const WRITER: &str = "writer";
const PEOPLE: &str = "people";
/// What a child says before its address.
const READY: &str = "engine listens on ";

/// An engine's process, which is killed at the end of its scope.
pub struct EngineProcess {
    child: Child,
    pub address: SocketAddr,
}

impl EngineProcess {
    /// Starts this program again, with arguments that lead it to [`be_engine_if_asked`], and waits until it listens.
    pub fn start(folder: &Path, arguments: &[&str]) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(arguments)
            .env(FOLDER, folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let address = lines.find_map(|line| line.split_once(READY).map(|(_, address)| address.parse().unwrap()));
        let address = address.expect("the engine listens");
        Self { child, address }
    }

    /// What it has used of all cores, in seconds (Linux counts it in hundredths).
    pub fn cpu_seconds(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap_or_default();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |place: usize| fields.get(place).and_then(|ticks| ticks.parse::<f64>().ok()).unwrap_or_default();
        (ticks(11) + ticks(12)) / 100.0
    }
}

impl Drop for EngineProcess {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// In a child: serves the engine until the parent is gone, and does not return.
pub fn be_engine_if_asked() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    std::thread::spawn(|| {
        let _ = std::io::stdin().read(&mut [0]);
        std::process::exit(0);
    });
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let engine = Engine::open(&find_library(), Path::new(&folder)).unwrap_or_else(|error| panic!("{error}"));
        let user = |name: &str| User { name: name.to_owned(), password: name.to_owned() };
        let router = engine.router(Users { writer: user(WRITER), people: user(PEOPLE) });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("{READY}{}", listener.local_addr().unwrap());
        axum::serve(listener, router).await.unwrap();
    });
}

/// The port to an engine, or to what leads to one.
pub fn remote(address: SocketAddr) -> Analytics {
    let text = |text: &str| text.to_owned();
    let remote = Remote {
        url: format!("http://{address}"),
        database: text("swarmlog"),
        user: text(WRITER),
        password: text(WRITER),
        sql_user: text(PEOPLE),
        sql_password: text(PEOPLE),
    };
    Analytics::remote(remote).unwrap()
}
