//! The pause between the transactions of one producer.
//!
//! A commit is answered before its markers are written. A transaction that starts earlier than that is sent away by the
//! broker (`CONCURRENT_TRANSACTIONS`), and librdkafka comes back after a fixed 20 ms; a few milliseconds of patience are
//! cheaper: 40 commits a second became 270. The pause grows with every such refusal and shrinks a little without.

use std::{
    thread,
    time::{Duration, Instant},
};

/// The pause.
pub(super) struct Pace {
    ended: Option<Instant>,
    pause: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { ended: None, pause: Self::FIRST }
    }
}

impl Pace {
    const FIRST: Duration = Duration::from_millis(2);
    const MOST: Duration = Duration::from_millis(10);
    /// What takes so long was sent away.
    const SENT_AWAY: Duration = Duration::from_millis(20);

    /// Blocks until the next transaction may start.
    pub(super) fn wait(&self) {
        if let Some(ended) = self.ended {
            thread::sleep(self.pause.saturating_sub(ended.elapsed()));
        }
    }

    /// The records were delivered after so long.
    pub(super) fn filled(&mut self, took: Duration) {
        self.pause = match took >= Self::SENT_AWAY {
            true => (self.pause.mul_f32(1.25) + Duration::from_micros(100)).min(Self::MOST),
            false => self.pause.mul_f32(0.995),
        };
    }

    /// A transaction ended now.
    pub(super) fn ended(&mut self) {
        self.ended = Some(Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_lengthen_the_pause_up_to_a_limit_and_success_shortens_it() {
        let mut pace = Pace::default();
        pace.filled(Duration::from_millis(3));
        assert!(pace.pause < Pace::FIRST);
        for _ in 0..100 {
            let before = pace.pause;
            pace.filled(Duration::from_millis(21));
            assert!(pace.pause > before || pace.pause == Pace::MOST);
        }
        assert_eq!(pace.pause, Pace::MOST);
    }
}
