//! The figures, as JSON has them; [`table`](crate::table) shows them to people.

use crate::{cpu::Used, load::Measured, machine::Idle, plan::Mode, steering::Steering};
use anyhow::Result;
use serde::Serialize;
use std::{collections::BTreeMap, time::Instant};

/// What a figure is measured against, from the design's table.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Target {
    /// Per second, to reach.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    /// Median in milliseconds, to stay below.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p50_ms: Option<f64>,
    /// 99th percentile in milliseconds, to stay below.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p99_ms: Option<f64>,
}

impl Target {
    /// A rate and nothing else.
    pub fn rate(rate: f64) -> Self {
        Self { rate: Some(rate), ..Self::default() }
    }
}

/// How a figure stands to its targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// One is missed.
    Missed,
    /// All that it has to reach are reached.
    Reached,
    /// Those that would be better still, too.
    Stretched,
}

/// One measurement.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Figure {
    /// What was done.
    pub name: String,
    /// How often.
    pub count: u64,
    /// In how many seconds.
    pub seconds: f64,
    /// Per second.
    pub rate: f64,
    /// Median latency in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p50_ms: Option<f64>,
    /// 99th percentile of the latency in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p99_ms: Option<f64>,
    /// Longest latency in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_ms: Option<f64>,
    /// Answers that were neither 200 nor 201, by status.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub other_statuses: BTreeMap<u16, u64>,
    /// Connections that broke, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub broken: Vec<String>,
    /// Cores kept busy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<Used>,
    /// Seconds until no consumer lagged any more, after the load.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lag_seconds: Option<f64>,
    /// What of an acknowledged command survives what: where it was written when it was answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub durable: Option<&'static str>,
    /// What the design asks for.
    pub target: Target,
    /// What would be better still.
    pub stretch: Target,
    /// What else there is to know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Figure {
    /// The figure of a load.
    pub fn of_load(name: &str, measured: &Measured, cpu: Used, target: Target) -> Self {
        let other_statuses: BTreeMap<u16, u64> =
            measured.statuses.iter().filter(|(status, _)| !matches!(status, 200 | 201)).map(|(s, n)| (*s, *n)).collect();
        Self {
            name: name.to_owned(),
            count: measured.good(),
            seconds: measured.elapsed.as_secs_f64(),
            rate: measured.rate(),
            p50_ms: Some(measured.millis(0.5)),
            p99_ms: Some(measured.millis(0.99)),
            max_ms: Some(measured.millis(1.0)),
            other_statuses,
            broken: measured.broken.clone(),
            cpu: Some(cpu),
            target,
            ..Self::default()
        }
    }

    /// The figure of one long piece of work.
    pub fn of_work(name: &str, count: u64, seconds: f64, cpu: Used, target: Target) -> Self {
        let rate = count as f64 / seconds.max(0.001);
        Self { name: name.to_owned(), count, seconds, rate, cpu: Some(cpu), target, ..Self::default() }
    }

    /// The figure with the lag of all consumers, to be taken right after the load. `events` is what ClickHouse has to have then.
    pub async fn followed_by(mut self, steering: &mut Steering, events: u64) -> Result<Self> {
        let answered = Instant::now();
        steering.caught_up().await?;
        self.lag_seconds = Some(answered.elapsed().as_secs_f64());
        self.note = Some(match steering.analytics_has(events).await {
            Ok(_) => format!("ClickHouse had all of it {:.2} s after the load", answered.elapsed().as_secs_f64()),
            Err(error) => format!("without ClickHouse: {error}"),
        });
        Ok(self)
    }

    /// How the figure stands to what the design asks for; none without targets.
    pub fn verdict(&self) -> Option<Verdict> {
        match (self.reaches(self.target), self.reaches(self.stretch)) {
            (None, None) => None,
            (Some(false), _) => Some(Verdict::Missed),
            (_, Some(true)) => Some(Verdict::Stretched),
            _ => Some(Verdict::Reached),
        }
    }

    fn reaches(&self, target: Target) -> Option<bool> {
        let below = |value: Option<f64>, limit: Option<f64>| limit.map(|limit| value.is_some_and(|value| value <= limit));
        let checks =
            [target.rate.map(|rate| self.rate >= rate), below(self.p50_ms, target.p50_ms), below(self.p99_ms, target.p99_ms)];
        checks.into_iter().flatten().reduce(|a, b| a && b)
    }
}

/// Everything that a run has found.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Where the parts keep what they know.
    pub mode: Mode,
    /// What an acknowledged command survives, in a sentence.
    pub durability: String,
    /// The machine before the run.
    pub machine: Idle,
    /// The most memory that a server had, in MiB.
    pub peak_memory_mib: Option<u64>,
    /// The measurements.
    pub figures: Vec<Figure>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_has_to_be_reached() {
        let target = Target { rate: Some(100.0), p50_ms: Some(2.0), p99_ms: None };
        let stretch = Target { rate: Some(150.0), ..Target::default() };
        let verdict = |rate, p50_ms| Figure { rate, p50_ms, target, stretch, ..Figure::default() }.verdict();
        assert_eq!(verdict(100.0, Some(2.0)), Some(Verdict::Reached));
        assert_eq!(verdict(150.0, Some(2.0)), Some(Verdict::Stretched));
        assert_eq!(verdict(99.0, Some(1.0)), Some(Verdict::Missed));
        assert_eq!(verdict(200.0, Some(2.1)), Some(Verdict::Missed));
        assert_eq!(verdict(200.0, None), Some(Verdict::Missed));
        assert_eq!(Figure::default().verdict(), None);
    }
}
