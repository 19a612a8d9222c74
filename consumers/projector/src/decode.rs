//! Bytes of the log become entries. Pure; a record that is no entry is kept as it is, with the reason.

use bytes::Bytes;
use log::{Offset, Record, Source};
use schemas::{Entry, SchemaId, envelope::Envelope};
use std::sync::Arc;

/// A stretch of a source. Reading on at `next` leaves nothing out.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Chunk {
    pub from: Offset,
    pub next: Offset,
    pub items: Vec<Item>,
    /// The record at `next` has an envelope that a newer program could read.
    pub newer: Option<SchemaId>,
}

/// A record.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Item {
    pub offset: Offset,
    pub read: Result<Entry, Box<Broken>>,
}

/// A record whose envelope cannot be read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Broken {
    pub key: Bytes,
    pub envelope: Bytes,
    pub payload: Bytes,
    pub reason: String,
}

/// Whether the writer numbers the records of a topic without gaps.
pub(crate) fn is_dense(topic: &str) -> bool {
    topic.ends_with(".events")
}

/// Decodes what was read from `source` at `from`.
pub(crate) fn decode(source: &Source, from: Offset, records: Vec<Record>) -> Chunk {
    let dense = is_dense(&source.topic);
    let mut chunk = Chunk { from, next: from, items: Vec::with_capacity(records.len()), newer: None };
    for Record { offset, key, envelope, payload, .. } in records {
        chunk.next = offset + 1;
        let read = match Envelope::decode(&envelope) {
            Ok(known) => {
                // A negative position follows nothing and is found out as a double.
                let position = if dense { u64::try_from(known.position).unwrap_or(0) } else { offset + 1 };
                let (topic, partition) = (source.topic.clone(), source.partition);
                Ok(Entry { topic, partition, position, envelope: Arc::new(known), envelope_bytes: envelope, payload })
            }
            Err(error) => match error.newer_schema() {
                Some(schema) => {
                    chunk.next = offset;
                    chunk.newer = Some(schema);
                    break;
                }
                None => Err(Box::new(Broken { key, envelope, payload, reason: format!("the envelope: {error}") })),
            },
        };
        chunk.items.push(Item { offset, read });
    }
    chunk
}

impl Chunk {
    /// The place of the first item at or behind `offset`, if `offset` lies in this stretch and an item is left.
    pub fn place(&self, offset: Offset) -> Option<usize> {
        let place = self.items.partition_point(|item| item.offset < offset);
        (self.from <= offset && place < self.items.len()).then_some(place)
    }
}

impl Broken {
    /// Key of the aggregate, if the record's key is one.
    pub fn aggregate(&self) -> Option<&str> {
        let key = std::str::from_utf8(&self.key).ok()?;
        (key.split('/').filter(|part| !part.is_empty()).count() == 3 && key.matches('/').count() == 2).then_some(key)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

    use super::*;
    use schemas::{locked_schemas, spec::History, work::JobCancelled};

    fn source(topic: &str) -> Source {
        Source { topic: topic.into(), partition: 2 }
    }

    fn record(offset: Offset, envelope: impl Into<Bytes>) -> Record {
        Record { offset, time: 0, key: "t/job/a".into(), envelope: envelope.into(), payload: "p".into() }
    }

    fn envelope() -> Bytes {
        let event = JobCancelled { job_id: "a".into(), reason: None };
        History::new().event(event.clone()).event(event).entries()[1].envelope_bytes.clone()
    }

    #[test]
    fn events_have_the_writers_position_and_other_records_their_offset() {
        let position = |topic| decode(&source(topic), 5, vec![record(7, envelope())]).items[0].read.clone().unwrap().position;
        assert_eq!((position("work.events"), position("work.results")), (2, 8));
    }

    #[test]
    fn bytes_that_are_no_envelope_are_kept_with_the_reason() {
        let mut cut = envelope();
        cut.truncate(20);
        for bytes in [Bytes::new(), Bytes::from_static(b"\0\0\0\0\0"), Bytes::from_static(b"garbage"), cut] {
            let chunk = decode(&source("work.events"), 0, vec![record(0, bytes.clone()), record(1, envelope())]);
            let broken = chunk.items[0].read.clone().unwrap_err();
            assert_eq!((broken.envelope, broken.payload, chunk.next), (bytes, "p".into(), 2));
            assert!(chunk.items[1].read.is_ok());
        }
    }

    #[test]
    fn a_newer_envelope_ends_the_stretch_before_it() {
        let next = locked_schemas().map(|(id, _)| id.0).max().unwrap() + 1;
        let newer: Vec<u8> = [&[0][..], &next.to_be_bytes(), &[1, 2, 3]].concat();
        let chunk = decode(&source("work.events"), 3, vec![record(3, envelope()), record(5, newer), record(6, envelope())]);
        assert_eq!((chunk.items.len(), chunk.next, chunk.newer), (1, 5, Some(SchemaId(next))));
    }

    #[test]
    fn only_a_key_of_three_parts_names_an_aggregate() {
        let named = |key: &'static str| {
            let broken = Broken { key: key.into(), envelope: Bytes::new(), payload: Bytes::new(), reason: String::new() };
            broken.aggregate().map(str::to_owned)
        };
        assert_eq!(named("t/job/a").as_deref(), Some("t/job/a"));
        for key in ["", "t/job", "t//a", "t/job/a/b", "//"] {
            assert_eq!(named(key), None, "{key}");
        }
    }

    #[test]
    fn a_stretch_knows_where_to_go_on() {
        let chunk = decode(&source("work.results"), 3, vec![record(4, envelope()), record(8, envelope())]);
        assert_eq!([2, 3, 4, 5, 8, 9].map(|offset| chunk.place(offset)), [None, Some(0), Some(0), Some(1), Some(1), None]);
    }
}
