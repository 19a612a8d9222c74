//! The program under test, on a folder of its own.

use crate::{
    backends::Backends,
    steering::{EVERY, Steering},
};
use anyhow::{Context, Result, bail, ensure};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
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

/// A server that runs.
pub struct Server {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    /// How long it took until it was ready.
    pub ready_after: Duration,
    /// Asks it how far it is.
    pub steering: Steering,
}

/// The program: `SWARMLOG_BIN`, else the one beside this benchmark.
pub fn program() -> Result<PathBuf> {
    let beside = || Some(env::current_exe().ok()?.ancestors().nth(2)?.join("swarmlog"));
    let path = env::var_os("SWARMLOG_BIN").map(PathBuf::from).or_else(beside).context("cannot tell where the program is")?;
    let hint = "build it with `cargo build --release -p swarmlog`, or name it in SWARMLOG_BIN";
    ensure!(path.is_file(), "{} is missing: {hint}", path.display());
    Ok(path)
}

/// A program without the settings of whoever runs the benchmark.
pub(crate) fn own_environment(program: PathBuf) -> Command {
    let mut command = Command::new(program);
    for (name, _) in env::vars().filter(|(name, _)| name.starts_with("SWARMLOG_") && name != "SWARMLOG_CHDB_LIBRARY") {
        command.env_remove(name);
    }
    command
}

impl Server {
    /// Starts a server on `data`, and on `backends` if there are any, and waits until it is ready.
    pub async fn start(data: &Path, backends: Option<&Backends>) -> Result<Self> {
        let started = Instant::now();
        let ready = data.join("ready");
        let mut command = own_environment(program()?);
        command.args(["up", "--listen", "127.0.0.1:0", "--token", TOKEN]).arg("--data").arg(data);
        if let Some(backends) = backends {
            backends.place(&mut command);
        }
        // Its words go to our stderr; our stdout is for JSON.
        let mut child = command.arg("--ready-file").arg(&ready).stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
        loop {
            if let Ok(url) = std::fs::read_to_string(&ready)
                && let Some(address) = url.trim().strip_prefix("http://").and_then(|address| address.parse().ok())
            {
                let ready_after = started.elapsed();
                let steering = Steering::open(address).await?;
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
