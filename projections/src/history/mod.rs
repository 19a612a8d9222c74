//! `history`: every event of every aggregate, with the bytes that the log holds.
//!
//! It answers for the history of an aggregate, for its state at any moment, and for streams that catch up. Payloads are
//! not decoded, so that events of types this program does not know are kept too. A row never changes; two events with
//! the same number of the same aggregate would be two different facts with one key, which the store refuses.

#[cfg(test)]
mod specs;

use bytes::Bytes;
use schemas::{CodecError, Entry, Facts, Recorded, Row, Stream, Subset, Unfit, row::Time};
use std::sync::Arc;

/// An event of any type, undecoded.
#[derive(Debug, Clone)]
pub struct AnyEvent {
    /// The payload in the Confluent wire format.
    pub payload: Bytes,
    /// Topic and partition that it stands in, as far as they are known.
    pub place: Option<(Arc<str>, u32)>,
}

impl Subset for AnyEvent {
    const STREAMS: &'static [Stream] = &[Stream::Events];

    fn reads(_: &str) -> bool {
        true
    }

    fn decode(_: &str, wire: &[u8]) -> Result<Self, CodecError> {
        Ok(Self { payload: Bytes::copy_from_slice(wire), place: None })
    }
}

/// An event as it stands in the log.
#[derive(Debug, Clone, PartialEq, Row)]
#[row(table = "history")]
pub struct Event {
    /// Type of the aggregate: `job`.
    #[row(key)]
    pub aggregate_type: String,
    /// Identity of the aggregate.
    #[row(key)]
    pub aggregate_id: String,
    /// Place in the history of the aggregate, from 1 without gaps.
    #[row(key)]
    pub seq: i64,
    /// Place in the partition, from 1 without gaps.
    pub position: i64,
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i64,
    /// Full name of its schema: `work.JobSubmitted`.
    pub r#type: String,
    /// Identity of the event.
    pub event_id: String,
    /// The command that caused it.
    pub command_id: String,
    /// The record that caused it.
    pub causation_id: String,
    /// The first record of the conversation.
    pub correlation_id: String,
    /// Who did it.
    pub actor: String,
    /// When it happened, as the client says.
    pub occurred_at: Option<Time>,
    /// When it was recorded.
    pub recorded_at: Time,
    /// Number of its schema in the registry.
    pub schema_id: i64,
    /// The payload in the Confluent wire format.
    pub payload: Vec<u8>,
}

/// The read model.
#[derive(Debug)]
pub enum History {}

impl Facts for History {
    const NAME: &'static str = "history";
    const VERSION: u32 = 1;
    type Event = AnyEvent;
    type Row = Event;

    fn read(entry: &Entry) -> Result<AnyEvent, CodecError> {
        Ok(AnyEvent { payload: entry.payload.clone(), place: Some((entry.topic.clone(), entry.partition)) })
    }

    fn rows(event: &Recorded<AnyEvent>, out: &mut Vec<Event>) -> Result<(), Unfit> {
        let Some((topic, partition)) = &event.message.place else {
            return Err(Unfit("where the event stands in the log is not known".to_owned()));
        };
        let envelope = &event.envelope;
        out.push(Event {
            aggregate_type: envelope.aggregate_type.clone(),
            aggregate_id: envelope.aggregate_id.clone(),
            seq: envelope.seq,
            position: envelope.position,
            topic: topic.as_ref().to_owned(),
            partition: i64::from(*partition),
            r#type: envelope.r#type.clone(),
            event_id: envelope.id.to_string(),
            command_id: envelope.command_id.to_string(),
            causation_id: envelope.causation_id.to_string(),
            correlation_id: envelope.correlation_id.to_string(),
            actor: envelope.actor.clone(),
            occurred_at: envelope.occurred_at.map(Time),
            recorded_at: Time(envelope.recorded_at),
            schema_id: i64::from(envelope.schema_id),
            payload: event.message.payload.to_vec(),
        });
        Ok(())
    }
}
