//! The records of a batch while it grows. All bytes stand in one buffer that they share in the end.

use crate::{GROUP, state::Context};
use bytes::Bytes;
use log::{Append, Consumed, Offset, Source, Transaction};
use schemas::{CodecError, SchemaId, Stream, envelope::Envelope};
use std::ops::Range;

/// Where the payload of a record is.
#[derive(Debug, Clone)]
pub(crate) enum Payload {
    /// In the buffer.
    Buffered(Range<usize>),
    /// It was read from the log.
    Stored(Bytes),
}

#[derive(Debug)]
struct Pending {
    /// Number of the context, and which of its topics.
    place: (usize, Stream),
    key: Bytes,
    envelope: Range<usize>,
    payload: Payload,
    time: i64,
}

#[derive(Debug)]
pub(crate) struct Records(Vec<Pending>);

impl Records {
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self(Vec::with_capacity(capacity))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The payload of a record of this batch.
    pub(crate) fn payload(&self, record: usize) -> Option<&Payload> {
        self.0.get(record).map(|record| &record.payload)
    }

    /// Context and stream of each record, in order.
    pub(crate) fn places(&self) -> impl Iterator<Item = (usize, Stream)> {
        self.0.iter().map(|record| record.place)
    }

    /// Says in the envelope what the payload is, and writes it into the buffer.
    pub(crate) fn append(
        &mut self,
        place: (usize, Stream),
        key: &Bytes,
        envelope: &mut Envelope,
        (name, schema): (&str, SchemaId),
        payload: Payload,
        buffer: &mut Vec<u8>,
    ) -> Result<(), CodecError> {
        envelope.r#type.clear();
        envelope.r#type.push_str(name);
        envelope.schema_id = i32::try_from(schema.0).unwrap_or(i32::MAX);
        let start = buffer.len();
        envelope.encode(buffer)?;
        let time = envelope.recorded_at;
        self.0.push(Pending { place, key: key.clone(), envelope: start..buffer.len(), payload, time });
        Ok(())
    }

    /// What to commit: the records in order, and the next command to consume of each context that had any.
    pub(crate) fn into_transaction(self, buffer: Vec<u8>, contexts: &[Context], consumed: &[Option<Offset>]) -> Transaction {
        let buffer = Bytes::from(buffer);
        let source = |(context, stream): (usize, Stream)| -> Option<Source> {
            let context = contexts.get(context)?;
            Some(match stream {
                Stream::Commands => context.commands.clone(),
                Stream::Events => context.events.clone(),
                Stream::Results => context.results.clone(),
            })
        };
        let append = self.0.into_iter().filter_map(|Pending { place, key, envelope, payload, time }| {
            let payload = match payload {
                Payload::Buffered(range) => buffer.slice(range),
                Payload::Stored(bytes) => bytes,
            };
            Some(Append { source: source(place)?, key, envelope: buffer.slice(envelope), payload, time })
        });
        let moved = consumed.iter().enumerate().filter_map(|(context, next)| {
            Some(Consumed { group: GROUP.into(), source: source((context, Stream::Commands))?, next: (*next)? })
        });
        Transaction { append: append.collect(), consumed: moved.collect() }
    }
}
