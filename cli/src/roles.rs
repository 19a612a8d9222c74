//! The parts that a process can play, what each needs, and where it listens unless it is told otherwise.

use crate::{
    Done,
    failure::{Exit, Failure},
    servers::Servers,
};
use service::settings::Listen;
use std::{fmt, net::SocketAddr};

/// A part of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Takes commands and answers queries.
    Gateway,
    /// Decides commands.
    Writer,
    /// Feeds the operational read models.
    Operational,
    /// Feeds ClickHouse.
    Analytics,
    /// Writes the archive.
    Archive,
}

impl Role {
    /// All of them: what `swarmlog up` is.
    pub const ALL: [Self; 5] = [Self::Gateway, Self::Writer, Self::Operational, Self::Analytics, Self::Archive];

    /// Where it listens, unless the command line says otherwise.
    pub fn address(self, listen: &Listen) -> SocketAddr {
        match self {
            Self::Gateway => listen.gateway,
            Self::Writer => listen.writer,
            Self::Operational => listen.operational,
            Self::Analytics => listen.analytics,
            Self::Archive => listen.archive,
        }
    }

    pub fn needs_store(self) -> bool {
        matches!(self, Self::Gateway | Self::Operational)
    }

    pub fn needs_objects(self) -> bool {
        matches!(self, Self::Gateway | Self::Archive)
    }

    pub fn needs_analytics(self) -> bool {
        matches!(self, Self::Gateway | Self::Analytics)
    }

    /// Refuses to run alone on files, which one process owns.
    pub fn check_alone(self, servers: &Servers) -> Done {
        let mut missing = Vec::new();
        if servers.kafka()?.is_none() {
            missing.push("--kafka BROKERS");
        }
        if self.needs_store() && servers.postgres().is_none() {
            missing.push("--postgres URL");
        }
        if self.needs_objects() && servers.s3().is_none() {
            missing.push("--s3 URL");
        }
        // The gateway does without: it says that there are no analytics.
        if self == Self::Analytics && servers.clickhouse().is_none() {
            missing.push("--clickhouse URL");
        }
        if missing.is_empty() {
            return Ok(());
        }
        let detail = format!(
            "`swarmlog {self}` runs one part beside others that share its servers, and without {} it would work on files that one process \
             owns: name the servers, or run everything in one process with `swarmlog up`",
            missing.join(", ")
        );
        Err(Failure::new(Exit::Usage, detail))
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gateway => "gateway",
            Self::Writer => "writer",
            Self::Operational => "consumer operational",
            Self::Analytics => "consumer analytics",
            Self::Archive => "consumer archive",
        })
    }
}
