//! How many records a partition has, and which places they take.

use crate::{
    chunk::Reading,
    code::Code,
    finding::{Finding, Findings, Place},
    report::PartitionReport,
};
use log::{Offset, Record, Source};

/// What is counted of a partition, and what was found in it.
pub(crate) struct Census {
    pub source: Source,
    /// Name of the partition, as findings say it.
    pub part: String,
    pub findings: Findings,
    pub records: u64,
    pub unreadable: u64,
    pub first: Option<u64>,
    pub last: Option<u64>,
    /// Offset of the first record; above 0 the oldest were removed.
    pub first_offset: Option<u64>,
    /// recorded_at of the first record that has one.
    pub since: Option<i64>,
    /// recorded_at of the last record.
    recorded_at: i64,
}

impl Census {
    pub(crate) fn new(source: Source, limit: u64) -> Self {
        let (part, findings) = (source.to_string(), Findings::new(limit));
        let (records, unreadable, first, last, first_offset, since) = (0, 0, None, None, None, None);
        Self { source, part, findings, records, unreadable, first, last, first_offset, since, recorded_at: i64::MIN }
    }

    /// Counts a record.
    pub(crate) fn record(&mut self, record: &Record) {
        self.records += 1;
        self.first_offset.get_or_insert(record.offset);
    }

    /// Notes the place of one that can be read.
    pub(crate) fn place(&mut self, place: u64) {
        self.first.get_or_insert(place);
        self.last = self.last.max(Some(place));
    }

    /// Time of a record by the writer: never before that of the record before it.
    pub(crate) fn time(&mut self, record: &Record, position: Option<u64>, recorded_at: i64) {
        if recorded_at < self.recorded_at {
            let last = self.recorded_at;
            self.found(Code::TimeBackwards, record, position, || {
                (format!("recorded at {last} µs or later"), format!("{recorded_at} µs"))
            });
        }
        self.since.get_or_insert(recorded_at);
        self.recorded_at = self.recorded_at.max(recorded_at);
    }

    /// A record whose envelope cannot be read here.
    pub(crate) fn unreadable(&mut self, record: &Record, reading: &Reading) {
        self.unreadable += 1;
        let (code, reason) = match reading {
            Reading::Newer(schema) => (Code::NewerSchema, format!("schema id {schema} is newer than this program")),
            Reading::Broken(reason) => (Code::EnvelopeUnreadable, reason.clone()),
            Reading::Entry(_) => return,
        };
        self.found(code, record, None, || ("an envelope".to_owned(), reason));
    }

    /// Adds a finding at a record; what it says is only written while it is listed.
    pub(crate) fn found(&mut self, code: Code, record: &Record, position: Option<u64>, says: impl FnOnce() -> (String, String)) {
        if self.findings.count(&self.part, code) {
            let (expected, found) = says();
            let place =
                Place { position, ..Place::part(&self.part).offset(record.offset).key(String::from_utf8_lossy(&record.key)) };
            self.findings.list(Finding::new(code, place, expected, found));
        }
    }

    /// Whether the oldest records are gone, or all of those before `end`.
    pub(crate) fn is_truncated(&self, end: Offset) -> bool {
        self.first_offset.unwrap_or(end) > 0
    }

    /// What was counted; what is found in the partition may not be complete yet.
    pub(crate) fn report(&self) -> PartitionReport {
        PartitionReport {
            topic: self.source.topic.to_string(),
            partition: self.source.partition,
            records: self.records,
            unreadable: self.unreadable,
            first: self.first,
            last: self.last,
            errors: 0,
        }
    }
}
