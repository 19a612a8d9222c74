//! Apache Kafka in KRaft mode, one node that is broker and controller, from its Maven artifacts.

use crate::{
    LocalError,
    process::{Place, loopback, step},
};
use std::{fs, net::SocketAddr, path::Path, process::Command};
use uuid::Uuid;

/// What Maven is told to fetch.
const POM: &str = include_str!("../kafka/pom.xml");

/// Where a broker listens.
#[derive(Debug, Clone, Copy)]
pub struct Listeners {
    /// For clients.
    pub port: u16,
    /// For the controller.
    pub controller: u16,
    /// For clients that come by another way.
    pub detour: Option<Detour>,
}

/// A second listener, whose clients are told to go on at an address that somebody else forwards to it.
#[derive(Debug, Clone, Copy)]
pub struct Detour {
    /// Where the broker listens.
    pub port: u16,
    /// Where it says that it does.
    pub advertised: SocketAddr,
}

/// Starts a broker, formatting its folder first if it is new.
pub fn start(place: &Place, cache: &Path, listeners: Listeners) -> Result<(), LocalError> {
    let jars = jars(cache)?;
    let classes = format!("{}/*", jars.display());
    let data = place.data();
    fs::create_dir_all(&data).map_err(LocalError::at(&data))?;
    let properties = data.join("server.properties");
    fs::write(&properties, settings(&data, listeners)).map_err(LocalError::at(&properties))?;
    if !data.join("logs/meta.properties").exists() {
        let cluster = Uuid::new_v4().simple().to_string();
        let mut format = java(&classes);
        format.args(["kafka.tools.StorageTool", "format", "-t", &cluster[..22], "-c"]).arg(&properties);
        step("formatting of Kafka's folder", &mut format)?;
    }
    let mut broker = java(&classes);
    broker.arg("kafka.Kafka").arg(&properties);
    place.start(broker, loopback(listeners.port))
}

fn java(classes: &str) -> Command {
    let mut command = Command::new("java");
    command.args(["-Xms256m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]);
    command.args(["-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", classes]);
    command
}

/// The folder of the jars; Maven fetches them once.
fn jars(cache: &Path) -> Result<std::path::PathBuf, LocalError> {
    let folder = cache.join("kafka-4.1.0");
    if folder.join("complete").exists() {
        return Ok(folder);
    }
    fs::create_dir_all(&folder).map_err(LocalError::at(&folder))?;
    let pom = folder.join("pom.xml");
    fs::write(&pom, POM).map_err(LocalError::at(&pom))?;
    for program in ["java", "mvn"] {
        step(program, Command::new(program).arg("-version")).map_err(|_| LocalError::Missing {
            program: program.into(),
            remedy: "install a JDK 17 or newer and Maven (Debian: apt-get install default-jdk-headless maven)".into(),
        })?;
    }
    let mut fetch = Command::new("mvn");
    fetch.args(["-q", "-B", "-f"]).arg(&pom).arg("dependency:copy-dependencies");
    fetch.arg(format!("-DoutputDirectory={}", folder.display()));
    step("fetching of Kafka by Maven", &mut fetch)?;
    fs::write(folder.join("complete"), "").map_err(LocalError::at(&folder))?;
    Ok(folder)
}

fn settings(data: &Path, Listeners { port, controller, detour }: Listeners) -> String {
    let (mut bound, mut advertised) = (String::new(), String::new());
    if let Some(Detour { port, advertised: at }) = detour {
        bound = format!(",DETOUR://127.0.0.1:{port}");
        advertised = format!(",DETOUR://{at}");
    }
    format!(
        "process.roles=broker,controller\n\
         node.id=1\n\
         controller.quorum.voters=1@127.0.0.1:{controller}\n\
         listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}{bound}\n\
         advertised.listeners=PLAINTEXT://127.0.0.1:{port}{advertised}\n\
         listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,DETOUR:PLAINTEXT\n\
         controller.listener.names=CONTROLLER\n\
         inter.broker.listener.name=PLAINTEXT\n\
         log.dirs={}\n\
         auto.create.topics.enable=false\n\
         offsets.topic.replication.factor=1\n\
         offsets.topic.num.partitions=4\n\
         transaction.state.log.replication.factor=1\n\
         transaction.state.log.min.isr=1\n\
         transaction.state.log.num.partitions=4\n\
         broker.heartbeat.interval.ms=500\n\
         broker.session.timeout.ms=3000\n\
         group.initial.rebalance.delay.ms=0\n\
         group.min.session.timeout.ms=1000\n",
        data.join("logs").display()
    )
}
