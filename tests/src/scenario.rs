//! A row of the table of faults as a test: how often the fault is made, with which seed, and what came of it.
//!
//! `make test` makes every fault a few times; `SWARMLOG_FAULTS=long` as often as the table says, `=N` as often as that. Choices come from
//! `SWARMLOG_FAULTS_SEED`, or from a seed that is printed first; what processes and networks do in between is not
//! repeated by it. At its end a scenario says in one line on stdout what came of it, which `make faults` collects.

use anyhow::{Context, Result, bail};
use rand::{SeedableRng, rngs::StdRng};
use serde::{Deserialize, Serialize};
use std::{
    env, fmt,
    time::{Duration, Instant},
};

/// What comes before the JSON of an [`Outcome`].
pub const MARK: &str = "faults-row ";
/// Name of the variable that makes tries many.
pub const LENGTH: &str = "SWARMLOG_FAULTS";
/// Bound of a hang, beside a minute per try.
const BOUND: Duration = Duration::from_secs(300);

/// What the log of a scenario is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// A file.
    Embedded,
    /// Kafka.
    Servers,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(if *self == Self::Embedded { "embedded" } else { "servers" })
    }
}

/// What is shown, where, and how often.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    /// Number of the row.
    pub row: u8,
    /// What the row promises.
    pub promise: &'static str,
    /// What the log is.
    pub place: Place,
    /// Tries in `make test`.
    pub short: u32,
    /// Tries in `make faults`.
    pub long: u32,
}

/// What came of a scenario.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Outcome {
    /// Number of the row.
    pub row: u8,
    /// What was promised.
    pub promise: String,
    /// What the log was.
    pub place: Place,
    /// How often the fault was made.
    pub tries: u32,
    /// Where its choices came from.
    pub seed: u64,
    /// How long it took.
    pub seconds: f64,
    /// Why the promise was not kept.
    pub failure: Option<String>,
}

/// A scenario that runs.
pub struct Run {
    /// How often the fault is to be made.
    pub tries: u32,
    /// Makes the choices.
    pub rng: StdRng,
}

impl Scenario {
    /// Runs it, and says what came of it.
    pub async fn run(self, body: impl AsyncFnOnce(Run) -> Result<()>) -> Result<()> {
        let Self { row, promise, place, short, long } = self;
        let seed = match env::var("SWARMLOG_FAULTS_SEED") {
            Ok(text) => text.parse().context("SWARMLOG_FAULTS_SEED is no number")?,
            Err(_) => rand::random(),
        };
        let tries = match env::var(LENGTH).as_deref() {
            Err(_) | Ok("short") => short,
            Ok("long") => long,
            Ok(other) => match other.parse() {
                Ok(tries) => tries,
                Err(_) => bail!("{LENGTH} is {other:?}, neither short, long nor a number"),
            },
        };
        println!("row {row} ({place}): {tries} tries with SWARMLOG_FAULTS_SEED={seed}");
        let started = Instant::now();
        // Each row has choices of its own.
        let run = Run { tries, rng: StdRng::seed_from_u64(seed ^ u64::from(row)) };
        let bound = BOUND + Duration::from_secs(60) * tries;
        let outcome = match tokio::time::timeout(bound, body(run)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(anyhow::anyhow!("it hangs: no end after {bound:?}")),
        };
        let failure = outcome.as_ref().err().map(|error| format!("{error:#}"));
        let seconds = started.elapsed().as_secs_f64();
        let said = Outcome { row, promise: promise.to_owned(), place, tries, seed, seconds, failure };
        println!("{MARK}{}", serde_json::to_string(&said)?);
        outcome.with_context(|| format!("row {row} ({place}) with SWARMLOG_FAULTS_SEED={seed}"))
    }
}
