//! The figures as a table for people.

use crate::report::{Figure, Report, Verdict};
use std::fmt::Write;

/// What stands above the columns.
const HEADER: [&str; 13] = [
    "",
    "per second",
    "target",
    "p50 ms",
    "p99 ms",
    "max ms",
    "durable",
    "server",
    "backends",
    "client",
    "others",
    "lag s",
    "reached",
];

impl Report {
    /// The table for people.
    pub fn table(&self) -> String {
        let mut out = String::new();
        let machine = &self.machine;
        let _ = writeln!(
            out,
            "{}: {} cores, load {:.2}, others use {:.0} %, append 256 B + fdatasync p50 {} µs, loopback round trip p50 {} µs",
            self.mode.name(),
            machine.cores,
            machine.load,
            machine.others * 100.0,
            machine.fdatasync_p50_us,
            machine.loopback_p50_us
        );
        let _ = writeln!(out, "an answered command is durable thus: {}", self.durability);
        if !machine.is_idle {
            let _ = writeln!(out, "THE MACHINE IS NOT IDLE: these figures say little");
        }
        let mut rows = vec![HEADER.map(str::to_owned)];
        rows.extend(self.figures.iter().map(row));
        let widths: Vec<usize> =
            (0..HEADER.len()).map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0)).collect();
        for row in rows {
            let _ = write!(out, "{:<width$}", row[0], width = widths[0]);
            for (cell, width) in row.iter().zip(&widths).skip(1) {
                let _ = write!(out, "  {cell:>width$}");
            }
            out.push('\n');
        }
        for figure in &self.figures {
            if !figure.other_statuses.is_empty() || !figure.broken.is_empty() {
                let (statuses, broken) = (&figure.other_statuses, &figure.broken);
                let _ = writeln!(out, "{}: other statuses {statuses:?}, broken connections {broken:?}", figure.name);
            }
            if let Some(note) = &figure.note {
                let _ = writeln!(out, "{}: {note}", figure.name);
            }
        }
        if let Some(peak) = self.peak_memory_mib {
            let _ = writeln!(out, "most memory of a server: {peak} MiB");
        }
        let _ = writeln!(out, "server, backends, client and others are in cores; targets are to reach / better still");
        out
    }
}

fn row(figure: &Figure) -> [String; HEADER.len()] {
    let Figure { target, stretch, cpu, .. } = figure;
    let number = |value: Option<f64>, digits: usize| value.map_or(String::new(), |value| format!("{value:.digits$}"));
    let limited = |value: Option<f64>, to_reach: Option<f64>, better: Option<f64>| {
        let limit = limits(to_reach, better);
        if limit.is_empty() { number(value, 2) } else { format!("{} (≤ {limit})", number(value, 2)) }
    };
    let verdict = figure.verdict().map_or("", |verdict| match verdict {
        Verdict::Missed => "no",
        Verdict::Reached => "yes",
        Verdict::Stretched => "stretch",
    });
    [
        figure.name.clone(),
        format!("{:.0}", figure.rate),
        limits(target.rate, stretch.rate),
        limited(figure.p50_ms, target.p50_ms, stretch.p50_ms),
        limited(figure.p99_ms, target.p99_ms, stretch.p99_ms),
        number(figure.max_ms, 1),
        figure.durable.unwrap_or_default().to_owned(),
        number(cpu.and_then(|cpu| cpu.server), 2),
        number(cpu.map(|cpu| cpu.backends), 2),
        number(cpu.map(|cpu| cpu.generator), 2),
        number(cpu.map(|cpu| cpu.others), 2),
        number(figure.lag_seconds, 2),
        verdict.to_owned(),
    ]
}

/// `33000 / 40000`, or what there is of it.
fn limits(to_reach: Option<f64>, better: Option<f64>) -> String {
    let limits: Vec<String> = [to_reach, better].into_iter().flatten().map(|limit| limit.to_string()).collect();
    limits.join(" / ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{machine::Idle, plan::Mode, report::Target};

    fn report(figure: Figure) -> Report {
        let machine = Idle { cores: 2, load: 3.0, others: 0.9, fdatasync_p50_us: 4_000, loopback_p50_us: 30, is_idle: false };
        Report { mode: Mode::Servers, durability: "nowhere".to_owned(), machine, peak_memory_mib: None, figures: vec![figure] }
    }

    #[test]
    fn a_busy_machine_is_said_loudly() {
        assert!(report(Figure::default()).table().contains("NOT IDLE"));
    }

    #[test]
    fn a_row_says_what_is_asked_and_what_is_durable() {
        let target = Target { rate: Some(100.0), p50_ms: Some(2.0), p99_ms: None };
        let stretch = Target { rate: Some(150.0), ..Target::default() };
        let figure = Figure { rate: 120.0, p50_ms: Some(1.5), durable: Some("page cache"), target, stretch, ..Figure::default() };
        let table = report(figure).table();
        for said in ["100 / 150", "1.50 (≤ 2)", "page cache", "yes", "nowhere"] {
            assert!(table.contains(said), "{said} is missing:\n{table}");
        }
    }
}
