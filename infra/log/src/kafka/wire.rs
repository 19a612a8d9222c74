//! Records as Kafka messages: CloudEvents in binary mode, for readers who know nothing of us, and what is ours.
//!
//! The value is the payload. Header `swarmlog_envelope` holds the envelope as it was given and `swarmlog_time` the time in
//! microseconds (Kafka keeps milliseconds); they come first. The `ce_` headers and `traceparent` repeat the envelope in
//! text and are not read here. A message from outside has an empty envelope, which its readers park.

use crate::{Append, Record};
use bytes::{Bytes, BytesMut};
use rdkafka::{
    Message,
    message::{BorrowedMessage, Header, Headers, OwnedHeaders},
    producer::BaseRecord,
    util::IntoOpaque,
};
use schemas::envelope::Envelope;
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

const ENVELOPE: &str = "swarmlog_envelope";
const TIME: &str = "swarmlog_time";

/// A message to send.
pub(super) struct Outgoing {
    pub topic: Arc<str>,
    pub partition: i32,
    pub key: Bytes,
    pub payload: Bytes,
    /// Microseconds.
    pub time: i64,
    pub headers: Option<OwnedHeaders>,
}

impl Outgoing {
    /// The message of a record, to the topic of that full name.
    pub(super) fn new(topic: Arc<str>, append: Append, time: i64) -> Self {
        let headers = Some(headers(&append.envelope, time));
        let partition = append.source.partition.cast_signed();
        Self { topic, partition, key: append.key, payload: append.payload, time, headers }
    }

    /// A message with nothing but key and value.
    pub(super) fn plain(topic: &str, key: String, payload: String, time: i64) -> Self {
        Self { topic: topic.into(), partition: 0, key: key.into(), payload: payload.into(), time, headers: None }
    }

    /// Bytes that it takes in memory, about.
    pub(super) fn size(&self) -> usize {
        self.key.len() + self.payload.len() + 1024
    }

    /// As librdkafka takes it, with its headers.
    pub(super) fn record<D: IntoOpaque>(&mut self, opaque: D) -> BaseRecord<'_, [u8], [u8], D> {
        let headers = self.headers.take();
        let record = BaseRecord::with_opaque_to(&self.topic, opaque)
            .partition(self.partition)
            .key(&self.key[..])
            .payload(&self.payload[..])
            // To librdkafka 0 means now.
            .timestamp((self.time / 1000).max(1));
        BaseRecord { headers, ..record }
    }
}

fn headers(envelope: &[u8], time: i64) -> OwnedHeaders {
    let mut headers = OwnedHeaders::new_with_capacity(10)
        .insert(Header { key: ENVELOPE, value: Some(envelope) })
        .insert(Header { key: TIME, value: Some(&time.to_string()) });
    let Ok(known) = Envelope::decode(envelope) else { return headers };
    let (id, recorded) = (known.id.to_string(), schemas::json::time(known.recorded_at));
    let (source, time) = (format!("/{}/{}", known.tenant, known.aggregate_type), recorded.as_str().unwrap_or_default());
    for (key, value) in [
        ("ce_specversion", "1.0"),
        ("ce_id", &id),
        ("ce_source", &source),
        ("ce_type", &known.r#type),
        ("ce_time", time),
        ("ce_subject", &known.aggregate_id),
        ("content-type", "application/avro"),
    ] {
        headers = headers.insert(Header { key, value: Some(value) });
    }
    match &known.traceparent {
        Some(trace) => headers.insert(Header { key: "traceparent", value: Some(trace) }),
        None => headers,
    }
}

/// The record of a message.
pub(super) fn record(message: &BorrowedMessage<'_>) -> Record {
    // Names of headers that are not UTF-8 make the library panic; ours come first, so this concerns foreign messages.
    let ours = catch_unwind(AssertUnwindSafe(|| ours(message))).unwrap_or_default();
    let (key, payload) = (message.key().unwrap_or_default(), message.payload().unwrap_or_default());
    let mut bytes = BytesMut::with_capacity(key.len() + ours.envelope.len() + payload.len());
    bytes.extend_from_slice(key);
    bytes.extend_from_slice(ours.envelope);
    bytes.extend_from_slice(payload);
    let mut bytes = bytes.freeze();
    let created = message.timestamp().to_millis().unwrap_or_default().saturating_mul(1000);
    Record {
        offset: offset(message.offset()),
        time: ours.time.unwrap_or(created),
        key: bytes.split_to(key.len()),
        envelope: bytes.split_to(ours.envelope.len()),
        payload: bytes,
    }
}

#[derive(Default)]
struct Ours<'a> {
    envelope: &'a [u8],
    time: Option<i64>,
}

fn ours<'a>(message: &'a BorrowedMessage<'_>) -> Ours<'a> {
    let Some(headers) = message.headers() else { return Ours::default() };
    let value = |place, key| headers.try_get(place).filter(|header| header.key == key).and_then(|header| header.value);
    let Some(envelope) = value(0, ENVELOPE) else { return Ours::default() };
    let time = value(1, TIME).and_then(|time| std::str::from_utf8(time).ok()?.parse().ok());
    Ours { envelope, time }
}

/// An offset of librdkafka, which is never negative where this is used.
pub(super) fn offset(raw: i64) -> u64 {
    u64::try_from(raw).unwrap_or_default()
}

/// An offset for librdkafka.
pub(super) fn raw(offset: u64) -> i64 {
    i64::try_from(offset).unwrap_or(i64::MAX)
}
