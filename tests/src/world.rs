//! Starts the real program, and ends it in every way there is.

use crate::{
    Client,
    process::{START, beside, program, said_by, until_ready},
};
use anyhow::{Context, Result, ensure};
use local::{Server, Servers};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// The token of every World.
pub const TOKEN: &str = "world-token";

/// A server on its own folder and port.
pub struct World {
    data: TempDir,
    server: Option<Child>,
    address: String,
    servers: Option<Servers>,
}

impl World {
    /// Starts a server on a new folder and a free port.
    pub async fn start() -> Result<Self> {
        Self::start_on(None).await
    }

    /// The same on Kafka, PostgreSQL, S3 and an engine over HTTP of its own instead of files.
    pub async fn start_on_servers() -> Result<Self> {
        Self::start_on(Some(own_servers().await?)).await
    }

    async fn start_on(servers: Option<Servers>) -> Result<Self> {
        let mut world = Self { data: TempDir::new()?, server: None, address: "127.0.0.1:0".into(), servers };
        world.restart().await?;
        Ok(world)
    }

    /// The servers of a World that stands on servers.
    pub fn servers(&self) -> Result<&Servers> {
        self.servers.as_ref().context("this World stands on files")
    }

    /// The folder of the data.
    pub fn data(&self) -> &Path {
        self.data.path()
    }

    /// Address and port of the server.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The process of the server.
    pub fn pid(&self) -> Result<u32> {
        Ok(self.server.as_ref().context("the server does not run")?.id())
    }

    /// Speaks to the server.
    pub fn client(&self) -> Client {
        Client::new(&format!("http://{}", self.address), TOKEN)
    }

    /// Starts the server again, on the same folder and port, and waits until it is ready.
    pub async fn restart(&mut self) -> Result<()> {
        ensure!(self.server.is_none(), "the server runs already");
        let (server, address) = until_ready(self.up(&self.address), self.data(), "server").await?;
        (self.server, self.address) = (Some(server), address);
        Ok(())
    }

    /// What the servers of this World said on stderr.
    pub fn said(&self) -> String {
        said_by(self.data(), "server")
    }

    /// `kill -9`.
    pub fn kill(&mut self) -> Result<()> {
        let mut server = self.server.take().context("the server does not run")?;
        server.kill()?;
        server.wait()?;
        Ok(())
    }

    /// SIGTERM; waits until the server has finished what it had in hand and answers whether it left well.
    pub async fn terminate(&mut self) -> Result<bool> {
        let mut server = self.server.take().context("the server does not run")?;
        kill(Pid::from_raw(i32::try_from(server.id())?), Signal::SIGTERM)?;
        let status = tokio::task::spawn_blocking(move || server.wait()).await??;
        Ok(status.success())
    }

    /// Waits until every read model has reached the end of the log, then ends the server well.
    pub async fn settle_and_terminate(&mut self) -> Result<()> {
        let client = self.client();
        eventually("the read models reach the end of the log", START, || async {
            let answer = client.get("/v1/projections").await?;
            let items = answer.body["items"].as_array().context("no read models")?;
            Ok(items.iter().all(|projection| projection["lag"] == 0))
        })
        .await?;
        ensure!(self.terminate().await?, "SIGTERM does not end the server well: {}", self.said());
        Ok(())
    }

    /// A second server on the folder of this one: its exit status and what it said.
    pub async fn second_opener(&self) -> Result<(bool, String)> {
        let mut command = self.up("127.0.0.1:0");
        let output = tokio::task::spawn_blocking(move || command.stderr(Stdio::piped()).output()).await??;
        Ok((output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned()))
    }

    /// Any verb of the program, against this server.
    pub fn verb(&self, arguments: &[&str]) -> Command {
        let mut command = program();
        command.args(["--server", &format!("http://{}", self.address), "--token", TOKEN]).args(arguments);
        command
    }

    /// `swarmlog verify` of this World: exit code, the report if there is one, and what it said on stderr.
    pub async fn verify(&self) -> Result<(Option<i32>, Value, String)> {
        let mut command = program();
        command.args(["verify", "--output", "json"]).arg(self.data());
        if let Some(servers) = &self.servers {
            place_on(&mut command, servers);
        }
        let output = tokio::task::spawn_blocking(move || command.output()).await??;
        let report = serde_json::from_slice(&output.stdout).unwrap_or_default();
        Ok((output.status.code(), report, String::from_utf8_lossy(&output.stderr).into_owned()))
    }

    fn up(&self, address: &str) -> Command {
        let mut command = program();
        command.args(["up", "--listen", address, "--token", TOKEN]).arg("--data").arg(self.data());
        if let Some(servers) = &self.servers {
            place_on(&mut command, servers);
        }
        command
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(mut server) = self.server.take() {
            // The folder goes with it; nothing is left to finish.
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}

/// Kafka, PostgreSQL, S3 and the engine, which end with this process.
pub(crate) async fn own_servers() -> Result<Servers> {
    let folder = tempfile::Builder::new().prefix("servers").tempdir()?.keep();
    let servers = tokio::task::spawn_blocking(move || {
        let servers = Servers::open(&folder, s3_program)?.with_engine(program);
        servers.end_with_this_process()?;
        servers.up(&[Server::Kafka, Server::Postgres, Server::S3, Server::Engine]).map(|()| servers)
    });
    Ok(servers.await??)
}

/// Names the servers on a command line.
pub(crate) fn place_on(command: &mut Command, servers: &Servers) {
    let addresses = servers.addresses();
    command.args(["--kafka", &addresses.kafka, "--postgres", &addresses.postgres, "--s3", &addresses.s3]);
    command.args(["--clickhouse", &addresses.clickhouse]);
    command.env("SWARMLOG_S3_ACCESS_KEY", &addresses.credentials.access_key);
    command.env("SWARMLOG_S3_SECRET_KEY", &addresses.credentials.secret_key);
}

/// An S3 server; cargo builds the example before the tests.
fn s3_program() -> Command {
    Command::new(beside("examples/local"))
}

/// Waits for a condition; fails with `what` after `bound`.
pub async fn eventually<F: Future<Output = Result<bool>>>(
    what: &str,
    bound: Duration,
    mut condition: impl FnMut() -> F,
) -> Result<()> {
    let end = Instant::now() + bound;
    loop {
        if condition().await? {
            return Ok(());
        }
        ensure!(Instant::now() < end, "not within {bound:?}: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
