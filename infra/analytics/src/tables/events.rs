//! `events`: every event of every context.

use super::{Column, FEW, TEXT, TIME, Table, column};
use clickhouse::Row;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// An event.
#[derive(Debug, Clone, PartialEq, Row, Serialize, Deserialize)]
pub struct EventRow {
    /// Whose event it is.
    pub tenant: String,
    /// The context it happened in: `work`.
    pub context: String,
    /// The topic it was read from: `work.events`.
    pub topic: String,
    /// The partition it was read from.
    pub partition: u32,
    /// Place in the partition, dense from 1.
    pub position: u64,
    /// The log that it was written to.
    #[serde(with = "clickhouse::serde::uuid")]
    pub timeline: Uuid,
    /// Identity of the event.
    #[serde(with = "clickhouse::serde::uuid")]
    pub event_id: Uuid,
    /// Its type: `work.JobSubmitted`.
    pub r#type: String,
    /// Type of its aggregate: `job`.
    pub aggregate_type: String,
    /// Identity of its aggregate.
    pub aggregate_id: String,
    /// Place in the history of its aggregate, contiguous from 1.
    pub seq: u64,
    /// The command that caused it.
    #[serde(with = "clickhouse::serde::uuid")]
    pub command_id: Uuid,
    /// The record that caused it.
    #[serde(with = "clickhouse::serde::uuid")]
    pub causation_id: Uuid,
    /// The first record of the conversation.
    #[serde(with = "clickhouse::serde::uuid")]
    pub correlation_id: Uuid,
    /// Who did it.
    pub actor: String,
    /// When it happened, as the client says, in microseconds.
    pub occurred_at: Option<i64>,
    /// When it was recorded, in microseconds; never runs backwards within a partition.
    pub recorded_at: i64,
    /// Number of the payload's schema.
    pub schema_id: u32,
    /// The payload as JSON; secrets are hidden.
    pub payload: String,
}

const COLUMNS: &[Column] = &[
    column("tenant", FEW, "Whose event it is"),
    column("context", FEW, "The context it happened in, for example work"),
    column("topic", FEW, "The topic it was read from, for example work.events"),
    column("partition", "UInt32", "The partition it was read from"),
    column("position", "UInt64", "Place in the partition, dense from 1"),
    column("timeline", "UUID", "The log that it was written to"),
    column("event_id", "UUID", "Identity of the event"),
    column("type", FEW, "Its type, for example work.JobSubmitted"),
    column("aggregate_type", FEW, "Type of its aggregate, for example job"),
    column("aggregate_id", TEXT, "Identity of its aggregate"),
    column("seq", "UInt64", "Place in the history of its aggregate, contiguous from 1"),
    column("command_id", "UUID", "The command that caused it"),
    column("causation_id", "UUID", "The record that caused it"),
    column("correlation_id", "UUID", "The first record of the conversation"),
    column("actor", FEW, "Who did it"),
    column("occurred_at", "Nullable(DateTime64(6, 'UTC'))", "When it happened, as the client says"),
    column("recorded_at", TIME, "When it was recorded; never runs backwards within a partition"),
    column("schema_id", "UInt32", "Number of the payload schema in the registry"),
    column("payload", TEXT, "The payload as JSON; secrets are hidden"),
];

/// The log's order: an insert needs no sorting, and the place to resume from is found without reading the table.
pub(super) const TABLE: Table = Table {
    name: "events",
    comment: "Every event of every context",
    columns: COLUMNS,
    partition_by: "toYYYYMM(recorded_at)",
    order_by: "(topic, partition, position, timeline)",
    version: None,
};
