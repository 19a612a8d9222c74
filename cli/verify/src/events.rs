//! Events: every record by itself, and every record against its neighbours.
//!
//! What a single pass cannot tell (seqs of an aggregate, ids, commands with events in two places) leaves marks, which
//! are judged once they are sorted. Pure but for the temporary files of the marks.

use crate::{
    census::Census,
    chunk::{Chunk, Reading},
    code::Code,
    error::VerifyError,
    exchange::events_mark,
    marks::{Mark, Marks, fingerprint},
    numbering::Numbering,
    pass::Looker,
    tables::Watch,
};
use log::{Record, Source};
use schemas::{Entry, SchemaKind};

/// Looks at a partition of events.
pub(crate) struct Events {
    pub census: Census,
    pub numbering: Numbering,
    /// By aggregate: its seqs, in the order of their offsets.
    pub seqs: Marks,
    /// By command and key: where its events begin.
    pub runs: Marks,
    /// By event id: where it stands. Of all partitions.
    pub ids: Marks,
    /// What ClickHouse should hold of it.
    pub watch: Option<Watch>,
    context: String,
    partitions: u32,
    /// Number of this partition among all that leave ids.
    number: u64,
    /// Command and key of the last event.
    run: Option<u128>,
}

/// So many bits of an id's order are the offset.
pub(crate) const OFFSET_BITS: u32 = 48;

impl Events {
    pub(crate) fn new(source: Source, partitions: u32, number: u64, ids: Marks, watch: Option<Watch>, limit: u64) -> Self {
        let context = source.topic.split('.').next().unwrap_or_default().to_owned();
        let census = Census::new(source, limit);
        let (numbering, seqs, runs) = (Numbering::default(), Marks::default(), Marks::default());
        Self { census, numbering, seqs, runs, ids, watch, context, partitions, number, run: None }
    }

    fn event(&mut self, record: &Record, entry: &Entry) -> Result<(), VerifyError> {
        let (position, envelope) = (entry.position, &entry.envelope);
        let at = Some(position);
        if let Err(fault) = self.numbering.take(position) {
            let says = || (format!("position {}", fault.expected), format!("position {position}"));
            self.census.found(fault.code, record, at, says);
        }
        self.census.place(position);
        self.census.time(record, at, envelope.recorded_at);
        let key = envelope.key();
        if record.key != key.as_bytes() {
            self.census.found(Code::KeyDiffers, record, at, || (format!("key {key}"), "the record's key".to_owned()));
        }
        let home = schemas::partition(&record.key, self.partitions);
        if home != self.census.source.partition {
            let stands = self.census.source.partition;
            self.census.found(Code::WrongPartition, record, at, || (format!("partition {home}"), format!("partition {stands}")));
        }
        if let Err((code, reason)) = readable(entry, SchemaKind::Event, &self.context) {
            self.census.found(code, record, at, || (format!("an event {}", envelope.r#type), reason));
        }
        if let Some(watch) = &mut self.watch {
            watch.event(position, envelope.id);
        }
        self.seqs.push(Mark {
            what: fingerprint(&[key.as_bytes()]),
            order: record.offset,
            says: envelope.seq.cast_unsigned(),
        })?;
        let order = self.number << OFFSET_BITS | record.offset;
        self.ids.push(Mark { what: envelope.id.as_u128(), order, says: position })?;
        let run = events_mark(envelope.command_id, &record.key, record.offset, envelope.recorded_at);
        if self.run.replace(run.what) != Some(run.what) {
            self.runs.push(run)?;
        }
        Ok(())
    }
}

impl Looker for Events {
    fn look(&mut self, chunk: &Chunk) -> Result<(), VerifyError> {
        for (record, read) in chunk.iter() {
            self.census.record(record);
            match read {
                Ok(entry) => self.event(record, entry)?,
                Err(reading @ (Reading::Newer(_) | Reading::Broken(_) | Reading::Entry(_))) => {
                    self.numbering.take_unreadable();
                    self.census.unreadable(record, reading);
                }
            }
        }
        Ok(())
    }
}

/// Whether the production decoder reads the payload as what the envelope says it is.
pub(crate) fn readable(entry: &Entry, kind: SchemaKind, context: &str) -> Result<(), (Code, String)> {
    let name = entry.envelope.r#type.as_str();
    let broken = |reason: String| (Code::PayloadUnreadable, reason);
    let told = |error: schemas::CodecError| match error.newer_schema() {
        Some(_) => (Code::NewerSchema, error.to_string()),
        None => broken(error.to_string()),
    };
    let (schema, _) = schemas::codec::split(&entry.payload).map_err(told)?;
    if u32::try_from(entry.envelope.schema_id) != Ok(schema.0) {
        return Err(broken(format!("its envelope says schema id {}, its payload {schema}", entry.envelope.schema_id)));
    }
    match schemas::schema(name) {
        Some(info) if info.kind == kind && (info.context == context || kind == SchemaKind::Result) => {
            (info.recode)(&entry.payload).map(drop).map_err(told)
        }
        Some(_) => Err(broken(format!("a record of the type {name} does not belong into this topic"))),
        None => {
            // The number tells whether the type is newer or nobody's.
            let unknown = told(schemas::CodecError::UnknownSchema(schema));
            Err(if unknown.0 == Code::NewerSchema { unknown } else { broken(format!("nobody knows the type {name}")) })
        }
    }
}

/// A number of an aggregate that does not follow the one before it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SeqFault {
    pub code: Code,
    pub offset: u64,
    pub expected: i64,
    pub found: i64,
}

/// Goes through sorted seqs: those of an aggregate are 1, 2, 3 and so on.
#[derive(Debug, Default)]
pub(crate) struct Seqs {
    aggregate: Option<u128>,
    last: i64,
}

impl Seqs {
    pub(crate) fn see(&mut self, mark: Mark) -> Option<SeqFault> {
        if self.aggregate.replace(mark.what) != Some(mark.what) {
            self.last = 0;
        }
        let (expected, found) = (self.last + 1, mark.says.cast_signed());
        self.last = self.last.max(found);
        let code = if found > expected { Code::SeqGap } else { Code::SeqDouble };
        (found != expected).then_some(SeqFault { code, offset: mark.order, expected, found })
    }
}

/// Goes through sorted marks and answers the pairs of neighbours that are about the same.
#[derive(Debug, Default)]
pub(crate) struct Pairs(Option<Mark>);

impl Pairs {
    pub(crate) fn see(&mut self, mark: Mark) -> Option<(Mark, Mark)> {
        let before = self.0.replace(mark).filter(|before| before.what == mark.what)?;
        Some((before, mark))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(marks: &[(u128, i64)]) -> Vec<(Code, u64, i64, i64)> {
        let mut seqs = Seqs::default();
        let marks = (0..).zip(marks).map(|(order, (what, seq))| Mark { what: *what, order, says: seq.cast_unsigned() });
        marks.filter_map(|mark| seqs.see(mark)).map(|f| (f.code, f.offset, f.expected, f.found)).collect()
    }

    #[test]
    fn seqs_of_each_aggregate_are_contiguous_from_one() {
        assert_eq!(faults(&[(1, 1), (1, 2), (2, 1), (3, 1), (3, 2)]), []);
        assert_eq!(faults(&[(1, 1), (1, 3), (1, 4)]), [(Code::SeqGap, 1, 2, 3)]);
        assert_eq!(faults(&[(1, 2), (2, 1)]), [(Code::SeqGap, 0, 1, 2)]);
        assert_eq!(faults(&[(1, 1), (1, 2), (1, 2), (1, 3)]), [(Code::SeqDouble, 2, 3, 2)]);
        assert_eq!(faults(&[(1, 1), (1, -1), (1, 2)]), [(Code::SeqDouble, 1, 2, -1)]);
    }
}
