//! The records of a snapshots' topic.
//!
//! Three kinds: an aggregate, a segment of idempotency keys, and the mark, which says what those before it cover. All carry the
//! stamp of whoever wrote them: the deciders of the context, the history, and this format. A record with another stamp
//! says nothing, nor does one that does not end in its checksum: a changed bit in a state would be believed. Keys of records are for compaction; those that are no aggregate's begin with a zero byte, which no tenant does.

use crate::{deduplication::Entry, state::LaneState};
use bytes::Bytes;
use log::{Offset, Record};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use uuid::Uuid;

/// The form of these records; another one changes every stamp.
const FORM: u64 = 1;
/// Key of the mark.
pub(super) const MARK: &[u8] = b"\0mark";

/// A record's payload.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Snapshot<'a> {
    /// An aggregate as it was at `seq`; `kind` is the number of its type.
    Aggregate { stamp: u64, kind: usize, seq: i64, state: &'a [u8] },
    /// A segment of the idempotency keys.
    Keys { stamp: u64, number: u64, entries: Cow<'a, [Entry]> },
    /// What is covered.
    Mark(Mark),
}

/// What the records from `start` on cover: every aggregate at `position` or later, and the keys of every result before
/// `next_result` that are younger than the window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mark {
    pub(super) stamp: u64,
    /// Records before this offset are forgotten.
    pub(super) start: Offset,
    /// Position of the last event that is covered.
    pub(super) position: i64,
    pub(super) next_event: Offset,
    pub(super) next_result: Offset,
    pub(super) recorded_at: i64,
    /// The first segment of the keys, the place after the last, and their sum.
    pub(super) first: u64,
    pub(super) end: u64,
    pub(super) sum: u128,
}

impl<'a> Snapshot<'a> {
    /// Appends the payload of the record with this key. The only error is one that no record causes, and costs the snapshots.
    pub(super) fn encode(&self, key: &[u8], mut out: &mut Vec<u8>) -> postcard::Result<()> {
        let start = out.len();
        postcard::to_io(self, &mut out)?;
        let sum = checksum(key, out.get(start..).unwrap_or_default());
        out.extend_from_slice(&sum.to_be_bytes());
        Ok(())
    }

    /// Reads a record; nothing if it is damaged, or has another stamp or another form.
    pub(super) fn decode(record: &'a Record, stamp: u64) -> Option<Self> {
        let (payload, sum) = record.payload.split_last_chunk()?;
        if checksum(&record.key, payload) != u32::from_be_bytes(*sum) {
            return None;
        }
        let snapshot: Self = postcard::from_bytes(payload).ok()?;
        let is = match &snapshot {
            Self::Aggregate { stamp, .. } | Self::Keys { stamp, .. } => *stamp,
            Self::Mark(mark) => mark.stamp,
        };
        (is == stamp).then_some(snapshot)
    }
}

/// Over the key as well: a payload belongs to its record.
fn checksum(key: &[u8], payload: &[u8]) -> u32 {
    let mut sum = crc32fast::Hasher::new_with_initial(crc32fast::hash(key));
    sum.update(payload);
    sum.finalize()
}

/// Key of a segment. Keys are used again once the segments that had them are forgotten, so they stay few.
pub(super) fn segment_key(number: u64, most: u64) -> Bytes {
    format!("\0keys/{}", number % most.max(1)).into()
}

/// The stamp of a context's snapshots.
pub(super) fn stamp(lane: &LaneState, context: usize) -> u64 {
    let fingerprints = lane.deciders.fingerprints(context).flat_map(|(kind, fingerprint)| [kind as u64, fingerprint]);
    let parts: Vec<u8> =
        [FORM, lane.address.partitions.into()].into_iter().chain(fingerprints).flat_map(u64::to_be_bytes).collect();
    Uuid::new_v5(&lane.address.timeline, &parts).as_u64_pair().0
}
