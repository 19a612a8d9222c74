//! Starts the real program, and ends it in every way there is.

use crate::{
    Client,
    process::{BOUND, beside, ear, program, quiet, said_by, until_ready},
};
use anyhow::{Context, Result, bail, ensure};
use local::{Server, Servers};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use std::{
    fs,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// The token of every World.
pub const TOKEN: &str = "world-token";

/// How the program of a World is started, beside its folder and port.
#[derive(Debug, Default, Clone)]
pub struct Setup {
    /// Brokers of Kafka, in place of a file.
    pub kafka: Option<String>,
    /// Settings of librdkafka, as `name=value`.
    pub kafka_settings: Vec<&'static str>,
    /// A program, with arguments, that starts it: a tracer.
    pub wrapper: Vec<String>,
    /// Variables of its environment.
    pub environment: Vec<(&'static str, String)>,
}

impl Setup {
    /// Without the engine of ClickHouse, which matters only to what asks it: the program starts sooner.
    pub fn without_analytics() -> Self {
        Self::default().with("SWARMLOG_CHDB_LIBRARY", "/dev/null")
    }

    /// With the log on Kafka.
    pub fn on(self, brokers: String) -> Self {
        Self { kafka: Some(brokers), ..self }
    }

    /// With a variable of the environment.
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.environment.push((name, value.into()));
        self
    }

    /// Started by another program.
    pub fn under(self, wrapper: Vec<String>) -> Self {
        Self { wrapper, ..self }
    }

    fn program(&self) -> Command {
        let mut command = match self.wrapper.split_first() {
            Some((wrapper, arguments)) => {
                let mut command = quiet(Command::new(wrapper));
                command.args(arguments).arg(program().get_program());
                command
            }
            None => program(),
        };
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }
}

/// A server on its own folder and port.
pub struct World {
    data: TempDir,
    setup: Setup,
    server: Option<Child>,
    address: String,
    servers: Option<Servers>,
}

impl World {
    /// Starts a server on a new folder and a free port.
    pub async fn start() -> Result<Self> {
        Self::start_with(Setup::default()).await
    }

    /// The same, started in another way.
    pub async fn start_with(setup: Setup) -> Result<Self> {
        Self::start_in(TempDir::new()?, setup).await
    }

    /// The same, in a folder.
    pub async fn start_in(data: TempDir, setup: Setup) -> Result<Self> {
        Self::start_on(None, data, setup).await
    }

    /// The same on Kafka, PostgreSQL, S3 and an engine over HTTP of its own instead of files.
    pub async fn start_on_servers() -> Result<Self> {
        Self::start_on(Some(own_servers().await?), TempDir::new()?, Setup::default()).await
    }

    async fn start_on(servers: Option<Servers>, data: TempDir, setup: Setup) -> Result<Self> {
        let mut world = Self { data, setup, server: None, address: "127.0.0.1:0".into(), servers };
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

    /// The same in another way.
    pub async fn restart_with(&mut self, setup: Setup) -> Result<()> {
        self.setup = setup;
        self.restart().await
    }

    /// Starts the server again in a way that may end it before it is ready; whether it has got so far.
    pub async fn attempt_with(&mut self, setup: Setup) -> Result<bool> {
        self.setup = setup;
        let mut command = self.up(&self.address);
        command.stderr(ear(self.data(), "server")?);
        let client = self.client();
        self.server = Some(command.spawn()?);
        let end = Instant::now() + BOUND;
        while Instant::now() < end {
            if self.server.as_mut().is_some_and(|server| !matches!(server.try_wait(), Ok(None))) {
                return Ok(false);
            }
            if client.get("/readyz").await.is_ok_and(|answer| answer.status == 200) {
                return Ok(true);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        bail!("the server neither starts nor ends within {BOUND:?}")
    }

    /// What the servers of this World said on stderr.
    pub fn said(&self) -> String {
        said_by(self.data(), "server")
    }

    /// `kill -9`.
    pub fn kill(&mut self) -> Result<()> {
        self.signal(Signal::SIGKILL)?;
        self.server.take().context("the server does not run")?.wait()?;
        Ok(())
    }

    /// Sends any signal to the program.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let server = self.server.as_ref().context("the server does not run")?;
        Ok(kill(self.program_of(server)?, signal)?)
    }

    /// The process of the program, which is a child of what wraps it.
    fn program_of(&self, server: &Child) -> Result<Pid> {
        let wrapper = i32::try_from(server.id())?;
        if self.setup.wrapper.is_empty() {
            return Ok(Pid::from_raw(wrapper));
        }
        let children = fs::read_to_string(format!("/proc/{wrapper}/task/{wrapper}/children"))?;
        Ok(Pid::from_raw(children.split_whitespace().next().context("nothing runs in the wrapper")?.parse()?))
    }

    /// Waits until the program has ended by itself, and answers how.
    pub async fn ended(&mut self, bound: Duration) -> Result<ExitStatus> {
        let mut server = self.server.take().context("the server does not run")?;
        let end = Instant::now() + bound;
        loop {
            if let Some(status) = server.try_wait()? {
                return Ok(status);
            }
            if Instant::now() > end {
                self.server = Some(server);
                bail!("the server still runs after {bound:?}: {}", self.said());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Bytes of memory that the program holds.
    pub fn memory(&self) -> Result<u64> {
        let server = self.server.as_ref().context("the server does not run")?;
        let status = fs::read_to_string(format!("/proc/{}/status", self.program_of(server)?))?;
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        Ok(resident.trim().trim_end_matches(" kB").parse::<u64>()? << 10)
    }

    /// SIGTERM; waits until the server has finished what it had in hand and answers whether it left well.
    pub async fn terminate(&mut self) -> Result<bool> {
        self.signal(Signal::SIGTERM)?;
        let mut server = self.server.take().context("the server does not run")?;
        let status = tokio::task::spawn_blocking(move || server.wait()).await??;
        Ok(status.success())
    }

    /// Waits until every read model has reached the end of the log.
    pub async fn settle(&self) -> Result<()> {
        let client = self.client();
        eventually("the read models reach the end of the log", || async {
            let Ok(answer) = client.get("/v1/projections").await else { return Ok(false) };
            let items = answer.body["items"].as_array().context("no read models")?;
            Ok(items.iter().all(|projection| projection["lag"] == 0))
        })
        .await
    }

    /// Waits for the read models, then ends the server well.
    pub async fn settle_and_terminate(&mut self) -> Result<()> {
        self.settle().await?;
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
        let mut command = self.setup.program();
        command.args(["up", "--listen", address, "--token", TOKEN]).arg("--data").arg(self.data());
        if let Some(brokers) = &self.setup.kafka {
            command.args(["--kafka", brokers]);
        }
        for setting in &self.setup.kafka_settings {
            command.args(["--kafka-setting", setting]);
        }
        if let Some(servers) = &self.servers {
            place_on(&mut command, servers);
        }
        command
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // The folder goes with it; nothing is left to finish.
        let _ = self.signal(Signal::SIGKILL);
        if let Some(mut server) = self.server.take() {
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

/// Waits for a condition; fails with `what` after [`BOUND`].
pub async fn eventually<F: Future<Output = Result<bool>>>(what: &str, mut condition: impl FnMut() -> F) -> Result<()> {
    let end = Instant::now() + BOUND;
    loop {
        if condition().await? {
            return Ok(());
        }
        ensure!(Instant::now() < end, "not within {BOUND:?}: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
