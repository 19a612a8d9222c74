//! What is measured, as the command line says it.

use anyhow::{Context, Result, bail};
use serde::Serialize;
use std::time::Duration;

const USAGE: &str = "usage: cargo bench -p swarmlog-bench -- [--servers] [--seconds N] [--events N]";

/// Where the parts of the program keep what they know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// In files, and in ClickHouse's engine in the process.
    Embedded,
    /// On Kafka, PostgreSQL, S3 and an engine over HTTP.
    Servers,
}

impl Mode {
    /// Its name in the table and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::Servers => "servers",
        }
    }
}

/// How much is measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// On what.
    pub mode: Mode,
    /// Length of every load.
    pub time: Duration,
    /// Events of the logs that are replayed.
    pub events: u64,
}

impl Plan {
    /// Reads the arguments behind the program's name.
    pub fn read(arguments: impl IntoIterator<Item = String>) -> Result<Self> {
        let mut plan = Self { mode: Mode::Embedded, time: Duration::from_secs(10), events: 1_000_000 };
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let mut number = || arguments.next().and_then(|n| n.parse::<u64>().ok()).filter(|n| *n > 0).context(USAGE);
            match argument.as_str() {
                // Cargo says so to every benchmark.
                "--bench" => {}
                "--servers" => plan.mode = Mode::Servers,
                "--seconds" => plan.time = Duration::from_secs(number()?),
                "--events" => plan.events = number()?,
                _ => bail!(USAGE),
            }
        }
        Ok(plan)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Plan> {
        Plan::read(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn without_arguments_the_embedded_mode_is_measured() {
        assert_eq!(read("--bench").unwrap().mode, Mode::Embedded);
        let plan = read("--servers --seconds 3 --events 50 --bench").unwrap();
        assert_eq!(plan, Plan { mode: Mode::Servers, time: Duration::from_secs(3), events: 50 });
    }

    #[test]
    fn an_argument_that_says_nothing_is_refused() {
        for line in ["--server", "--seconds", "--seconds 0", "--events many"] {
            assert!(read(line).is_err(), "{line}");
        }
    }
}
