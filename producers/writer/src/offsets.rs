//! Offsets: which record comes after which.

use log::{Offset, Record};

/// The offset to commit, or to read from, once the record at `last` is done with.
pub(crate) fn after(last: Offset) -> Offset {
    last.saturating_add(1)
}

/// The offset after the last of `records`, or `from` if there are none.
pub(crate) fn after_all(from: Offset, records: &[Record]) -> Offset {
    records.last().map_or(from, |record| after(record.offset))
}
