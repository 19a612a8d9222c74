//! Events become rows.

use crate::{
    ConsumerError,
    batch::{Batches, month},
    reader::{Place, is_newer},
};
use analytics::tables::EventRow;
use log::Record;
use schemas::{CodecError, envelope::Envelope};

/// Reads records of an events topic, of which the first must have the position `expected`.
pub(crate) fn read(place: &Place, context: &str, expected: u64, records: &[Record]) -> Result<Batches, ConsumerError> {
    let mut batches = Batches::default();
    for (position, record) in (expected..).zip(records) {
        let envelope = match Envelope::decode(&record.envelope) {
            Ok(envelope) => envelope,
            Err(error) if is_newer(&error) => return Ok(pause(batches, &error)),
            // Positions are dense, so it has the next.
            Err(error) => {
                batches.park(place.parked(record, position, format!("envelope: {error}")), position);
                continue;
            }
        };
        if u64::try_from(envelope.position) != Ok(position) {
            let found = envelope.position;
            return Err(ConsumerError::Hole { at: place.source.clone(), expected: position, found });
        }
        let payload = match schemas::json::payload(&record.payload) {
            Ok(payload) => payload.to_string(),
            Err(error) if is_newer(&error) => return Ok(pause(batches, &error)),
            Err(error) => {
                batches.park(place.parked(record, position, format!("payload: {error}")), position);
                continue;
            }
        };
        match (month(envelope.recorded_at), u64::try_from(envelope.seq), u32::try_from(envelope.schema_id)) {
            (Some(month), Ok(seq), Ok(schema_id)) => {
                let row = row(place, context, position, seq, schema_id, envelope, payload);
                batches.at(month, position).events.push(row);
            }
            _ => {
                let reason = "envelope: recorded_at, seq or schema_id is out of its range".to_owned();
                batches.park(place.parked(record, position, reason), position);
            }
        }
    }
    Ok(batches)
}

fn row(place: &Place, context: &str, position: u64, seq: u64, schema_id: u32, envelope: Envelope, payload: String) -> EventRow {
    EventRow {
        tenant: envelope.tenant,
        context: context.to_owned(),
        topic: place.source.topic.to_string(),
        partition: place.source.partition,
        position,
        timeline: envelope.timeline,
        event_id: envelope.id,
        r#type: envelope.r#type,
        aggregate_type: envelope.aggregate_type,
        aggregate_id: envelope.aggregate_id,
        seq,
        command_id: envelope.command_id,
        causation_id: envelope.causation_id,
        correlation_id: envelope.correlation_id,
        actor: envelope.actor,
        occurred_at: envelope.occurred_at,
        recorded_at: envelope.recorded_at,
        schema_id,
        payload,
    }
}

fn pause(mut batches: Batches, error: &CodecError) -> Batches {
    batches.paused = Some(error.to_string());
    batches
}
