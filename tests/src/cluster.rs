//! Every part of the program as processes of their own, on servers that they share.

use crate::{
    Client,
    process::{program, until_ready},
    world::{TOKEN, own_servers, place_on},
};
use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use local::Servers;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    process::{Child, Command},
};
use tempfile::TempDir;

/// The parts, under the names that tests call them by; two of each, which share their work.
const PARTS: [(&str, &[&str]); 10] = [
    ("gateway-1", &["gateway"]),
    ("gateway-2", &["gateway"]),
    ("writer-1", &["writer"]),
    ("writer-2", &["writer"]),
    ("operational-1", &["consumer", "operational"]),
    ("operational-2", &["consumer", "operational"]),
    ("archive-1", &["consumer", "archive"]),
    ("archive-2", &["consumer", "archive"]),
    ("analytics-1", &["consumer", "analytics"]),
    ("analytics-2", &["consumer", "analytics"]),
];

/// The parts and their servers.
pub struct Cluster {
    data: TempDir,
    servers: Servers,
    parts: BTreeMap<&'static str, Part>,
}

struct Part {
    verb: &'static [&'static str],
    address: String,
    process: Option<Child>,
}

impl Cluster {
    /// Starts servers and parts.
    pub async fn start() -> Result<Self> {
        let mut cluster = Self { data: TempDir::new()?, servers: own_servers().await?, parts: BTreeMap::new() };
        let started = try_join_all(PARTS.map(|(name, verb)| cluster.spawn(name, verb, "127.0.0.1:0"))).await?;
        for ((name, verb), (process, address)) in PARTS.into_iter().zip(started) {
            cluster.parts.insert(name, Part { verb, address, process: Some(process) });
        }
        Ok(cluster)
    }

    /// The names of the parts.
    pub fn names(&self) -> Vec<&'static str> {
        self.parts.keys().copied().collect()
    }

    /// The servers.
    pub fn servers(&self) -> &Servers {
        &self.servers
    }

    /// Speaks to a part.
    pub fn client(&self, name: &str) -> Result<Client> {
        Ok(Client::new(&format!("http://{}", self.part(name)?.address), TOKEN))
    }

    /// Starts one more part.
    pub async fn add(&mut self, name: &'static str, verb: &'static [&'static str]) -> Result<()> {
        ensure!(!self.parts.contains_key(name), "there is a part {name} already");
        let (process, address) = self.spawn(name, verb, "127.0.0.1:0").await?;
        self.parts.insert(name, Part { verb, address, process: Some(process) });
        Ok(())
    }

    /// Any verb of the program, against a gateway.
    pub fn verb(&self, gateway: &str, arguments: &[&str]) -> Result<Command> {
        let mut command = program();
        command.args(["--server", &format!("http://{}", self.part(gateway)?.address), "--token", TOKEN]).args(arguments);
        Ok(command)
    }

    /// `kill -9`.
    pub fn kill(&mut self, name: &str) -> Result<()> {
        let mut process = self.take(name)?;
        process.kill()?;
        process.wait()?;
        Ok(())
    }

    /// Starts a part again where it was.
    pub async fn restart(&mut self, name: &str) -> Result<()> {
        let part = self.part(name)?;
        let (process, _) = self.spawn(name, part.verb, &part.address).await?;
        self.parts.get_mut(name).context("no such part")?.process = Some(process);
        Ok(())
    }

    /// SIGTERM; fails unless the part ends well.
    pub async fn terminate(&mut self, name: &str) -> Result<()> {
        let mut process = self.take(name)?;
        kill(Pid::from_raw(i32::try_from(process.id())?), Signal::SIGTERM)?;
        let status = tokio::task::spawn_blocking(move || process.wait()).await??;
        ensure!(
            status.success(),
            "SIGTERM does not end {name} well: {status}: {}",
            crate::process::said_by(self.data.path(), name)
        );
        Ok(())
    }

    /// `swarmlog verify` of the servers: exit code, the report if there is one, and what it said on stderr.
    pub async fn verify(&self) -> Result<(Option<i32>, Value, String)> {
        let mut command = program();
        command.args(["verify", "--output", "json"]).arg(self.data.path().join("verify"));
        place_on(&mut command, &self.servers);
        let output = tokio::task::spawn_blocking(move || command.output()).await??;
        let report = serde_json::from_slice(&output.stdout).unwrap_or_default();
        Ok((output.status.code(), report, String::from_utf8_lossy(&output.stderr).into_owned()))
    }

    /// Starts a part where it was and does not wait for it.
    pub fn launch(&self, name: &str) -> Result<Child> {
        let part = self.part(name)?;
        Ok(self.command(name, part.verb, &part.address).spawn()?)
    }

    async fn spawn(&self, name: &str, verb: &[&str], address: &str) -> Result<(Child, String)> {
        until_ready(self.command(name, verb, address), self.data.path(), name).await
    }

    fn command(&self, name: &str, verb: &[&str], address: &str) -> Command {
        let mut command = program();
        command.args(verb).args(["--listen", address, "--token", TOKEN]).arg("--data").arg(self.data.path().join(name));
        place_on(&mut command, &self.servers);
        command
    }

    fn part(&self, name: &str) -> Result<&Part> {
        self.parts.get(name).with_context(|| format!("no part {name}"))
    }

    fn take(&mut self, name: &str) -> Result<Child> {
        let part = self.parts.get_mut(name).with_context(|| format!("no part {name}"))?;
        part.process.take().with_context(|| format!("{name} does not run"))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for part in self.parts.values_mut() {
            if let Some(mut process) = part.process.take() {
                // The folder goes with it; nothing is left to finish.
                let _ = process.kill();
                let _ = process.wait();
            }
        }
    }
}
