//! Events become rows.

use crate::{
    ConsumerError,
    batch::{Batches, month},
    payload,
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
        let payload = match payload::to_json(&record.payload) {
            Ok(payload) => payload,
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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use bytes::Bytes;
    use log::{Source, Timeline};
    use schemas::Message;
    use uuid::Uuid;

    /// The last microsecond of November 2026.
    const LAST: i64 = 1_796_083_199_999_999;

    fn place() -> Place {
        Place { source: Source { topic: "work.events".into(), partition: 0 }, timeline: Timeline(Uuid::nil()) }
    }

    fn record(position: i64, seq: i64, recorded_at: i64) -> Record {
        let message = schemas::work::JobRetried { job_id: "a".to_owned(), attempt: 1, reason: None };
        let envelope = Envelope {
            id: Uuid::nil(),
            tenant: "t".to_owned(),
            aggregate_type: "job".to_owned(),
            aggregate_id: "a".to_owned(),
            seq,
            position,
            timeline: Uuid::nil(),
            r#type: message.name().to_owned(),
            schema_id: 1,
            command_id: Uuid::nil(),
            causation_id: Uuid::nil(),
            correlation_id: Uuid::nil(),
            traceparent: None,
            actor: "a".to_owned(),
            occurred_at: None,
            recorded_at,
            expected_seq: -2,
            idempotent: false,
            body_hash: None,
        };
        let (mut bytes, mut payload) = (Vec::new(), Vec::new());
        envelope.encode(&mut bytes).unwrap();
        message.encode(&mut payload).unwrap();
        let offset = u64::try_from(position).unwrap_or(0);
        Record { offset, time: recorded_at, key: Bytes::new(), envelope: bytes.into(), payload: payload.into() }
    }

    #[test]
    fn a_batch_ends_with_the_month() {
        let records = [record(4, 1, LAST), record(5, 2, LAST), record(6, 3, LAST + 1)];
        let batches = read(&place(), "work", 4, &records).unwrap();
        let ranges: Vec<_> = batches.batches.iter().map(|b| (b.month, b.first, b.last, b.events.len())).collect();
        assert_eq!(ranges, [(202_611, 4, 5, 2), (202_612, 6, 6, 1)]);
        assert_eq!(batches.paused, None);
    }

    #[test]
    fn what_no_column_can_hold_is_parked_inside_its_range() {
        let mut broken = record(2, 1, LAST);
        broken.envelope = Bytes::from_static(b"x");
        let records = [record(1, -1, LAST), broken, record(3, 1, i64::MAX), record(4, 1, LAST)];
        let batches = read(&place(), "work", 1, &records).unwrap().batches;
        let [batch] = batches.as_slice() else { panic!("{batches:?}") };
        assert_eq!((batch.first, batch.last, batch.events.len()), (1, 4, 1));
        assert_eq!(batch.parked.iter().map(|row| row.position).collect::<Vec<_>>(), [1, 2, 3]);
    }

    #[test]
    fn holes_and_doubles_are_named() {
        for (found, expected) in [(3, 2), (1, 2)] {
            let hole = read(&place(), "work", 1, &[record(1, 1, LAST), record(found, 2, LAST)]).unwrap_err();
            assert!(matches!(hole, ConsumerError::Hole { expected: e, found: f, .. } if (e, f) == (expected, found)), "{hole}");
        }
    }

    #[test]
    fn a_newer_schema_ends_what_is_read() {
        let mut newer = record(2, 1, LAST);
        newer.payload = Bytes::from_static(b"\0\0\x0f\xff\xffnew");
        let batches = read(&place(), "work", 1, &[record(1, 1, LAST), newer, record(3, 2, LAST)]).unwrap();
        assert_eq!(batches.batches.iter().map(|batch| batch.last).collect::<Vec<_>>(), [1]);
        assert!(batches.paused.is_some_and(|reason| reason.contains("newer")));
    }
}
