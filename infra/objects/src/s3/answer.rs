//! What an S3 server answers that is no success: which of it is told on, repeated, or final.
//!
//! "There is no such object" and "there is one already" go on as they are. "Somebody else is just putting it" is repeated
//! (409: the other put may still fail). Failures of the server go on and are repeated there. Everything else is a
//! [`Refused`]: wrong keys, no such bucket, a proxy in between; it will not change by itself. Bodies are read no further
//! than this needs, and only code and message are shown: they may repeat the request's signature.

use object_store::client::{HttpError, HttpErrorKind};
use std::fmt;

/// An answer that stays the same until somebody changes settings or permissions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused(Said);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the server refused it with {}", self.0)
    }
}

impl std::error::Error for Refused {}

/// Another put of the same object is under way.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Contended(Said);

impl fmt::Display for Contended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the object is just being put by somebody else: {}", self.0)
    }
}

impl std::error::Error for Contended {}

/// Status, and code and message of the body.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Said {
    status: u16,
    code: String,
    message: String,
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "status {}", self.status)?;
        for text in [&self.code, &self.message].into_iter().filter(|text| !text.is_empty()) {
            write!(f, " {text}")?;
        }
        Ok(())
    }
}

/// Whether an answer of this status has to be judged with its body.
pub(super) fn is_judged(status: u16) -> bool {
    // 304 is asked for; 408 and 429 pass by themselves.
    (300..500).contains(&status) && !matches!(status, 304 | 408 | 429)
}

/// Refuses an answer of a status that [`is_judged`], unless it is one that callers understand.
pub(super) fn judge(status: u16, is_head: bool, body: &[u8]) -> Result<(), HttpError> {
    let body = String::from_utf8_lossy(body);
    let said = Said { status, code: element(&body, "Code"), message: element(&body, "Message") };
    match (status, said.code.as_str()) {
        // An answer to HEAD has no body.
        (404, "NoSuchKey") | (412, _) => Ok(()),
        (404, "") if is_head => Ok(()),
        (409, _) => Err(HttpError::new(HttpErrorKind::Request, Contended(said))),
        (_, "RequestTimeout" | "IncompleteBody" | "BadDigest") => Err(HttpError::new(HttpErrorKind::Interrupted, Broken(said))),
        _ => Err(HttpError::new(HttpErrorKind::Unknown, Refused(said))),
    }
}

/// The request did not arrive as it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Broken(Said);

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the request did not arrive whole: {}", self.0)
    }
}

impl std::error::Error for Broken {}

/// The text of the first element called `name`, as far as it can be shown on a line.
fn element(body: &str, name: &str) -> String {
    let inner = body.split_once(&format!("<{name}>")).and_then(|(_, rest)| rest.split_once(&format!("</{name}>")));
    inner.map_or("", |(text, _)| text).chars().filter(|c| !c.is_control()).take(200).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn kind(status: u16, is_head: bool, body: &str) -> Option<HttpErrorKind> {
        judge(status, is_head, body.as_bytes()).err().map(|error| error.kind())
    }

    #[test]
    fn only_a_missing_object_is_absent() {
        assert_eq!(kind(404, false, "<Error><Code>NoSuchKey</Code></Error>"), None);
        assert_eq!(kind(404, true, ""), None);
        for other in ["<Error><Code>NoSuchBucket</Code></Error>", "<html>not found</html>", ""] {
            assert_eq!(kind(404, false, other), Some(HttpErrorKind::Unknown), "{other}");
        }
    }

    #[test]
    fn an_object_that_somebody_else_is_putting_is_not_there_yet() {
        assert_eq!(kind(412, false, "<Error><Code>PreconditionFailed</Code></Error>"), None);
        assert_eq!(kind(409, false, "<Error><Code>ConditionalRequestConflict</Code></Error>"), Some(HttpErrorKind::Request));
    }

    #[test]
    fn a_refusal_shows_code_and_message_and_no_signature() {
        let body = "<?xml version=\"1.0\"?><Error><Code>SignatureDoesNotMatch</Code><Message>wrong\nkey</Message>\
                    <StringToSign>AWS4-HMAC</StringToSign></Error>";
        let refused = judge(403, false, body.as_bytes()).unwrap_err();
        assert_eq!(refused.to_string(), "HTTP error: the server refused it with status 403 SignatureDoesNotMatch wrongkey");
    }

    #[test]
    fn what_passes_by_itself_is_not_judged() {
        assert!([200, 206, 304, 408, 429, 500, 503].into_iter().all(|status| !is_judged(status)));
        assert!([301, 307, 400, 401, 403, 404, 409, 412].into_iter().all(is_judged));
        assert_eq!(kind(400, false, "<Code>RequestTimeout</Code>"), Some(HttpErrorKind::Interrupted));
    }
}
