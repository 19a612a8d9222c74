//! Records as they come from the log.

use crate::envelope::Envelope;
use bytes::Bytes;
use std::sync::Arc;

/// A message with what surrounds it.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded<M> {
    /// Who, what, where, when and why.
    pub envelope: Arc<Envelope>,
    /// The message.
    pub message: M,
}

/// A record whose envelope is known and whose payload is not decoded yet.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Topic it came from: `work.events`.
    pub topic: Arc<str>,
    /// Partition it came from.
    pub partition: u32,
    /// Place in the partition, from 1: the envelope's position of an event, else offset + 1.
    pub position: u64,
    /// Who, what, where, when and why.
    pub envelope: Arc<Envelope>,
    /// The encoded envelope, as it stands in the log.
    pub envelope_bytes: Bytes,
    /// The payload in the Confluent wire format.
    pub payload: Bytes,
}

impl Envelope {
    /// Key of the aggregate: `tenant/type/id`.
    pub fn key(&self) -> String {
        crate::key(&self.tenant, &self.aggregate_type, &self.aggregate_id)
    }
}
