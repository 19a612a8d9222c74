//! `parked`: records that could not be read, with their bytes.

use super::{Column, FEW, TEXT, TIME, Table, column};
use clickhouse::Row;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A record that is in no other table.
#[derive(Debug, Clone, PartialEq, Row, Serialize, Deserialize)]
pub struct ParkedRow {
    /// The topic it was read from.
    pub topic: String,
    /// The partition it was read from.
    pub partition: u32,
    /// Place in the partition: an event's position, else offset + 1.
    pub position: u64,
    /// Its offset.
    pub offset: u64,
    /// The log that offset belongs to.
    #[serde(with = "clickhouse::serde::uuid")]
    pub timeline: Uuid,
    /// The log's time of it, in microseconds.
    pub recorded_at: i64,
    /// Why it could not be read.
    pub reason: String,
    /// Its key, hexadecimal.
    pub key: String,
    /// Its encoded envelope, hexadecimal.
    pub envelope: String,
    /// Its encoded payload, hexadecimal.
    pub payload: String,
}

const COLUMNS: &[Column] = &[
    column("topic", FEW, "The topic it was read from"),
    column("partition", "UInt32", "The partition it was read from"),
    column("position", "UInt64", "Place in the partition: position of an event, else offset + 1"),
    column("offset", "UInt64", "Its offset"),
    column("timeline", "UUID", "The log that offset belongs to"),
    column("recorded_at", TIME, "Time of it in the log"),
    column("reason", TEXT, "Why it could not be read"),
    column("key", TEXT, "Its key, hexadecimal"),
    column("envelope", TEXT, "Its encoded envelope, hexadecimal"),
    column("payload", TEXT, "Its encoded payload, hexadecimal"),
];

/// Not divided by time: a record that cannot be read may not tell its own.
pub(super) const TABLE: Table = Table {
    name: "parked",
    comment: "Records that could not be read",
    columns: COLUMNS,
    partition_by: "tuple()",
    order_by: "(topic, partition, offset, timeline)",
    version: None,
};
