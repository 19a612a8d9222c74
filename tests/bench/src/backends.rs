//! Kafka, PostgreSQL, S3 and ClickHouse's engine for the server under test, on this machine and for this run alone.
//!
//! What enters are programs that `make bench` has built; what leaves are addresses for a command line, and what an
//! acknowledged command survives on such a broker. The servers and their folder end with this process.

use crate::server::{own_environment, program};
use anyhow::{Context, Result, ensure};
use local::{Server, Servers};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Servers that run.
pub struct Backends {
    servers: Servers,
    folder: PathBuf,
}

impl Backends {
    /// Starts all of them in a new folder and waits until each answers.
    pub fn start() -> Result<Self> {
        let s3 = s3_program();
        let hint = "build it with `cargo build --release -p swarmlog-local --example local`";
        ensure!(Path::new(s3.get_program()).is_file(), "{} is missing: {hint}", s3.get_program().display());
        let folder = tempfile::Builder::new().prefix("bench-servers").tempdir()?.keep();
        let servers = Servers::open(&folder, s3_program)?.with_engine(engine_program);
        servers.end_with_this_process()?;
        servers.up(&[Server::Kafka, Server::Postgres, Server::S3, Server::Engine])?;
        Ok(Self { servers, folder })
    }

    /// Names the servers on a command line of `swarmlog up`.
    pub fn place(&self, command: &mut Command) {
        let addresses = self.servers.addresses();
        command.args(["--kafka", &addresses.kafka, "--postgres", &addresses.postgres, "--s3", &addresses.s3]);
        command.args(["--clickhouse", &addresses.clickhouse]);
        command.env("SWARMLOG_S3_ACCESS_KEY", &addresses.credentials.access_key);
        command.env("SWARMLOG_S3_SECRET_KEY", &addresses.credentials.secret_key);
    }

    /// Where an acknowledged command is, as the broker is configured: in a word, and in a sentence.
    pub fn durability(&self) -> Result<(&'static str, String)> {
        let file = self.folder.join("kafka/server.properties");
        let settings = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        Ok(durability(&settings))
    }
}

/// Without one of these settings a broker leaves it to the kernel when records reach the disk.
fn durability(settings: &str) -> (&'static str, String) {
    let flushes: Vec<&str> = settings.lines().map(str::trim).filter(|line| line.starts_with("log.flush.")).collect();
    let broker = "one Kafka broker, acks=all of one replica";
    match flushes[..] {
        [] => ("page cache", format!("{broker}: in its page cache, no log.flush.* is set, so the machine's death may lose it")),
        _ => ("flush", format!("{broker}: flushed as {} say", flushes.join(", "))),
    }
}

/// An S3 server: an example, which cargo puts beside the program. The server's name is checked before it is started.
fn s3_program() -> Command {
    Command::new(program().unwrap_or_default().with_file_name("examples").join("local"))
}

fn engine_program() -> Command {
    own_environment(program().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_that_flushes_is_told_from_one_that_does_not() {
        assert_eq!(durability("node.id=1\n#log.flush.interval.messages=1\n").0, "page cache");
        let (word, sentence) = durability("node.id=1\nlog.flush.interval.messages=1\n");
        assert!(word == "flush" && sentence.contains("log.flush.interval.messages=1"), "{sentence}");
    }
}
