//! The first record at or after a time.
//!
//! The brokers find it by milliseconds. They look at control records, too, whose times are those of their commits, so
//! where old records were written late their answer is too early; then offsets are halved between it and the end.

use super::{ends::Bounds, shared::Shared};
use crate::{LogError, Offset, Source};

/// So many offsets are looked through one by one.
const FEW: Offset = 1000;

/// The offset of the first record of `source` whose time is at least `time`, or the end.
pub(super) async fn offset_at(shared: &Shared, source: &Source, time: i64) -> Result<Offset, LogError> {
    // Also waits until what this process committed is seen.
    let Bounds { end, .. } = shared.bounds(source).await?;
    let Some(mut low) = shared.ends.at(shared.topics.name(&source.topic), source.partition, time / 1000).await? else {
        return Ok(end);
    };
    // No record before `low` is late enough; if there is a record at or after `high`, it is.
    let mut high = end;
    let mut by_halves = false;
    while low < end {
        if by_halves && high.saturating_sub(low) > FEW {
            let middle = low + (high - low) / 2;
            match shared.read(source, middle, 1).await?.first() {
                Some(record) if record.time < time => low = record.offset + 1,
                _ => high = middle,
            }
            continue;
        }
        let records = shared.read(source, low, FEW as usize).await?;
        if let Some(record) = records.iter().find(|record| record.time >= time) {
            return Ok(record.offset);
        }
        let Some(last) = records.last() else { break };
        low = last.offset + 1;
        by_halves = true;
    }
    Ok(end)
}
