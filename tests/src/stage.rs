//! Kafka behind a proxy, and programs on it; what they did is compared at the end.

use crate::{
    Setup, World,
    load::{Load, Told, told_is_true},
    onlooker::Onlooker,
    oracle::{self, Truth},
};
use anyhow::{Context, Result, ensure};
use local::{Server, Servers};
use log::kafka::{KafkaConfig, KafkaLog};
use proxy::{Proxy, Wire};
use std::{collections::BTreeMap, path::PathBuf, process::Command, sync::Arc};
use tokio::{net::TcpListener, task::spawn_blocking};

/// A broker of this test's own.
pub struct Stage {
    servers: Arc<Servers>,
    /// Between the broker and the programs that come by it.
    pub proxy: Proxy,
}

impl Stage {
    /// Starts a broker and the proxy before it.
    pub async fn start() -> Result<Self> {
        Self::start_in(tempfile::Builder::new().prefix("stage").tempdir()?.keep()).await
    }

    /// The same with the broker's files in `folder`, which is removed at the end.
    pub async fn start_in(folder: PathBuf) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        // No S3 server is started here.
        let mut servers = Servers::open(&folder, || Command::new("false"))?;
        servers.end_with_this_process()?;
        let upstream = servers.advertise(listener.local_addr()?)?;
        let stage = Self { servers: Arc::new(servers), proxy: Proxy::start(listener, upstream, Wire::Kafka)? };
        stage.up().await?;
        Ok(stage)
    }

    /// Starts the broker, if it does not run.
    pub async fn up(&self) -> Result<()> {
        let servers = self.servers.clone();
        Ok(spawn_blocking(move || servers.up(&[Server::Kafka])).await??)
    }

    /// `kill -9` of the broker.
    pub async fn kill(&self) -> Result<()> {
        let servers = self.servers.clone();
        Ok(spawn_blocking(move || servers.kill(Server::Kafka)).await??)
    }

    /// Whether the broker runs.
    pub fn is_up(&self) -> bool {
        self.servers.is_running(Server::Kafka)
    }

    /// A program that comes by the proxy.
    pub fn by_proxy(&self) -> Setup {
        Setup::without_analytics().on(self.proxy.address().to_string())
    }

    /// A program that does not.
    pub fn direct(&self) -> Setup {
        Setup::without_analytics().on(self.servers.addresses().kafka.clone())
    }

    /// The log, not by the proxy.
    pub async fn log(&self) -> Result<KafkaLog> {
        Ok(KafkaLog::connect(KafkaConfig::new(&self.servers.addresses().kafka)).await?)
    }

    /// Who sees what was not committed.
    pub fn onlooker(&self) -> Onlooker {
        Onlooker::new(&self.servers.addresses().kafka)
    }

    /// Ends the load and every program, and compares.
    pub async fn check(&self, load: Load, worlds: &mut [&mut World]) -> Result<Truth> {
        let told = load.stop().await;
        self.compare(&told, worlds).await
    }

    /// Ends every program, and compares the log with what clients were told and with the read models of each program.
    pub async fn compare(&self, told: &BTreeMap<String, Told>, worlds: &mut [&mut World]) -> Result<Truth> {
        ensure!(told.values().any(|told| matches!(told, Told::Acknowledged { .. })), "nothing was acknowledged");
        for world in &mut *worlds {
            world.settle().await?;
        }
        let log = self.log().await?;
        let mut last = None;
        for world in worlds {
            world.settle_and_terminate().await?;
            let (truth, _) = oracle::check_kafka(&log, world.data()).await?;
            told_is_true(told, &truth)?;
            last = Some(truth);
        }
        last.context("no program to compare with")
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // Whatever is left goes with this process.
        let _ = self.servers.kill(Server::Kafka);
    }
}
