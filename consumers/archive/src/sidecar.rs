//! The sidecar: what seals a file.

use crate::{ArchiveError, ArchivedRecord, Flaw, container::hex};
use bytes::Bytes;
use log::Source;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// What a file holds, written beside it once it is complete. Times are microseconds since 1970 UTC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sidecar {
    /// The log that the records come from.
    pub timeline: Uuid,
    /// Their topic.
    pub topic: String,
    /// Their partition.
    pub partition: u32,
    /// The first position in the file.
    pub first: u64,
    /// The last position in the file; the next file starts with the one after it.
    pub last: u64,
    /// How many records the file has: one for each position, and those that the writer did not number.
    pub count: u64,
    /// Offset of the last record in the log that it was read from; a hint, not an identity.
    pub last_offset: u64,
    /// When the first record was recorded.
    pub first_recorded_at: i64,
    /// When the last record was recorded.
    pub last_recorded_at: i64,
    /// Size of the file.
    pub bytes: u64,
    /// SHA-256 of the file, hexadecimal.
    pub sha256: String,
}

impl Sidecar {
    /// Describes a file; none if it has no record.
    pub(crate) fn of(timeline: Uuid, source: &Source, first: u64, records: &[ArchivedRecord], file: &[u8]) -> Option<Self> {
        let (opening, closing) = (records.first()?, records.last()?);
        Some(Self {
            timeline,
            topic: source.topic.to_string(),
            partition: source.partition,
            first,
            last: closing.position,
            count: records.len() as u64,
            last_offset: closing.offset,
            first_recorded_at: opening.time,
            last_recorded_at: closing.time,
            bytes: file.len() as u64,
            sha256: hex(&Sha256::digest(file)),
        })
    }

    /// The partition that the file belongs to.
    pub fn source(&self) -> Source {
        Source { topic: self.topic.as_str().into(), partition: self.partition }
    }

    pub(crate) fn to_json(&self) -> Result<Bytes, ArchiveError> {
        let mut json =
            serde_json::to_vec_pretty(self).map_err(|error| ArchiveError::Fatal(format!("cannot write JSON: {error}")))?;
        json.push(b'\n');
        Ok(json.into())
    }

    /// Reads the sidecar `name` of the file that starts with `first`.
    pub(crate) fn from_json(name: &str, timeline: Uuid, source: &Source, first: u64, json: &[u8]) -> Result<Self, Flaw> {
        let flaw = |what: String| Flaw { file: name.to_owned(), position: Some(first), what };
        let sidecar: Self = serde_json::from_slice(json).map_err(|error| flaw(format!("it is no sidecar: {error}")))?;
        let fits = sidecar.timeline == timeline && sidecar.source() == *source && sidecar.first == first;
        if !fits || sidecar.last < first || sidecar.count < sidecar.last - first + 1 {
            return Err(flaw("it describes another file than its name says".to_owned()));
        }
        Ok(sidecar)
    }
}
