//! Moments: microseconds since 1970 UTC inside, RFC 3339 with microseconds outside.

use jiff::{Timestamp, fmt::temporal::DateTimePrinter};
use std::time::{SystemTime, UNIX_EPOCH};

static PRINTER: DateTimePrinter = DateTimePrinter::new().precision(Some(6));

/// Microseconds since 1970 UTC, now.
pub(crate) fn now_micros() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// `2026-11-21T02:00:00.000000Z`; a moment that no calendar holds is shown as the nearest that one does.
pub(crate) fn rfc3339(micros: i64) -> String {
    let nearest = if micros < 0 { Timestamp::MIN } else { Timestamp::MAX };
    let moment = Timestamp::from_microsecond(micros).unwrap_or(nearest);
    let mut text = String::with_capacity(27);
    // Writing to a string cannot fail.
    let _ = PRINTER.print_timestamp(&moment, &mut text);
    text
}

/// Reads RFC 3339 with any offset.
pub(crate) fn micros(text: &str) -> Option<i64> {
    text.parse::<Timestamp>().ok().map(Timestamp::as_microsecond)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_survive_their_text_form() {
        assert_eq!(rfc3339(1_795_226_400_000_000), "2026-11-21T02:00:00.000000Z");
        assert_eq!(rfc3339(1_795_226_400_000_017), "2026-11-21T02:00:00.000017Z");
        assert_eq!(micros("2026-11-21T03:00:00.000017+01:00"), Some(1_795_226_400_000_017));
        assert_eq!(micros("yesterday"), None);
    }

    #[test]
    fn a_moment_beyond_the_calendar_is_still_text() {
        assert!(rfc3339(i64::MAX).starts_with("9999-"));
        assert!(!rfc3339(i64::MIN).is_empty());
    }
}
