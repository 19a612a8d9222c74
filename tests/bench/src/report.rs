//! The figures: a table for people, JSON for programs.

use crate::{
    load::Measured,
    machine::{Idle, Used},
};
use serde::Serialize;
use std::{collections::BTreeMap, fmt::Write};

/// What a figure is measured against: the column "embedded" of the design.
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
    /// What the design asks for.
    pub target: Target,
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

    /// Whether every target is reached; none without targets.
    pub fn is_reached(&self) -> Option<bool> {
        let below = |value: Option<f64>, limit: Option<f64>| limit.map(|limit| value.is_some_and(|value| value <= limit));
        let checks = [
            self.target.rate.map(|rate| self.rate >= rate),
            below(self.p50_ms, self.target.p50_ms),
            below(self.p99_ms, self.target.p99_ms),
        ];
        checks.into_iter().flatten().reduce(|a, b| a && b)
    }
}

/// Everything that a run has found.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// What "durable" means here.
    pub durability: &'static str,
    /// The machine before the run.
    pub machine: Idle,
    /// The most memory that a server had, in MiB.
    pub peak_memory_mib: Option<u64>,
    /// The measurements.
    pub figures: Vec<Figure>,
}

impl Report {
    /// The table for people.
    pub fn table(&self) -> String {
        let mut out = String::new();
        let machine = &self.machine;
        let _ = writeln!(
            out,
            "{} cores, load {:.2}, others use {:.0} %, append 256 B + fdatasync p50 {} µs, durable = {}",
            machine.cores,
            machine.load,
            machine.others * 100.0,
            machine.fdatasync_p50_us,
            self.durability
        );
        if !machine.is_idle {
            let _ = writeln!(out, "THE MACHINE IS NOT IDLE: these figures say little");
        }
        let header = ["", "per second", "target", "p50 ms", "p99 ms", "max ms", "server", "client", "others", "lag s", "reached"];
        let mut rows = vec![header.map(str::to_owned)];
        rows.extend(self.figures.iter().map(row));
        let widths: Vec<usize> =
            (0..header.len()).map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0)).collect();
        for row in rows {
            let _ = write!(out, "{:<width$}", row[0], width = widths[0]);
            for (cell, width) in row.iter().zip(&widths).skip(1) {
                let _ = write!(out, "  {cell:>width$}");
            }
            out.push('\n');
        }
        for figure in &self.figures {
            let _ = match (&figure.other_statuses, &figure.broken, &figure.note) {
                (statuses, broken, _) if !statuses.is_empty() || !broken.is_empty() => {
                    writeln!(out, "{}: other statuses {statuses:?}, broken connections {broken:?}", figure.name)
                }
                (_, _, Some(note)) => writeln!(out, "{}: {note}", figure.name),
                _ => Ok(()),
            };
        }
        if let Some(peak) = self.peak_memory_mib {
            let _ = writeln!(out, "most memory of a server: {peak} MiB; server, client and others are in cores");
        }
        out
    }
}

fn row(figure: &Figure) -> [String; 11] {
    let optional = |value: Option<f64>, digits: usize| value.map_or(String::new(), |value| format!("{value:.digits$}"));
    let target = |value: Option<f64>, digits: usize, limit: Option<f64>| match limit {
        Some(limit) => format!("{} (≤ {limit})", optional(value, digits)),
        None => optional(value, digits),
    };
    [
        figure.name.clone(),
        format!("{:.0}", figure.rate),
        figure.target.rate.map_or(String::new(), |rate| format!("{rate:.0}")),
        target(figure.p50_ms, 2, figure.target.p50_ms),
        target(figure.p99_ms, 2, figure.target.p99_ms),
        optional(figure.max_ms, 1),
        optional(figure.cpu.map(|cpu| cpu.server), 2),
        optional(figure.cpu.map(|cpu| cpu.generator), 2),
        optional(figure.cpu.map(|cpu| cpu.others), 2),
        optional(figure.lag_seconds, 2),
        figure.is_reached().map_or("", |reached| if reached { "yes" } else { "no" }).to_owned(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_has_to_be_reached() {
        let target = Target { rate: Some(100.0), p50_ms: Some(2.0), p99_ms: None };
        let figure = |rate, p50_ms| Figure { rate, p50_ms, target, ..Figure::default() };
        assert_eq!(figure(100.0, Some(2.0)).is_reached(), Some(true));
        assert_eq!(figure(99.0, Some(1.0)).is_reached(), Some(false));
        assert_eq!(figure(200.0, Some(2.1)).is_reached(), Some(false));
        assert_eq!(figure(200.0, None).is_reached(), Some(false));
        assert_eq!(Figure::default().is_reached(), None);
    }

    #[test]
    fn a_busy_machine_is_said_loudly() {
        let machine = Idle { cores: 2, load: 3.0, others: 0.9, fdatasync_p50_us: 4_000, is_idle: false };
        let report =
            Report { durability: "embedded: fdatasync", machine, peak_memory_mib: None, figures: vec![Figure::default()] };
        assert!(report.table().contains("NOT IDLE"));
    }
}
