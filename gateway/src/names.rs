//! Identifiers in paths: what they may look like, so that none reaches a file name, a topic or SQL text.

use crate::{codes, problem::Problem};

/// The longest identifier.
const MAX: usize = 128;

/// Whether `text` is an identifier: letters, digits and `. _ : -`, a letter or digit first, no two dots in a row.
pub(crate) fn is_name(text: &str) -> bool {
    (1..=MAX).contains(&text.len())
        && text.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric)
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b':' | b'-'))
        && !text.contains("..")
}

/// `text`, if it is an identifier.
pub(crate) fn name<'a>(what: &str, text: &'a str) -> Result<&'a str, Problem> {
    if is_name(text) {
        Ok(text)
    } else {
        Err(malformed(what, "1 to 128 letters, digits and . _ : - that start with a letter or digit"))
    }
}

/// `text`, if it is a SHA-256 in lower-case hexadecimal.
pub(crate) fn sha256<'a>(what: &str, text: &'a str) -> Result<&'a str, Problem> {
    let fits = text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if fits { Ok(text) } else { Err(malformed(what, "64 lower-case hexadecimal digits")) }
}

/// The job and the fence of a lease id, `<job_id>.<fence>`.
pub(crate) fn lease(text: &str) -> Result<(&str, i64), Problem> {
    text.rsplit_once('.')
        .filter(|(job, fence)| is_name(job) && fence.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|(job, fence)| Some((job, fence.parse().ok().filter(|fence| *fence > 0)?)))
        .ok_or_else(|| malformed("lease_id", "the lease_id of a granted lease, <job_id>.<fence>"))
}

fn malformed(what: &str, expected: &str) -> Problem {
    Problem::new(codes::INVALID_ID, format!("{what} must be {expected}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn what_could_leave_its_place_is_no_name() {
        for good in ["a", "work.SubmitJob", "train.wine", "0197c0de-0000-7000-8000-000000000001", "a:b_c", &"x".repeat(128)] {
            assert!(is_name(good), "{good}");
        }
        for bad in [
            "",
            ".",
            "..",
            "a..b",
            "../x",
            "a/b",
            "a%2Fb",
            "a'b",
            "a;b",
            "a\0b",
            "a b",
            "ü",
            "\u{202e}abc",
            "-a",
            &"x".repeat(129),
        ] {
            assert!(!is_name(bad), "{bad:?}");
        }
    }

    #[test]
    fn a_lease_is_a_job_and_a_fence() {
        assert_eq!(lease("0197c0de-0000-7000-8000-000000000001.3").unwrap(), ("0197c0de-0000-7000-8000-000000000001", 3));
        for bad in ["job", "job.", "job.x", "job.0", "job.-1", "job.+1", ".3", "job.99999999999999999999"] {
            assert_eq!(lease(bad).unwrap_err().status(), 400, "{bad}");
        }
    }

    #[test]
    fn a_hash_has_one_form() {
        assert!(sha256("sha256", &"0a".repeat(32)).is_ok());
        assert!(sha256("sha256", &"0A".repeat(32)).is_err());
        assert!(sha256("sha256", "0a").is_err());
    }
}
