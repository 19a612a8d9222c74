//! The order of a source: which position may come next.
//!
//! The writer numbers its events without gaps, so a hole or a double means that the log or a cursor is wrong, and is
//! never passed over. Other records have their offset for a number, which only grows. A record whose envelope cannot
//! be read does not say its number: it may be one of the writer's events or foreign bytes, so after it the next event
//! may have the number that follows it or the one that it would have had.

use std::fmt;

/// How far a source was taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Line {
    /// Whether positions have no gaps.
    dense: bool,
    /// Of the last readable record.
    position: u64,
    /// Unreadable records since.
    unreadable: u64,
}

/// A hole or a double.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fault {
    last: u64,
    found: u64,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.found > self.last { "a hole" } else { "a double" };
        write!(f, "{what}: position {} follows {}", self.found, self.last)
    }
}

impl Line {
    pub fn new(dense: bool, position: u64) -> Self {
        Self { dense, position, unreadable: 0 }
    }

    /// Position of the last readable record, which is where the source stands.
    pub fn position(&self) -> u64 {
        self.position
    }

    pub fn is_dense(&self) -> bool {
        self.dense
    }

    /// Takes the next readable record.
    pub fn take(&mut self, found: u64) -> Result<(), Fault> {
        let follows = found > self.position && (!self.dense || found - self.position <= 1 + self.unreadable);
        if !follows {
            return Err(Fault { last: self.position, found });
        }
        *self = Self::new(self.dense, found);
        Ok(())
    }

    /// Takes a record that cannot be read; answers the position that it is set aside under.
    pub fn take_unreadable(&mut self, offset: u64) -> u64 {
        if self.dense {
            self.unreadable += 1;
            self.position + self.unreadable
        } else {
            self.position = offset + 1;
            self.position
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_follow_each_other_without_gaps() {
        let mut line = Line::new(true, 0);
        assert_eq!((line.take(1), line.take(2), line.position()), (Ok(()), Ok(()), 2));
        assert_eq!(line.take(4).map_err(|f| f.to_string()), Err("a hole: position 4 follows 2".to_owned()));
        assert_eq!(line.take(2).map_err(|f| f.to_string()), Err("a double: position 2 follows 2".to_owned()));
        assert_eq!((line.take(0).is_err(), line.position()), (true, 2), "a refused record changes nothing");
    }

    #[test]
    fn other_records_only_have_to_grow() {
        let mut line = Line::new(false, 3);
        assert_eq!((line.take(9), line.position()), (Ok(()), 9));
        assert!(line.take(9).is_err());
        assert_eq!((line.take_unreadable(11), line.position()), (12, 12));
    }

    #[test]
    fn an_unreadable_record_may_or_may_not_have_been_an_event() {
        for next in [8, 9] {
            let mut line = Line::new(true, 7);
            assert_eq!((line.take_unreadable(100), line.position()), (8, 7));
            assert_eq!((line.take(next), line.take(next + 1)), (Ok(()), Ok(())), "{next}");
        }
        let mut line = Line::new(true, 7);
        line.take_unreadable(100);
        assert!(line.take(10).is_err());
        assert!(line.take(7).is_err());
        line.take_unreadable(101);
        assert_eq!(line.take(10), Ok(()));
        assert!(line.take(12).is_err(), "what was certain again stays certain");
    }
}
