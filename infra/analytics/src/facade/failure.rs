//! How a failed request is answered.

use crate::AnalyticsError;
use axum::{
    http::{HeaderValue, StatusCode},
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
    /// The request is wrong (`BAD_ARGUMENTS`).
    pub(super) fn bad(message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, code: 36, message: format!("Code: 36. DB::Exception: {}", message.into()) }
    }

    /// The body did not come to its end (`ABORTED`).
    pub(super) fn aborted(message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, code: 236, message: format!("Code: 236. DB::Exception: {}", message.into()) }
    }

    /// A thread panicked (`LOGICAL_ERROR`).
    pub(super) fn panicked(error: &tokio::task::JoinError) -> Self {
        let message = format!("Code: 49. DB::Exception: {error}");
        Self { status: StatusCode::INTERNAL_SERVER_ERROR, code: 49, message }
    }

    /// What stands in the body.
    pub(super) fn message(&self) -> &str {
        &self.message
    }
}

impl From<ChdbError> for Failure {
    fn from(error: ChdbError) -> Self {
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        match error {
            ChdbError::Statement { code, message } => Self { status, code, message },
            other => Self { status: StatusCode::SERVICE_UNAVAILABLE, code: 0, message: other.to_string() },
        }
    }
}

impl From<AnalyticsError> for Failure {
    fn from(error: AnalyticsError) -> Self {
        Self { status: StatusCode::SERVICE_UNAVAILABLE, code: 202, message: error.to_string() }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = (self.status, self.message).into_response();
        response.headers_mut().insert("X-ClickHouse-Exception-Code", HeaderValue::from(self.code));
        response
    }
}
