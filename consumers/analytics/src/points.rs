//! Batches of metric points become rows.

use crate::{
    batch::{Batches, month},
    reader::{Place, is_newer},
};
use analytics::tables::MetricRow;
use log::Record;
use schemas::{CodecError, envelope::Envelope, telemetry::MetricPoints};

/// Reads records of the metrics topic. Nobody numbers them, so their offset is their place.
pub(crate) fn read(place: &Place, records: &[Record]) -> Batches {
    let mut batches = Batches::default();
    for record in records {
        match decode(record) {
            Ok((envelope, points)) => match month(envelope.recorded_at) {
                Some(month) => batches.at(month, record.offset).points.extend(rows(place, record, &envelope, points)),
                None => {
                    let reason = "envelope: recorded_at is out of its range".to_owned();
                    batches.park(place.parked(record, record.offset + 1, reason), record.offset);
                }
            },
            Err(error) if is_newer(&error) => {
                batches.paused = Some(error.to_string());
                return batches;
            }
            Err(error) => batches.park(place.parked(record, record.offset + 1, error.to_string()), record.offset),
        }
    }
    batches
}

fn decode(record: &Record) -> Result<(Envelope, MetricPoints), CodecError> {
    let envelope = Envelope::decode(&record.envelope)?;
    let points = <MetricPoints as schemas::Message>::decode(&envelope.r#type, &record.payload)?;
    Ok((envelope, points))
}

fn rows<'a>(
    place: &'a Place,
    record: &'a Record,
    envelope: &'a Envelope,
    batch: MetricPoints,
) -> impl Iterator<Item = MetricRow> + 'a {
    let MetricPoints { source, batch_id, points } = batch;
    (0..).zip(points).map(move |(row, point)| MetricRow {
        tenant: envelope.tenant.clone(),
        source: source.clone(),
        job_id: point.job_id,
        name: point.name,
        step: point.step,
        value: point.value,
        at: point.at,
        recorded_at: envelope.recorded_at,
        topic: place.source.topic.to_string(),
        partition: place.source.partition,
        offset: record.offset,
        row,
        timeline: place.timeline.0,
        batch_id,
    })
}
