//! How long to wait before the next try: 100 ms, doubled up to 30 s, and a quarter more or less by chance.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(30);

/// Counts the failures in a row.
#[derive(Debug, Default, Clone)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// Whether nothing failed since the start or the last reset.
    pub fn is_fresh(&self) -> bool {
        self.failures == 0
    }

    /// The wait before the next try.
    pub fn next(&mut self) -> Duration {
        let delay = delay(self.failures, rand::random());
        self.failures = self.failures.saturating_add(1);
        delay
    }
}

/// The wait after `failures` earlier ones; `chance` lies in 0..1.
fn delay(failures: u32, chance: f64) -> Duration {
    let longest = FIRST.saturating_mul(1_u32.checked_shl(failures).unwrap_or(u32::MAX)).min(LONGEST);
    longest.mul_f64(0.75 + 0.5 * chance.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_from_100_ms_to_30_s() {
        let waits: Vec<u128> = (0..11).map(|failures| delay(failures, 0.5).as_millis()).collect();
        assert_eq!(waits, [100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000]);
        assert_eq!(delay(u32::MAX, 0.5), LONGEST);
    }

    #[test]
    fn chance_moves_a_wait_by_a_quarter_at_most() {
        assert_eq!((delay(0, 0.0).as_millis(), delay(0, 1.0).as_millis()), (75, 125));
    }

    #[test]
    fn a_success_starts_the_count_anew() {
        let mut backoff = Backoff::default();
        for _ in 0..9 {
            backoff.next();
        }
        backoff.reset();
        assert!(backoff.next() <= Duration::from_millis(125));
    }
}
