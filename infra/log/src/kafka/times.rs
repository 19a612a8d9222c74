//! The last time of each partition that this process writes to, so that times never run backwards.

use crate::Source;
use std::collections::HashMap;

/// Last times by partition, loaded at first use.
#[derive(Debug, Default)]
pub(super) struct Times {
    last: HashMap<Source, i64>,
}

impl Times {
    /// Whether the last time of `source` is known.
    pub(super) fn knows(&self, source: &Source) -> bool {
        self.last.contains_key(source)
    }

    /// The log says that the last record of `source` has this time.
    pub(super) fn learn(&mut self, source: Source, time: i64) {
        let last = self.last.entry(source).or_insert(i64::MIN);
        *last = time.max(*last);
    }

    /// The time that a record gets which is appended now.
    pub(super) fn raise(&mut self, source: &Source, time: i64) -> i64 {
        match self.last.get_mut(source) {
            Some(last) => {
                *last = time.max(*last);
                *last
            }
            None => time,
        }
    }
}
