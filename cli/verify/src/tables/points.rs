//! The table `run_metrics`: of each partition of the metrics as many points as the log has, each once.
//!
//! A batch that was reported again counts where it was reported last, as the engine keeps it. Nobody numbers telemetry,
//! so offsets are compared, and only those that the log still has: telemetry is kept for days, the table for ever.

use super::{about, one};
use crate::{
    census::Census,
    chunk::Chunk,
    code::Code,
    error::VerifyError,
    finding::{Finding, Findings, Place},
    marks::{Mark, Marks, fingerprint},
    pass::Looker,
    report::TableReport,
};
use clickhouse::{Client, Row};
use log::{Offset, Source, Timeline};
use schemas::{Message, telemetry::MetricPoints};
use serde::Deserialize;
use std::io;

/// A partition in the table.
pub(crate) struct PointTable {
    client: Client,
    pub source: Source,
    timeline: Timeline,
    /// The last offset that the table had come to, if it has any.
    pub upto: Option<Offset>,
}

/// Looks at a partition of metrics.
pub(crate) struct Points {
    pub census: Census,
    /// By point: its partition, in the order of the offsets.
    pub marks: Marks,
    upto: Option<Offset>,
}

#[derive(Row, Deserialize)]
struct Greatest {
    rows: u64,
    offset: u64,
}

#[derive(Row, Deserialize)]
struct Stored {
    rows: u64,
    first: u64,
    last: u64,
}

const LAST: &str = "SELECT count() AS rows, max(offset) AS offset FROM run_metrics \
    WHERE topic = ? AND partition = ? AND timeline = ?";
const COUNT: &str = "SELECT count() AS rows, min(offset) AS first, max(offset) AS last FROM run_metrics FINAL \
    WHERE topic = ? AND partition = ? AND timeline = ? AND offset >= ? AND offset <= ?";

impl Points {
    pub(crate) fn new(source: Source, marks: Marks, upto: Option<Offset>, limit: u64) -> Self {
        Self { census: Census::new(source, limit), marks, upto }
    }
}

impl Looker for Points {
    fn look(&mut self, chunk: &Chunk) -> Result<(), VerifyError> {
        for (record, read) in chunk.iter() {
            self.census.record(record);
            let decoded = read.ok().and_then(|entry| {
                self.census.place(entry.position);
                Some((entry, <MetricPoints as Message>::decode(&entry.envelope.r#type, &entry.payload).ok()?))
            });
            let Some((entry, batch)) = decoded else {
                // Anybody's mistake; the consumer sets it aside.
                self.census.unreadable += 1;
                continue;
            };
            if self.upto.is_none_or(|upto| record.offset > upto) {
                continue;
            }
            for (row, point) in batch.points.iter().enumerate() {
                let (step, row) = (point.step.to_be_bytes(), (row as u64).to_be_bytes());
                let (tenant, id) = (entry.envelope.tenant.as_bytes(), batch.batch_id.as_bytes());
                let what = fingerprint(&[tenant, point.job_id.as_bytes(), point.name.as_bytes(), &step, id, &row]);
                self.marks.push(Mark { what, order: record.offset, says: entry.partition.into() })?;
            }
        }
        Ok(())
    }
}

/// How many points each partition should have: of the same point the one with the greatest offset stays.
pub(crate) fn by_partition(marks: Marks, partitions: usize) -> io::Result<Vec<u64>> {
    let mut counts = vec![0; partitions];
    let mut keep = |mark: Mark| {
        if let Some(count) = usize::try_from(mark.says).ok().and_then(|partition| counts.get_mut(partition)) {
            *count += 1;
        }
    };
    let mut last: Option<Mark> = None;
    marks.sorted().each(|mark| {
        if let Some(before) = last.replace(mark).filter(|before| before.what != mark.what) {
            keep(before);
        }
    })?;
    last.into_iter().for_each(keep);
    Ok(counts)
}

impl PointTable {
    /// Looks how far the table has come.
    pub(crate) async fn look(client: &Client, source: Source, timeline: Timeline) -> Result<Self, VerifyError> {
        let greatest: Greatest = one(about(client, LAST, &source).bind(timeline.0.to_string())).await?;
        let upto = (greatest.rows > 0).then_some(greatest.offset);
        Ok(Self { client: client.clone(), source, timeline, upto })
    }

    /// Compares with the points that were counted in the partition.
    pub(crate) async fn judge(
        &self,
        census: &Census,
        expected: u64,
        findings: &mut Findings,
    ) -> Result<TableReport, VerifyError> {
        let part = format!("ClickHouse run_metrics {}", self.source);
        let (oldest, upto) = (census.first_offset.unwrap_or(0), self.upto.unwrap_or(0));
        let query = about(&self.client, COUNT, &self.source).bind(self.timeline.0.to_string()).bind(oldest).bind(upto);
        let Stored { rows, first, last } = one(query).await?;
        if rows != expected {
            let says = |count| format!("{count} points in offsets {oldest} to {upto}");
            findings.add(Finding::new(Code::MetricsDiffer, Place::part(&part), says(expected), says(rows)));
        }
        let (topic, partition, errors) = (self.source.topic.to_string(), self.source.partition, findings.errors(Some(&part)));
        Ok(TableReport {
            table: "run_metrics",
            topic,
            partition,
            rows,
            expected,
            first,
            last,
            parked: census.unreadable,
            doubled: 0,
            errors,
        })
    }
}
