//! The order of the positions of a partition. Pure.
//!
//! The writer numbers its events densely from 1. A record whose envelope cannot be read does not say its number: it may
//! be an event or foreign bytes, so behind it the next number may be skipped.

use crate::code::Code;
use std::ops::RangeInclusive;

/// So many open gaps are remembered, to tell a position that comes too late from one that comes twice.
const GAPS: usize = 64;

/// What is wrong with a position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub code: Code,
    pub expected: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Numbering {
    last: u64,
    /// Unreadable records since.
    unreadable: u64,
    gaps: Vec<RangeInclusive<u64>>,
}

impl Numbering {
    /// The greatest position so far, and those that unreadable records behind it may have.
    pub(crate) fn last(&self) -> u64 {
        self.last + self.unreadable
    }

    /// Takes a record that does not say its number.
    pub(crate) fn take_unreadable(&mut self) {
        self.unreadable += 1;
    }

    /// Takes the next position.
    pub(crate) fn take(&mut self, found: u64) -> Result<(), Fault> {
        let expected = self.last + 1;
        if found <= self.last {
            let late = self.gaps.iter().position(|gap| gap.contains(&found));
            let code = if late.is_some() { Code::PositionDisorder } else { Code::PositionDouble };
            return Err(Fault { code, expected });
        }
        let follows = found <= expected + self.unreadable;
        if !follows && self.gaps.len() < GAPS {
            self.gaps.push(expected..=found - 1);
        }
        (self.last, self.unreadable) = (found, 0);
        if follows { Ok(()) } else { Err(Fault { code: Code::PositionGap, expected }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is found in these positions; 0 stands for a record that cannot be read.
    fn found(positions: &[u64]) -> Vec<(Code, u64, u64)> {
        let mut numbering = Numbering::default();
        let mut faults = Vec::new();
        for position in positions {
            match position {
                0 => numbering.take_unreadable(),
                position => faults.extend(numbering.take(*position).err().map(|f| (f.code, f.expected, *position))),
            }
        }
        faults
    }

    #[test]
    fn dense_positions_are_in_order() {
        assert_eq!(found(&[1, 2, 3, 4]), []);
    }

    #[test]
    fn a_gap_a_double_and_a_late_one_are_told_apart() {
        assert_eq!(found(&[1, 2, 4, 5]), [(Code::PositionGap, 3, 4)]);
        assert_eq!(found(&[2]), [(Code::PositionGap, 1, 2)]);
        assert_eq!(found(&[1, 2, 2, 3]), [(Code::PositionDouble, 3, 2)]);
        assert_eq!(found(&[1, 3, 2, 4]), [(Code::PositionGap, 2, 3), (Code::PositionDisorder, 4, 2)]);
    }

    #[test]
    fn an_unreadable_record_may_have_been_an_event_or_not() {
        assert_eq!(found(&[1, 0, 2]), []);
        assert_eq!(found(&[1, 0, 3]), []);
        assert_eq!(found(&[1, 0, 4]), [(Code::PositionGap, 2, 4)]);
        assert_eq!(found(&[1, 0, 3, 5]), [(Code::PositionGap, 4, 5)]);
    }
}
