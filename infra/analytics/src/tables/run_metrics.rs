//! `run_metrics`: what jobs measured.

use super::{Column, FEW, TEXT, TIME, Table, column};
use clickhouse::Row;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A measured value.
#[derive(Debug, Clone, PartialEq, Row, Serialize, Deserialize)]
pub struct MetricRow {
    /// Whose value it is.
    pub tenant: String,
    /// Who reported it.
    pub source: String,
    /// The job that measured.
    pub job_id: String,
    /// What was measured: `loss`.
    pub name: String,
    /// Step it belongs to.
    pub step: i64,
    /// The value.
    pub value: f64,
    /// When it was measured, in microseconds.
    pub at: i64,
    /// When the batch was recorded, in microseconds.
    pub recorded_at: i64,
    /// The topic it was read from: `telemetry.metric`.
    pub topic: String,
    /// The partition it was read from.
    pub partition: u32,
    /// The offset of its batch.
    pub offset: u64,
    /// Place in its batch, from 0.
    pub row: u32,
    /// The log that offset belongs to.
    #[serde(with = "clickhouse::serde::uuid")]
    pub timeline: Uuid,
    /// Identity of its batch: the same batch again counts once.
    #[serde(with = "clickhouse::serde::uuid")]
    pub batch_id: Uuid,
}

const COLUMNS: &[Column] = &[
    column("tenant", FEW, "Whose value it is"),
    column("source", FEW, "Who reported it"),
    column("job_id", TEXT, "The job that measured"),
    column("name", FEW, "What was measured, for example loss"),
    column("step", "Int64", "Step it belongs to"),
    column("value", "Float64", "The value"),
    column("at", TIME, "When it was measured"),
    column("recorded_at", TIME, "When the batch was recorded"),
    column("topic", FEW, "The topic it was read from"),
    column("partition", "UInt32", "The partition it was read from"),
    column("offset", "UInt64", "The offset of its batch"),
    column("row", "UInt32", "Place in its batch, from 0"),
    column("timeline", "UUID", "The log that offset belongs to"),
    column("batch_id", "UUID", "Identity of its batch: the same batch again counts once"),
];

/// Curves are read by job and name. Of a batch that was reported twice the later offset stays, so that the greatest
/// offset of a partition, which says where to resume, is never merged away.
pub(super) const TABLE: Table = Table {
    name: "run_metrics",
    comment: "What jobs measured",
    columns: COLUMNS,
    partition_by: "toYYYYMM(recorded_at)",
    order_by: "(tenant, job_id, name, step, batch_id, row)",
    version: Some("offset"),
};
