//! What both readers of records share: where they are, and how a record is set aside.

use analytics::tables::ParkedRow;
use log::{Record, Source, Timeline};
use schemas::{CodecError, SchemaId};
use std::{fmt::Write as _, sync::LazyLock};

/// Where records come from.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// The partition.
    pub(crate) source: Source,
    /// The log's history.
    pub(crate) timeline: Timeline,
}

impl Place {
    /// The row of a record that cannot be read.
    pub(crate) fn parked(&self, record: &Record, position: u64, reason: String) -> ParkedRow {
        tracing::warn!(
            log.topic = &*self.source.topic,
            log.partition = self.source.partition,
            log.offset = record.offset,
            parked.reason = reason,
            "a record cannot be read and is parked"
        );
        ParkedRow {
            topic: self.source.topic.to_string(),
            partition: self.source.partition,
            position,
            offset: record.offset,
            timeline: self.timeline.0,
            recorded_at: record.time,
            reason,
            key: hex(&record.key),
            envelope: hex(&record.envelope),
            payload: hex(&record.payload),
        }
    }
}

/// Whether a payload's schema is newer than this program. Such a record is whole; only its reader must be renewed.
pub(crate) fn is_newer(error: &CodecError) -> bool {
    static NEWEST: LazyLock<SchemaId> =
        LazyLock::new(|| schemas::locked_schemas().map(|(id, _)| id).max().unwrap_or(SchemaId(0)));
    matches!(error, CodecError::UnknownSchema(id) if *id > *NEWEST)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing into a String does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
