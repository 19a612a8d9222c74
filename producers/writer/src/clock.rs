//! The clock, and identities that grow with it.

use std::time::{SystemTime, UNIX_EPOCH};
use uuid::Uuid;

/// Microseconds since 1970 UTC.
pub fn system_clock() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| i64::try_from(d.as_micros()).unwrap_or(i64::MAX))
}

/// Makes UUIDs of version 7 (RFC 9562) that grow within a lane: milliseconds, the fraction in units of 1/4096 ms, then a
/// counter that started at a random number.
#[derive(Debug)]
pub(crate) struct Ids {
    counter: u64,
}

impl Ids {
    pub(crate) fn new() -> Self {
        // The upper half of the range is left free, so that the counter does not wrap.
        Self { counter: Uuid::new_v4().as_u64_pair().1 >> 3 }
    }

    pub(crate) fn next(&mut self, micros: i64) -> Uuid {
        self.counter = self.counter.wrapping_add(1);
        let micros = u64::try_from(micros).unwrap_or(0);
        let fraction = u16::try_from((micros % 1000) * 4096 / 1000).unwrap_or(0);
        let mut tail = [0; 10];
        tail[..2].copy_from_slice(&fraction.to_be_bytes());
        tail[2..].copy_from_slice(&self.counter.to_be_bytes());
        uuid::Builder::from_unix_timestamp_millis(micros / 1000, &tail).into_uuid()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_are_version_7_and_grow() {
        let mut ids = Ids::new();
        let made: Vec<Uuid> = [5_000, 5_000, 5_001, 6_000, 7_999].into_iter().map(|micros| ids.next(micros)).collect();
        assert!(made.is_sorted() && made.iter().all(|id| id.get_version_num() == 7));
        assert_eq!(made.len(), made.iter().collect::<std::collections::HashSet<_>>().len());
    }
}
