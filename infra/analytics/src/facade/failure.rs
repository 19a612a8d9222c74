//! How a failed request is answered.

use crate::AnalyticsError;
use axum::{
    http::{HeaderValue, StatusCode, header::WWW_AUTHENTICATE},
    response::{IntoResponse, Response},
};
use chdb::ChdbError;

/// A status, ClickHouse's error code and a message.
#[derive(Debug)]
pub(super) struct Failure {
    status: StatusCode,
    code: i32,
    message: String,
}

impl Failure {
    fn new(status: StatusCode, code: i32, message: impl std::fmt::Display) -> Self {
        Self { status, code, message: format!("Code: {code}. DB::Exception: {message}") }
    }

    /// The request is wrong (`BAD_ARGUMENTS`).
    pub(super) fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, 36, message.into())
    }

    /// The body did not come to its end (`ABORTED`).
    pub(super) fn aborted(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, 236, message.into())
    }

    /// The body is too large (`TOO_MANY_BYTES`).
    pub(super) fn too_large(message: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, 307, message.into())
    }

    /// The user may not do that (`ACCESS_DENIED`).
    pub(super) fn refused(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, 497, message.into())
    }

    /// Nobody said who he is (`AUTHENTICATION_FAILED`).
    pub(super) fn anonymous() -> Self {
        let message = "Authentication failed: send X-ClickHouse-User and X-ClickHouse-Key, or Basic authorization";
        Self::new(StatusCode::UNAUTHORIZED, 516, message)
    }

    /// There is no such user, or the password is another (`AUTHENTICATION_FAILED`).
    pub(super) fn unknown_user() -> Self {
        let message = "Authentication failed: password is incorrect, or there is no user with such name";
        Self::new(StatusCode::FORBIDDEN, 516, message)
    }

    /// Too many requests are here already (`TOO_MANY_SIMULTANEOUS_QUERIES`).
    pub(super) fn full(places: usize) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, 202, format!("{places} requests are waiting already: try again"))
    }

    /// A thread panicked (`LOGICAL_ERROR`).
    pub(super) fn panicked(error: &tokio::task::JoinError) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, 49, error)
    }

    /// What stands in the body.
    pub(super) fn message(&self) -> &str {
        &self.message
    }
}

impl From<ChdbError> for Failure {
    fn from(error: ChdbError) -> Self {
        match error {
            ChdbError::Statement { code, message } => Self { status: StatusCode::INTERNAL_SERVER_ERROR, code, message },
            other => Self::new(StatusCode::SERVICE_UNAVAILABLE, 236, other),
        }
    }
}

impl From<AnalyticsError> for Failure {
    fn from(error: AnalyticsError) -> Self {
        match error {
            AnalyticsError::Refused(_) => Self::new(StatusCode::FORBIDDEN, 497, error),
            AnalyticsError::Invalid(_) => Self::new(StatusCode::BAD_REQUEST, 62, error),
            AnalyticsError::Limit(_) => Self::new(StatusCode::BAD_REQUEST, 168, error),
            AnalyticsError::Absent(_) | AnalyticsError::Transient(_) => Self::new(StatusCode::SERVICE_UNAVAILABLE, 202, error),
            AnalyticsError::Fatal(_) => Self::new(StatusCode::INTERNAL_SERVER_ERROR, 49, error),
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = (self.status, self.message + "\n").into_response();
        let headers = response.headers_mut();
        headers.insert("X-ClickHouse-Exception-Code", HeaderValue::from(self.code));
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"ClickHouse\""));
        }
        response
    }
}
