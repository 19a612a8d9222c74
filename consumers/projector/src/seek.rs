//! Finding a position in a source: the stored offset is a hint, the position is the truth.
//!
//! Positions grow with offsets, so a binary search finds the record. A source that does not hold the position belongs
//! to another log, or has lost records; then nothing is skipped, and the caller gets stuck with a message.

use crate::{
    tail::Tail,
    trouble::{CALL, Trouble, within},
};
use log::{Log, Offset, Source};

/// Records looked at in one step of the search.
const LOOK: usize = 8;

/// The offset behind the record at `position`.
pub(crate) async fn behind(log: &dyn Log, tail: &Tail, source: &Source, position: u64) -> Result<Offset, Trouble> {
    let end = within(CALL, "asking for the end of the log", log.end(source)).await?;
    let (mut low, mut high, mut found) = (0, end, 0);
    while low < high {
        let middle = low + (high - low) / 2;
        match readable(tail, source, middle).await? {
            Some((offset, at)) if at <= position => (low, found) = (offset + 1, at),
            _ => high = middle,
        }
    }
    if found == position {
        return Ok(low);
    }
    Err(Trouble::Stuck(format!(
        "{source} has no position {position}, where this read model stands (nearest before it: {found}, end: offset {end}); \
         if the log was replaced, rebuild the read model"
    )))
}

/// Offset and position of the first readable record at or behind `from`.
async fn readable(tail: &Tail, source: &Source, mut from: Offset) -> Result<Option<(Offset, u64)>, Trouble> {
    loop {
        let chunk = tail.read_alone(source, from, LOOK).await?;
        let entries = chunk.items.iter().find_map(|item| item.read.as_ref().ok().map(|entry| (item.offset, entry.position)));
        if entries.is_some() || (chunk.items.is_empty() && chunk.newer.is_none()) {
            return Ok(entries);
        }
        from = chunk.next + Offset::from(chunk.newer.is_some());
    }
}
