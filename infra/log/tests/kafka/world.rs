//! A broker for all tests of this program, and logs of their own on it.

use local::{Server, Servers};
use proxy::{Proxy, Wire};
use std::{
    net::SocketAddr,
    path::Path,
    process::Command,
    sync::{Arc, OnceLock},
};
use swarmlog_log::{
    Append, Log, LogError, Record, Source, Transaction,
    kafka::{KafkaConfig, KafkaLog},
};
use tempfile::TempDir;
use tokio::net::TcpListener;
use uuid::Uuid;

/// A broker that ends with the test that started it.
pub struct Broker {
    pub servers: Servers,
    // Dropped last.
    folder: TempDir,
}

impl Broker {
    pub fn start() -> Self {
        Self::advertised(None).0
    }

    /// A broker, and a proxy between it and the clients that come to the proxy's address.
    pub async fn behind_a_proxy() -> (Self, Proxy) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (broker, upstream) = tokio::task::spawn_blocking(move || Self::advertised(Some(address))).await.unwrap();
        let proxy = Proxy::start(listener, upstream.unwrap(), Wire::Kafka).unwrap();
        (broker, proxy)
    }

    fn advertised(at: Option<SocketAddr>) -> (Self, Option<SocketAddr>) {
        let folder = tempfile::tempdir().unwrap();
        // No S3 server is started here.
        let mut servers = Servers::open(folder.path(), || Command::new("false")).unwrap();
        servers.end_with_this_process().unwrap();
        let upstream = at.map(|at| servers.advertise(at).unwrap());
        servers.up(&[Server::Kafka]).unwrap();
        (Self { servers, folder }, upstream)
    }

    /// Where its files are.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What a new log on this broker is told.
    pub fn config(&self) -> KafkaConfig {
        let prefix = format!("t{}.", &Uuid::new_v4().simple().to_string()[..12]);
        KafkaConfig { prefix, ..KafkaConfig::new(&self.servers.addresses().kafka) }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.servers.kill(Server::Kafka).unwrap();
    }
}

/// The broker of all tests that leave it alone.
pub fn broker() -> &'static Broker {
    static BROKER: OnceLock<Broker> = OnceLock::new();
    BROKER.get_or_init(Broker::start)
}

/// What a new log is told.
pub async fn config() -> KafkaConfig {
    tokio::task::spawn_blocking(|| broker().config()).await.unwrap()
}

/// A new log.
pub async fn log() -> Arc<KafkaLog> {
    Arc::new(KafkaLog::connect(config().await).await.unwrap())
}

pub fn source(topic: &str, partition: u32) -> Source {
    Source { topic: topic.into(), partition }
}

pub fn text(source: &Source, payload: impl Into<String>) -> Append {
    Append {
        source: source.clone(),
        key: "default/thing/1".into(),
        envelope: "about it".into(),
        payload: payload.into().into(),
        time: 1_700_000_000_000_000,
    }
}

pub fn say(source: &Source, payload: &str) -> Transaction {
    Transaction { append: vec![text(source, payload)], consumed: Vec::new() }
}

pub fn said(record: &Record) -> String {
    String::from_utf8(record.payload.to_vec()).unwrap()
}

/// Payloads of all committed records.
pub async fn everything(log: &dyn Log, source: &Source) -> Result<Vec<String>, LogError> {
    let (mut from, mut all) = (0, Vec::new());
    loop {
        let records = log.read(source, from, 1000).await?;
        let Some(last) = records.last() else { return Ok(all) };
        from = last.offset + 1;
        all.extend(records.iter().map(said));
    }
}
