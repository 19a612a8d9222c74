//! Batches: what is inserted at once.

use analytics::tables::{EventRow, MetricRow, ParkedRow};
use jiff::{Timestamp, tz::TimeZone};

/// Rows of one contiguous range of one partition inside one month.
#[derive(Debug, PartialEq)]
pub(crate) struct Batch {
    /// The month of all its rows, as ClickHouse's `toYYYYMM`.
    pub(crate) month: i32,
    /// The first position (of events) or offset (of metrics).
    pub(crate) first: u64,
    /// The last.
    pub(crate) last: u64,
    /// Rows of events.
    pub(crate) events: Vec<EventRow>,
    /// Rows of metrics.
    pub(crate) points: Vec<MetricRow>,
    /// Records of the range that could not be read.
    pub(crate) parked: Vec<ParkedRow>,
}

/// What became of the records that were read.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Batches {
    /// In order, each continuing where the one before ended.
    pub(crate) batches: Vec<Batch>,
    /// Why the rest was left: a record of a schema that this program does not know yet.
    pub(crate) paused: Option<String>,
}

impl Batches {
    /// The batch for a record of `month` at `place`: the last, or a new one when a month begins.
    pub(crate) fn at(&mut self, month: i32, place: u64) -> &mut Batch {
        let begins = self.batches.last().is_none_or(|last| last.month != month);
        if begins {
            let empty = Batch { month, first: place, last: place, events: Vec::new(), points: Vec::new(), parked: Vec::new() };
            self.batches.push(empty);
        }
        let end = self.batches.len() - 1;
        let batch = &mut self.batches[end];
        batch.last = place;
        batch
    }

    /// Sets a record aside. It belongs to the batch around it and begins none, if it can be helped.
    pub(crate) fn park(&mut self, row: ParkedRow, place: u64) {
        let month = self.batches.last().map_or(month(row.recorded_at), |last| Some(last.month));
        self.at(month.unwrap_or_default(), place).parked.push(row);
    }
}

/// The month of a time in microseconds, as ClickHouse's `toYYYYMM`; `None` beyond what its `DateTime64` holds.
pub(crate) fn month(micros: i64) -> Option<i32> {
    let time = Timestamp::from_microsecond(micros).ok()?.to_zoned(TimeZone::UTC);
    let year = i32::from(time.year());
    (1900..=2299).contains(&year).then(|| year * 100 + i32::from(time.month()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_begin_at_midnight_utc() {
        assert_eq!(month(1_795_226_400_000_000), Some(202_611));
        assert_eq!(month(1_796_083_199_999_999), Some(202_611));
        assert_eq!(month(1_796_083_200_000_000), Some(202_612));
        assert_eq!(month(-1), Some(196_912));
        assert_eq!(month(i64::MAX), None);
        assert_eq!(month(i64::MIN), None);
    }

    #[test]
    fn a_new_month_begins_a_new_batch() {
        let mut batches = Batches::default();
        for (month, place) in [(202_611, 5), (202_611, 6), (202_612, 7)] {
            batches.at(month, place);
        }
        let ranges: Vec<_> = batches.batches.iter().map(|batch| (batch.month, batch.first, batch.last)).collect();
        assert_eq!(ranges, [(202_611, 5, 6), (202_612, 7, 7)]);
    }
}
