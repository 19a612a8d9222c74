//! The headers of a command: what they may say, read without touching anything.
//!
//! `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header-07), `If-Match` and `If-None-Match` (RFC 9110),
//! `Prefer` (RFC 7240), `traceparent` (W3C), `X-Correlation-Id` and `X-Occurred-At`. A header that is not understood
//! and would change the meaning of the request is refused; a preference that is not understood is ignored.

use crate::{clock, codes, problem::Problem};
use axum::http::{HeaderMap, HeaderName, header};
use std::time::Duration;
use uuid::Uuid;

/// `X-Consistency-Token`, on answers and on queries.
pub(crate) const CONSISTENCY_TOKEN: HeaderName = HeaderName::from_static("x-consistency-token");
/// `Idempotency-Key`
pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// `Prefer`
pub(crate) const PREFER: HeaderName = HeaderName::from_static("prefer");
/// `Preference-Applied`
pub(crate) const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");
/// `traceparent`
pub(crate) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// `X-Correlation-Id`
pub(crate) const CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");
/// `X-Occurred-At`
pub(crate) const OCCURRED_AT: HeaderName = HeaderName::from_static("x-occurred-at");

/// The longest idempotency key.
const MAX_KEY: usize = 255;

/// What the caller of a command prefers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Preferences {
    /// To be answered before the command is decided.
    pub respond_async: bool,
    /// How long to wait for the decision.
    pub wait: Option<Duration>,
    /// An answer without a body.
    pub minimal: bool,
}

/// What the headers of a command say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CommandHeaders {
    /// The key under which the command may be repeated.
    pub idempotency_key: Option<String>,
    /// `n > 0` exactly n, 0 must not exist, -1 must exist, -2 anything.
    pub expected_seq: i64,
    /// What the caller prefers.
    pub prefer: Preferences,
    /// The trace that the command belongs to.
    pub traceparent: Option<String>,
    /// The conversation that the command belongs to.
    pub correlation_id: Option<Uuid>,
    /// When it happened, as the caller says, in microseconds.
    pub occurred_at: Option<i64>,
}

impl CommandHeaders {
    /// Reads them; no wait is longer than `max_wait`.
    pub fn read(headers: &HeaderMap, max_wait: Duration) -> Result<Self, Problem> {
        Ok(Self {
            idempotency_key: one(headers, &IDEMPOTENCY_KEY)?.map(idempotency_key).transpose()?,
            expected_seq: expected_seq(headers)?,
            prefer: preferences(headers, max_wait),
            traceparent: traceparent(headers).map(str::to_owned),
            correlation_id: one(headers, &CORRELATION_ID)?
                .map(|text| Uuid::try_parse(text).map_err(|_| invalid("X-Correlation-Id", "a UUID")))
                .transpose()?,
            occurred_at: one(headers, &OCCURRED_AT)?
                .map(|text| clock::micros(text).ok_or_else(|| invalid("X-Occurred-At", "a moment like 2026-11-21T02:00:00Z")))
                .transpose()?,
        })
    }
}

impl Preferences {
    /// What of them was applied, as `Preference-Applied` says it; empty if nothing was asked for.
    pub fn applied(&self) -> String {
        let mut applied = Vec::new();
        if self.respond_async {
            applied.push("respond-async".to_owned());
        }
        if let Some(wait) = self.wait {
            applied.push(format!("wait={}", wait.as_secs()));
        }
        if self.minimal {
            applied.push("return=minimal".to_owned());
        }
        applied.join(", ")
    }
}

/// A header that may be given once, in visible ASCII.
pub(crate) fn one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Problem> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    match (value.to_str(), values.next()) {
        (Ok(text), None) => Ok(Some(text)),
        _ => Err(invalid(name.as_str(), "one value of visible ASCII characters")),
    }
}

/// A valid `traceparent`. One that is malformed starts a new trace, as W3C demands, so it is no error.
pub(crate) fn traceparent(headers: &HeaderMap) -> Option<&str> {
    let text = headers.get(TRACEPARENT)?.to_str().ok()?;
    let hex = |part: &str, length: usize| {
        part.len() == length
            && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
            && (length == 2 || part.bytes().any(|byte| byte != b'0'))
    };
    let mut parts = text.split('-');
    match (parts.next(), parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some("00"), Some(trace), Some(parent), Some(flags), None) if hex(trace, 32) && hex(parent, 16) && hex(flags, 2) => {
            Some(text)
        }
        _ => None,
    }
}

/// The trace id of a valid `traceparent`.
pub(crate) fn trace_id(headers: &HeaderMap) -> Option<&str> {
    traceparent(headers).and_then(|text| text.get(3..35))
}

fn invalid(header: &str, expected: &str) -> Problem {
    Problem::new(codes::INVALID_HEADER, format!("the header {header} must be {expected}"))
}

/// The key in quotes (a structured string) or bare.
fn idempotency_key(text: &str) -> Result<String, Problem> {
    let bad = || invalid("Idempotency-Key", "1 to 255 visible ASCII characters, in quotes or bare");
    let text = text.trim();
    let key = match text.strip_prefix('"') {
        None => text.to_owned(),
        Some(rest) => {
            let inner = rest.strip_suffix('"').ok_or_else(bad)?;
            let mut key = String::with_capacity(inner.len());
            let mut characters = inner.chars();
            while let Some(character) = characters.next() {
                key.push(match character {
                    '\\' => characters.next().filter(|escaped| matches!(escaped, '"' | '\\')).ok_or_else(bad)?,
                    '"' => return Err(bad()),
                    plain => plain,
                });
            }
            key
        }
    };
    is_key(&key).then_some(key).ok_or_else(bad)
}

/// Whether a text can be an idempotency key.
pub(crate) fn is_key(text: &str) -> bool {
    (1..=MAX_KEY).contains(&text.len()) && text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}

fn expected_seq(headers: &HeaderMap) -> Result<i64, Problem> {
    match (one(headers, &header::IF_MATCH)?, one(headers, &header::IF_NONE_MATCH)?) {
        (None, None) => Ok(-2),
        (Some("*"), None) => Ok(-1),
        (Some(tag), None) => tag
            .strip_prefix('"')
            .and_then(|tag| tag.strip_suffix('"'))
            .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|digits| digits.parse().ok())
            .filter(|seq| *seq > 0)
            .ok_or_else(|| invalid("If-Match", "* or one sequence number from 1 in quotes, such as \"17\"")),
        (None, Some("*")) => Ok(0),
        (None, Some(_)) => Err(invalid("If-None-Match", "* on a command")),
        (Some(_), Some(_)) => {
            Err(Problem::new(codes::INVALID_HEADER, "If-Match and If-None-Match exclude each other; send one of them"))
        }
    }
}

fn preferences(headers: &HeaderMap, max_wait: Duration) -> Preferences {
    let mut preferences = Preferences::default();
    for preference in headers.get_all(PREFER).iter().filter_map(|value| value.to_str().ok()).flat_map(|line| line.split(',')) {
        // Parameters of a preference change nothing here.
        let preference = preference.split(';').next().unwrap_or_default();
        let (name, value) = preference.split_once('=').unwrap_or((preference, ""));
        let value = value.trim().trim_matches('"');
        match name.trim().to_ascii_lowercase().as_str() {
            "respond-async" => preferences.respond_async = true,
            "wait" => preferences.wait = value.parse().ok().map(|seconds| Duration::from_secs(seconds).min(max_wait)),
            "return" => preferences.minimal = value == "minimal",
            _ => {}
        }
    }
    preferences
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    const MAX: Duration = Duration::from_secs(30);

    fn read(pairs: &[(&'static str, &str)]) -> Result<CommandHeaders, Problem> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        CommandHeaders::read(&headers, MAX)
    }

    #[test]
    fn a_key_may_be_quoted_or_bare() {
        for (sent, key) in [("abc", "abc"), ("\"abc\"", "abc"), (r#""a\"b\\""#, "a\"b\\"), ("a b", "a b")] {
            assert_eq!(read(&[("idempotency-key", sent)]).unwrap().idempotency_key.as_deref(), Some(key));
        }
        assert!(read(&[("idempotency-key", &"x".repeat(255))]).is_ok());
        for sent in ["", "\"\"", "\"abc", "\"a\"b\"", "\"a\\n\"", "ü", &"x".repeat(256)] {
            assert_eq!(read(&[("idempotency-key", sent)]).unwrap_err().status(), 400, "{sent}");
        }
        assert!(read(&[("idempotency-key", "a"), ("idempotency-key", "b")]).is_err());
    }

    #[test]
    fn expectations_become_sequence_numbers() {
        for (pairs, seq) in
            [(&[][..], -2), (&[("if-match", "*")], -1), (&[("if-match", "\"17\"")], 17), (&[("if-none-match", "*")], 0)]
        {
            assert_eq!(read(pairs).unwrap().expected_seq, seq);
        }
        for pairs in [
            &[("if-match", "17")][..],
            &[("if-match", "\"0\"")],
            &[("if-match", "\"+1\"")],
            &[("if-match", "W/\"17\"")],
            &[("if-match", "\"1\", \"2\"")],
            &[("if-match", "\"99999999999999999999\"")],
            &[("if-none-match", "\"1\"")],
            &[("if-match", "*"), ("if-none-match", "*")],
        ] {
            assert_eq!(read(pairs).unwrap_err().status(), 400, "{pairs:?}");
        }
    }

    #[test]
    fn preferences_are_read_and_echoed() {
        let prefer = read(&[("prefer", "respond-async, wait=5"), ("prefer", "return=minimal; x=1, shiny")]).unwrap().prefer;
        assert_eq!(prefer.applied(), "respond-async, wait=5, return=minimal");
        assert_eq!(read(&[("prefer", "wait=1000")]).unwrap().prefer.wait, Some(MAX), "no wait is longer than the server's");
        assert_eq!(read(&[("prefer", "wait=soon")]).unwrap().prefer, Preferences::default());
        assert_eq!(Preferences::default().applied(), "");
    }

    #[test]
    fn a_trace_is_kept_if_it_is_one() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(read(&[("traceparent", good)]).unwrap().traceparent.as_deref(), Some(good));
        for bad in [
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "x",
        ] {
            assert_eq!(read(&[("traceparent", bad)]).unwrap().traceparent, None, "{bad}");
        }
    }

    #[test]
    fn claims_about_time_and_conversation_must_be_what_they_say() {
        let read_both =
            read(&[("x-correlation-id", "0197c0de-0000-7000-8000-000000000001"), ("x-occurred-at", "2026-11-21T02:00:00Z")])
                .unwrap();
        assert_eq!(read_both.occurred_at, Some(1_795_226_400_000_000));
        assert!(read_both.correlation_id.is_some());
        assert!(read(&[("x-correlation-id", "1")]).is_err());
        assert!(read(&[("x-occurred-at", "noon")]).is_err());
    }
}
