//! Records that wait for their file, and when a file is full.
//!
//! Positions come from the envelopes and must be dense. A record whose envelope cannot be read says nothing: it waits
//! for the next readable one, which tells whether the writer had numbered it (then it takes the next position) or
//! somebody else had slipped it in (then it takes the place of the record before it and is kept all the same).

use crate::{ArchiveError, ArchivedRecord};
use log::{Record, Source};
use schemas::envelope::Envelope;
use std::time::{Duration, Instant};

/// When a file is closed.
#[derive(Debug, Clone, Copy)]
pub struct Roll {
    /// Once it has this many records,
    pub records: usize,
    /// or this many bytes of keys, envelopes and payloads,
    pub bytes: usize,
    /// or once its first record has waited this long.
    pub age: Duration,
}

impl Default for Roll {
    fn default() -> Self {
        Self { records: 10_000, bytes: 8 << 20, age: Duration::from_secs(60) }
    }
}

/// The records of one partition that are read and not yet archived.
#[derive(Debug)]
pub(crate) struct Waiting {
    source: Source,
    /// The last position that is archived.
    archived: u64,
    records: Vec<ArchivedRecord>,
    unreadable: Vec<ArchivedRecord>,
    bytes: usize,
    since: Option<Instant>,
}

impl Waiting {
    pub fn after(source: Source, archived: u64) -> Self {
        Self { source, archived, records: Vec::new(), unreadable: Vec::new(), bytes: 0, since: None }
    }

    /// The first position of the next file.
    pub fn first(&self) -> u64 {
        self.archived + 1
    }

    /// The records that can be archived.
    pub fn records(&self) -> &[ArchivedRecord] {
        &self.records
    }

    /// Takes the next record of the log.
    pub fn push(&mut self, record: Record, roll: &Roll) -> Result<(), ArchiveError> {
        let numbered = position(&record);
        let Record { offset, time, key, envelope, payload } = record;
        let mut record = ArchivedRecord { position: 0, offset, time, key, envelope, payload };
        self.since.get_or_insert_with(Instant::now);
        self.bytes += record.size();
        match numbered {
            Some(position) => {
                self.number_unreadable(position)?;
                record.position = position;
                self.records.push(record);
            }
            None => {
                self.unreadable.push(record);
                // So many in a row that they cannot wait for the next: the writer numbers whatever it appends.
                if self.unreadable.len() >= roll.records || self.bytes >= roll.bytes {
                    self.number_unreadable(self.last() + 1 + self.unreadable.len() as u64)?;
                }
            }
        }
        Ok(())
    }

    /// Gives the unreadable records their places before the record that has `next`.
    fn number_unreadable(&mut self, next: u64) -> Result<(), ArchiveError> {
        let last = self.last();
        let unread = self.unreadable.len() as u64;
        if next <= last {
            return Err(ArchiveError::diverged(
                &self.source,
                format!("position {next} comes again after {last}; the log is damaged or has two writers"),
            ));
        }
        if next > last + 1 + unread {
            return Err(ArchiveError::diverged(
                &self.source,
                format!("position {next} follows {last}, what lies between is missing; the log is damaged"),
            ));
        }
        for (place, mut record) in (last + 1..).zip(self.unreadable.drain(..)) {
            record.position = place.min(next - 1);
            self.records.push(record);
        }
        Ok(())
    }

    fn last(&self) -> u64 {
        self.records.last().map_or(self.archived, |record| record.position)
    }

    /// Whether the file must be closed now.
    pub fn is_full(&self, roll: &Roll) -> bool {
        !self.records.is_empty() && (self.records.len() >= roll.records || self.bytes >= roll.bytes)
    }

    /// How long the file may still wait; none if nothing waits that could be archived.
    pub fn due_in(&self, roll: &Roll) -> Option<Duration> {
        let since = self.since.filter(|_| !self.records.is_empty())?;
        Some(roll.age.saturating_sub(since.elapsed()))
    }

    /// What waited is archived.
    pub fn archived(&mut self) {
        self.archived = self.last();
        self.records.clear();
        self.bytes = self.unreadable.iter().map(ArchivedRecord::size).sum();
        self.since = (!self.unreadable.is_empty()).then(Instant::now);
    }
}

/// The position that the writer gave to a record; none if it does not say.
pub(crate) fn position(record: &Record) -> Option<u64> {
    position_in(&record.envelope)
}

/// The position that an encoded envelope tells.
pub(crate) fn position_in(envelope: &[u8]) -> Option<u64> {
    let envelope = Envelope::decode(envelope).ok()?;
    u64::try_from(envelope.position).ok().filter(|position| *position > 0)
}
