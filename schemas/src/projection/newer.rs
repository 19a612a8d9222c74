//! Which errors of the codec an upgrade of the program would cure.

use crate::{CodecError, SchemaId};
use std::sync::LazyLock;

/// Schema ids count up by one, so a number this far beyond the newest known is no newer schema but broken bytes.
const REACH: u32 = 10_000;

static NEWEST: LazyLock<u32> = LazyLock::new(|| crate::locked_schemas().map(|(id, _)| id.0).max().unwrap_or(0));

impl CodecError {
    /// The schema, if it is newer than this program: wait for an upgrade, and do not take the bytes for broken.
    pub fn newer_schema(&self) -> Option<SchemaId> {
        match self {
            Self::UnknownSchema(id) if id.0 > *NEWEST && id.0 - *NEWEST <= REACH => Some(*id),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_number_is_newer_and_what_was_never_given_out_or_lies_far_off_is_not() {
        let next = SchemaId(*NEWEST + 1);
        assert_eq!(CodecError::UnknownSchema(next).newer_schema(), Some(next));
        for id in [0, *NEWEST, *NEWEST + REACH + 1, u32::MAX] {
            assert_eq!(CodecError::UnknownSchema(SchemaId(id)).newer_schema(), None, "{id}");
        }
        assert_eq!(CodecError::Prefix(3).newer_schema(), None);
    }
}
