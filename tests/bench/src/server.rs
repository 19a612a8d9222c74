//! The program under test, on a folder of its own.

use crate::http::Connection;
use anyhow::{Context, Result, bail, ensure};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::{Value, json};
use std::{
    env,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// The token of every server under test.
pub const TOKEN: &str = "bench";
/// The longest start; a server that opens a log of a million events reads it first.
const START: Duration = Duration::from_secs(300);
/// The longest wait for consumers to catch up.
const CATCH_UP: Duration = Duration::from_secs(600);
/// How often a condition is looked at.
const EVERY: Duration = Duration::from_millis(20);

/// A server that runs.
pub struct Server {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    /// How long it took until it was ready.
    pub ready_after: Duration,
    steering: Connection,
}

/// The program: `SWARMLOG_BIN`, else the one beside this benchmark.
pub fn program() -> Result<PathBuf> {
    let beside = || Some(env::current_exe().ok()?.ancestors().nth(2)?.join("swarmlog"));
    let path = env::var_os("SWARMLOG_BIN").map(PathBuf::from).or_else(beside).context("cannot tell where the program is")?;
    let hint = "build it with `cargo build --release -p swarmlog`, or name it in SWARMLOG_BIN";
    ensure!(path.is_file(), "{} is missing: {hint}", path.display());
    Ok(path)
}

impl Server {
    /// Starts a server on `data` and waits until it is ready.
    pub async fn start(data: &Path) -> Result<Self> {
        let started = Instant::now();
        let ready = data.join("ready");
        let mut command = Command::new(program()?);
        for (name, _) in env::vars().filter(|(name, _)| name.starts_with("SWARMLOG_") && name != "SWARMLOG_CHDB_LIBRARY") {
            command.env_remove(name);
        }
        command.args(["up", "--listen", "127.0.0.1:0", "--token", TOKEN]).arg("--data").arg(data);
        // Its words go to our stderr; our stdout is for JSON.
        let mut child = command.arg("--ready-file").arg(&ready).stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
        loop {
            if let Ok(url) = std::fs::read_to_string(&ready)
                && let Some(address) = url.trim().strip_prefix("http://").and_then(|address| address.parse().ok())
            {
                let ready_after = started.elapsed();
                let steering = Connection::open(address).await?;
                std::fs::remove_file(ready)?;
                return Ok(Self { child, address, ready_after, steering });
            }
            if let Some(status) = child.try_wait()? {
                bail!("the server ended at its start: {status}");
            }
            if started.elapsed() > START {
                child.kill()?;
                bail!("the server is not ready after {START:?}");
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A call that steers the benchmark.
    pub async fn call(&mut self, method: &str, path: &str, body: Option<&Value>) -> Result<Value> {
        self.steering.call(TOKEN, method, path, body).await
    }

    /// How many events ClickHouse has; an error says why there is no ClickHouse.
    pub async fn analytics_events(&mut self) -> Result<u64> {
        let answer = self.call("POST", "/v1/analytics/sql", Some(&json!({ "sql": "SELECT count() AS n FROM events" }))).await?;
        let count = &answer["data"][0]["n"];
        count.as_u64().or_else(|| count.as_str()?.parse().ok()).with_context(|| format!("no count in {answer}"))
    }

    /// Records that the read models have still to take in.
    pub async fn lag(&mut self) -> Result<u64> {
        let answer = self.call("GET", "/v1/projections", None).await?;
        let items = answer["items"].as_array().with_context(|| format!("no items in {answer}"))?;
        ensure!(!items.is_empty(), "the server has no read models");
        items.iter().map(|item| item["lag"].as_u64().with_context(|| format!("no lag in {item}"))).sum()
    }

    /// Waits until no read model lags; answers how long that took.
    pub async fn caught_up(&mut self) -> Result<Duration> {
        let start = Instant::now();
        while self.lag().await? > 0 {
            ensure!(start.elapsed() < CATCH_UP, "the read models still lag after {CATCH_UP:?}");
            tokio::time::sleep(EVERY).await;
        }
        Ok(start.elapsed())
    }

    /// Waits until ClickHouse has `events`; answers how long that took, and the rate from the first look on.
    pub async fn analytics_caught_up(&mut self, events: u64) -> Result<(Duration, f64)> {
        let start = Instant::now();
        let first = self.analytics_events().await?;
        loop {
            let count = self.analytics_events().await?;
            ensure!(count <= events, "ClickHouse has {count} of {events} events: some count twice");
            if count == events {
                let took = start.elapsed();
                return Ok((took, (count - first) as f64 / took.as_secs_f64().max(0.001)));
            }
            ensure!(start.elapsed() < CATCH_UP, "ClickHouse has only {count} of {events} events after {CATCH_UP:?}");
            tokio::time::sleep(EVERY).await;
        }
    }

    /// Waits until ClickHouse has at least `events`; answers how long that took.
    pub async fn analytics_has(&mut self, events: u64) -> Result<Duration> {
        let start = Instant::now();
        while self.analytics_events().await? < events {
            ensure!(start.elapsed() < CATCH_UP, "ClickHouse still lacks events after {CATCH_UP:?}");
            tokio::time::sleep(EVERY).await;
        }
        Ok(start.elapsed())
    }

    /// Rebuilds a read model; answers how long it took until the new generation was live.
    pub async fn rebuild(&mut self, name: &str) -> Result<Duration> {
        let start = Instant::now();
        let accepted = self.call("POST", &format!("/v1/projections/{name}/rebuild"), None).await?;
        let generation = &accepted["generation"];
        loop {
            let status = self.call("GET", &format!("/v1/projections/{name}"), None).await?;
            let all = status["generations"].as_array().cloned().unwrap_or_default();
            let found = all.iter().find(|found| &found["generation"] == generation);
            match found.map(|found| &found["state"]) {
                Some(state) if state == "live" => return Ok(start.elapsed()),
                Some(_) if start.elapsed() < CATCH_UP => tokio::time::sleep(EVERY).await,
                _ => bail!("generation {generation} of {name} did not become live: {status}"),
            }
        }
    }

    /// SIGTERM; waits until the server has finished what it had in hand.
    pub async fn stop(mut self) -> Result<()> {
        kill(Pid::from_raw(i32::try_from(self.pid())?), Signal::SIGTERM)?;
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                ensure!(status.success(), "the server left with {status}");
                return Ok(());
            }
            ensure!(start.elapsed() < START, "the server does not end");
            tokio::time::sleep(EVERY).await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Harmless if it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
