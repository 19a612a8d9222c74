//! Answers in the registry's own form: its content type, and errors as `{"error_code", "message"}`.

use super::MEDIA;
use crate::{problem::Problem, routes::Answer};
use axum::{
    body::Body,
    http::{HeaderValue, Response, StatusCode, header},
};
use serde::Serialize;
use serde_json::json;

/// Why there is no other answer; named and numbered as clients know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// No such subject.
    Subject(String),
    /// No such version of the subject.
    Version(u32),
    /// No such schema, by id or by content.
    Schema(String),
    /// The schema cannot be read.
    Invalid(String),
    /// The version is neither a number nor `latest`.
    VersionForm(String),
    /// Another level of compatibility than the one kept.
    Level,
    /// The schema could be registered, but not here.
    ReadOnly(String),
    /// Records of a version before could not be read with the schema.
    Incompatible(String),
}

impl Failure {
    /// The number that clients look at; the status is its first three digits.
    pub fn code(&self) -> u16 {
        match self {
            Self::Subject(_) => 40401,
            Self::Version(_) => 40402,
            Self::Schema(_) => 40403,
            Self::Incompatible(_) => 409,
            Self::Invalid(_) => 42201,
            Self::VersionForm(_) => 42202,
            Self::Level => 42203,
            Self::ReadOnly(_) => 42205,
        }
    }

    /// What happened and what to do.
    pub fn message(&self) -> String {
        match self {
            Self::Subject(name) => format!("subject {:?} not found; a subject is the full name of a record", excerpt(name)),
            Self::Version(version) => format!("version {version} not found"),
            Self::Schema(what) => format!("schema {} not found", excerpt(what)),
            Self::Invalid(why) => format!("invalid schema: {why}"),
            Self::VersionForm(text) => format!("{:?} is no version: it is a number from 1, or latest", excerpt(text)),
            Self::Level => "the compatibility level is BACKWARD_TRANSITIVE and cannot be changed".to_owned(),
            Self::ReadOnly(subject) => format!(
                "subject {subject} is in read-only mode: the schema would pass; put it into schemas/avro, run make schemas, and \
                 deploy the readers first"
            ),
            Self::Incompatible(why) => format!("schema being registered is incompatible with an earlier schema: {why}"),
        }
    }
}

/// The answer to a request.
pub(super) fn answer(result: Result<impl Serialize, Failure>) -> Answer {
    Ok(match result {
        Ok(body) => response(StatusCode::OK, serde_json::to_vec(&body).unwrap_or_default()),
        Err(failure) => {
            let code = failure.code();
            let status = if code < 1000 { code } else { code / 100 };
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            response(status, error(code, &failure.message()))
        }
    })
}

/// An error that has nothing to do with schemas, in the registry's form.
pub(super) fn problem(problem: Problem, instance: &str, trace_id: &str) -> Response<Body> {
    let body = error(problem.status().as_u16(), problem.detail());
    let mut response = problem.into_response(instance, trace_id);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA));
    *response.body_mut() = Body::from(body);
    response
}

fn response(status: StatusCode, body: Vec<u8>) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA));
    response
}

fn error(code: u16, message: &str) -> Vec<u8> {
    json!({ "error_code": code, "message": message }).to_string().into_bytes()
}

/// As much of what a caller sent as an answer repeats.
fn excerpt(text: &str) -> String {
    text.chars().take(128).collect()
}
