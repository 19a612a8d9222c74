//! A stretch of a partition, decoded once for everybody who looks at it. Pure.

use log::{Offset, Record, Source};
use schemas::{Entry, SchemaId, envelope::Envelope};
use std::sync::Arc;

/// What became of an envelope.
#[derive(Debug)]
pub(crate) enum Reading {
    /// It is that of the entry with this number.
    Entry(usize),
    /// A newer program can read it.
    Newer(SchemaId),
    /// Nobody can, for this reason.
    Broken(String),
}

/// Records in the order of the log, and their entries.
pub(crate) struct Chunk {
    pub source: Source,
    pub records: Vec<(Record, Reading)>,
    pub entries: Vec<Entry>,
    /// Offset of the next record.
    pub next: Offset,
}

/// Whether the writer numbers the records of a topic.
pub(crate) fn is_numbered(topic: &str) -> bool {
    topic.ends_with(".events")
}

impl Chunk {
    /// Decodes the envelopes.
    pub(crate) fn decode(source: &Source, from: Offset, records: Vec<Record>) -> Self {
        let numbered = is_numbered(&source.topic);
        let next = records.last().map_or(from, |last| last.offset + 1);
        let mut entries = Vec::with_capacity(records.len());
        let read = |record: Record| {
            let reading = match Envelope::decode(&record.envelope) {
                Ok(envelope) => {
                    // A negative position follows nothing and is found out as a double.
                    let position = if numbered { u64::try_from(envelope.position).unwrap_or(0) } else { record.offset + 1 };
                    entries.push(Entry {
                        topic: source.topic.clone(),
                        partition: source.partition,
                        position,
                        envelope: Arc::new(envelope),
                        envelope_bytes: record.envelope.clone(),
                        payload: record.payload.clone(),
                    });
                    Reading::Entry(entries.len() - 1)
                }
                Err(error) => error.newer_schema().map_or_else(|| Reading::Broken(error.to_string()), Reading::Newer),
            };
            (record, reading)
        };
        let records = records.into_iter().map(read).collect();
        Self { source: source.clone(), records, entries, next }
    }

    /// Every record with its entry, or why it has none.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Record, Result<&Entry, &Reading>)> {
        self.records.iter().map(|(record, reading)| match reading {
            Reading::Entry(number) => (record, self.entries.get(*number).ok_or(reading)),
            other => (record, Err(other)),
        })
    }
}
