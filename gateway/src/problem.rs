//! Error answers (RFC 9457): the one place where anything that went wrong becomes a status and a body.
//!
//! What enters is an error of a port, a rejection, or a refusal of a decider; what leaves is `application/problem+json`
//! with `type`, `title`, `status`, `detail`, `instance`, `code`, `retryable`, `trace_id`, of a refused command the
//! aggregate's `seq` and, where fields are wrong, `errors`. No body and no log line repeats a payload, a statement or a token.

use crate::codes::{self, Code};
use analytics::AnalyticsError;
use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, Response, StatusCode, header},
};
use log::LogError;
use objects::ObjectError;
use schemas::{
    CodecError,
    json::{JsonError, JsonProblem},
};
use serde::Serialize;
use serde_json::value::RawValue;
use stores::StoreError;

/// One field that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct FieldError {
    /// JSON pointer (RFC 6901).
    pub pointer: String,
    /// What is wrong.
    pub detail: String,
}

/// An error answer in the making.
#[derive(Debug)]
pub(crate) struct Problem(Box<Parts>);

#[derive(Debug)]
struct Parts {
    status: StatusCode,
    code: String,
    title: &'static str,
    detail: String,
    retryable: bool,
    seq: Option<i64>,
    errors: Vec<FieldError>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// The body, in the order in which it is shown.
#[derive(Serialize)]
struct Document<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    instance: &'a str,
    code: &'a str,
    retryable: bool,
    #[serde(skip_serializing_if = "str::is_empty")]
    trace_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<i64>,
    #[serde(skip_serializing_if = "<[FieldError]>::is_empty")]
    errors: &'a [FieldError],
}

impl Problem {
    /// A problem of a known kind.
    pub fn new(code: &'static Code, detail: impl Into<String>) -> Self {
        let problem = Self(Box::new(Parts {
            status: code.status(),
            code: code.name.to_owned(),
            title: code.title,
            detail: detail.into(),
            retryable: code.retryable,
            seq: None,
            errors: Vec::new(),
            headers: Vec::new(),
        }));
        match code.status {
            503 => problem.retry_after(1),
            // The body was not read to its end, so the connection cannot carry another request.
            408 | 413 => problem.header(header::CONNECTION, HeaderValue::from_static("close")),
            _ => problem,
        }
    }

    /// What a writer answered instead of events.
    pub fn refused(status: i32, code: Option<String>, detail: Option<String>) -> Self {
        let status = u16::try_from(status).ok().and_then(|status| StatusCode::from_u16(status).ok());
        let status = status.filter(|status| status.as_u16() >= 400).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let code = code.unwrap_or_else(|| codes::INTERNAL.name.to_owned());
        let title = codes::find(&code).map_or_else(|| title_of(status), |known| known.title);
        let detail = detail.unwrap_or_else(|| "the command was refused without a reason".to_owned());
        let retryable = status == StatusCode::SERVICE_UNAVAILABLE;
        let problem =
            Self(Box::new(Parts { status, code, title, detail, retryable, seq: None, errors: Vec::new(), headers: Vec::new() }));
        if retryable { problem.retry_after(5) } else { problem }
    }

    /// Says when to try again.
    pub fn retry_after(self, seconds: u32) -> Self {
        self.header(header::RETRY_AFTER, HeaderValue::from(seconds))
    }

    /// Sets a header.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.retain(|(other, _)| *other != name);
        self.0.headers.push((name, value));
        self
    }

    /// Says where the aggregate stands, 0 if there is none.
    pub fn seq(mut self, seq: i64) -> Self {
        self.0.seq = Some(seq);
        self
    }

    /// Names the fields that are wrong.
    pub fn errors(mut self, errors: Vec<FieldError>) -> Self {
        self.0.errors = errors;
        self
    }

    /// Its status.
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// Its code.
    pub fn code(&self) -> &str {
        &self.0.code
    }

    /// What happened, for the log.
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    /// The answer to a request for the path `instance`.
    pub fn into_response(self, instance: &str, trace_id: &str) -> Response<Body> {
        let mut response = Response::new(Body::from(serde_json::to_vec(&self.document(instance, trace_id)).unwrap_or_default()));
        let parts = *self.0;
        *response.status_mut() = parts.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.extend(parts.headers);
        response
    }

    /// Its document, to stand within another one.
    pub fn to_json(&self, instance: &str, trace_id: &str) -> Option<Box<RawValue>> {
        serde_json::value::to_raw_value(&self.document(instance, trace_id)).ok()
    }

    fn document<'a>(&'a self, instance: &'a str, trace_id: &'a str) -> Document<'a> {
        let parts = &self.0;
        Document {
            r#type: format!("/problems/{}", parts.code),
            title: parts.title,
            status: parts.status.as_u16(),
            detail: &parts.detail,
            instance,
            code: &parts.code,
            retryable: parts.retryable,
            trace_id,
            seq: parts.seq,
            errors: &parts.errors,
        }
    }
}

/// The title of a refusal whose code only its decider knows.
fn title_of(status: StatusCode) -> &'static str {
    match status.as_u16() {
        403 => "The rules do not allow it for this caller",
        404 => "There is no such aggregate",
        409 => "The rules do not allow it now",
        _ => "The command was refused",
    }
}

/// What a port says of itself may name its files or statements, so it goes to the log and not to the caller.
const OPERATOR: &str = "an operator has to look at the server";

impl From<LogError> for Problem {
    fn from(error: LogError) -> Self {
        match &error {
            LogError::Transient(_) => {
                tracing::debug!(%error, "the log did not take a request");
                Self::new(codes::LOG_AWAY, "the log is busy or away; nothing was done, try again")
            }
            LogError::Ambiguous(_) | LogError::Fenced { .. } => {
                tracing::warn!(%error, "the outcome of a request is unknown");
                Self::new(codes::LOG_AWAY, "the outcome is unknown; ask for the status of the command before sending it again")
            }
            LogError::Absent(_) | LogError::Fatal(_) => {
                tracing::error!(%error, "the log failed");
                Self::new(codes::LOG_AWAY, format!("the log failed; {OPERATOR}")).retry_after(10)
            }
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::Transient(_) => {
                tracing::debug!(%error, "the store did not answer a request");
                Self::new(codes::STORE_AWAY, "the store is busy or away; try again")
            }
            // Before a read model was built for the first time it has no table; afterwards it always has one.
            StoreError::Absent(_) => Self::new(codes::STORE_AWAY, "the read model is not built yet; try again"),
            StoreError::Stale { .. } | StoreError::Fatal(_) => {
                tracing::error!(%error, "the store failed");
                Self::new(codes::STORE_AWAY, format!("the store failed; {OPERATOR}")).retry_after(10)
            }
        }
    }
}

impl From<AnalyticsError> for Problem {
    fn from(error: AnalyticsError) -> Self {
        match error {
            AnalyticsError::Absent(why) => Self::new(codes::ANALYTICS_AWAY, why).retry_after(60),
            AnalyticsError::Refused(why) => Self::new(codes::SQL_REFUSED, why),
            AnalyticsError::Invalid(why) => Self::new(codes::INVALID_SQL, why),
            AnalyticsError::Limit(why) => Self::new(codes::SQL_LIMIT, why),
            AnalyticsError::Transient(why) => {
                tracing::debug!(error = why, "analytics did not answer a request");
                Self::new(codes::ANALYTICS_AWAY, "the analytics engine is busy or away; try again")
            }
            AnalyticsError::Fatal(why) => {
                tracing::error!(error = why, "analytics failed");
                Self::new(codes::ANALYTICS_AWAY, format!("the analytics engine failed; {OPERATOR}")).retry_after(60)
            }
        }
    }
}

impl From<ObjectError> for Problem {
    fn from(error: ObjectError) -> Self {
        match error {
            ObjectError::Transient(why) => {
                tracing::debug!(error = why, "the object store did not answer a request");
                Self::new(codes::OBJECTS_AWAY, "the object store is busy or away; try again")
            }
            ObjectError::Invalid(_) => Self::new(codes::INVALID_ID, "the object store does not take this name"),
            ObjectError::Fatal(why) => {
                tracing::error!(error = why, "the object store failed");
                Self::new(codes::OBJECTS_AWAY, format!("the object store failed; {OPERATOR}")).retry_after(10)
            }
        }
    }
}

impl From<CodecError> for Problem {
    fn from(error: CodecError) -> Self {
        match error {
            CodecError::Json(wrong) => {
                let errors = wrong.problems.into_iter().map(|JsonProblem { pointer, detail }| FieldError { pointer, detail });
                let errors: Vec<_> = errors.collect();
                let first = errors.first().map(|first| match first.pointer.as_str() {
                    "" => first.detail.clone(),
                    pointer => format!("{pointer}: {}", first.detail),
                });
                let more = errors.len().saturating_sub(1);
                let first = first.unwrap_or_else(|| "the body does not fit its schema".to_owned());
                let detail = if more == 0 { first } else { format!("{first} (and {more} more in errors)") };
                Self::new(codes::INVALID_BODY, detail).errors(errors)
            }
            CodecError::TooLarge(bytes) => {
                Self::new(codes::TOO_LARGE, format!("the record would have {bytes} bytes; put large things into a blob"))
            }
            other => {
                tracing::error!(error = %other, "a message cannot be coded");
                Self::new(codes::INTERNAL, format!("a message cannot be coded; {OPERATOR}"))
            }
        }
    }
}

impl From<JsonError> for Problem {
    fn from(error: JsonError) -> Self {
        match error {
            JsonError::TooLarge { limit, .. } => Self::new(codes::TOO_LARGE, format!("the body is larger than {limit} bytes")),
            JsonError::Malformed(why) => Self::new(codes::INVALID_JSON, why),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    const INNER: &str = "near \"SELECT\": secret";

    #[test]
    fn every_error_of_a_port_has_a_status_and_keeps_its_words_inside() {
        let said = || INNER.to_owned();
        let stale = StoreError::Stale { generation: 1, source_name: said(), stored: 1, expected: 2 };
        for (problem, status) in [
            (Problem::from(LogError::Transient(said())), 503),
            (LogError::Ambiguous(said()).into(), 503),
            (LogError::Fenced { name: said(), epoch: 1 }.into(), 503),
            (LogError::Fatal(said()).into(), 503),
            (StoreError::Transient(said()).into(), 503),
            (StoreError::Absent(said()).into(), 503),
            (StoreError::Fatal(said()).into(), 503),
            (stale.into(), 503),
            (ObjectError::Transient(said()).into(), 503),
            (ObjectError::Invalid(said()).into(), 400),
            (ObjectError::Fatal(said()).into(), 503),
            (AnalyticsError::Transient(said()).into(), 503),
            (AnalyticsError::Fatal(said()).into(), 503),
            (CodecError::Prefix(3).into(), 500),
        ] {
            assert_eq!(problem.status(), status, "{problem:?}");
            assert!(!problem.detail().contains("secret"), "{problem:?}");
            let retry_after = problem.into_response("/x", "t").headers().contains_key(header::RETRY_AFTER);
            assert_eq!(retry_after, status == 503);
        }
    }

    #[test]
    fn what_the_analytics_gate_says_is_for_the_caller() {
        for (error, status, code) in [
            (AnalyticsError::Absent("no engine".to_owned()), 503, "analytics_unavailable"),
            (AnalyticsError::Refused("no engine".to_owned()), 403, "sql_refused"),
            (AnalyticsError::Invalid("no engine".to_owned()), 400, "invalid_sql"),
            (AnalyticsError::Limit("no engine".to_owned()), 400, "sql_limit"),
        ] {
            let problem = Problem::from(error);
            assert_eq!((problem.status().as_u16(), problem.code(), problem.detail()), (status, code, "no engine"));
        }
    }

    #[test]
    fn a_writer_s_refusal_keeps_its_code_and_a_strange_status_is_the_server_s_fault() {
        let refused = |status| Problem::refused(status, Some("stale_fence".to_owned()), None);
        assert_eq!((refused(409).status().as_u16(), refused(409).code()), (409, "stale_fence"));
        for strange in [0, 200, 1000, -1] {
            assert_eq!(refused(strange).status(), 500);
        }
    }
}
