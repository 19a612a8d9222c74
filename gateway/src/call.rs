//! One request, as a handler sees it: who calls, with which path, query, headers and body.
//!
//! Nothing is read that a handler does not ask for; whatever it asks for is bounded in size and time.

use crate::{Gateway, auth::Principal, blobs, codes, headers, names, problem::Problem, routes::Route};
use axum::{
    body::Body,
    extract::{Query, RawPathParams},
    http::{HeaderValue, header, request::Parts},
};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use parking_lot::Mutex;
use schemas::ConsistencyToken;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;

/// Bodies up to this size take no share of the memory for bodies: a connection has a buffer of this size anyway.
const SMALL: usize = 64 << 10;

/// A request.
pub(crate) struct Call {
    /// The gateway.
    pub gateway: Arc<Gateway>,
    /// The route that it came by.
    pub route: Arc<Route>,
    /// Who calls.
    pub principal: Principal,
    /// Its head.
    pub parts: Parts,
    /// The parameters of its path.
    pub path: RawPathParams,
    /// Its body; the lock is never waited for, it lets handlers share the call while they wait for something else.
    pub body: Mutex<Body>,
    /// The share of the memory for bodies that this one takes, as long as the call lasts.
    pub memory: Option<OwnedSemaphorePermit>,
}

impl Call {
    /// A parameter of the path, undecided what it may look like.
    pub fn raw(&self, name: &str) -> &str {
        self.path.iter().find(|(key, _)| *key == name).map_or("", |(_, value)| value)
    }

    /// A parameter of the path that is an identifier.
    pub fn name(&self, name: &str) -> Result<&str, Problem> {
        names::name(name, self.raw(name))
    }

    /// The parameters of the query, each given once and free of NUL.
    pub fn query(&self) -> Result<Vec<(String, String)>, Problem> {
        let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(&self.parts.uri)
            .map_err(|_| Problem::new(codes::INVALID_PARAMETER, "the query is not a list of name=value"))?;
        for (place, (name, value)) in pairs.iter().enumerate() {
            let shown: String = name.chars().filter(|c| c.is_ascii_graphic()).take(40).collect();
            if pairs[..place].iter().any(|(other, _)| other == name) {
                return Err(Problem::new(codes::INVALID_PARAMETER, format!("the parameter {shown} is given twice")));
            }
            if value.len() > 4096 || value.contains('\0') {
                return Err(Problem::new(codes::INVALID_PARAMETER, format!("the value of {shown} is too long or holds NUL")));
            }
        }
        Ok(pairs)
    }

    /// Refuses any parameter in the query.
    pub fn no_query(&self) -> Result<(), Problem> {
        match self.parts.uri.query() {
            None | Some("") => Ok(()),
            Some(_) => Err(Problem::new(codes::INVALID_PARAMETER, "this resource takes no parameters")),
        }
    }

    /// What the query's reader has to see.
    pub fn token(&self) -> Result<Option<ConsistencyToken>, Problem> {
        headers::one(&self.parts.headers, &headers::CONSISTENCY_TOKEN)?
            .map(|text| text.parse().map_err(|error: schemas::TokenError| Problem::new(codes::INVALID_TOKEN, error.to_string())))
            .transpose()
    }

    /// The body, whose content type must be among those given.
    pub async fn bytes(&mut self, content_types: &[&str]) -> Result<Bytes, Problem> {
        let given = self.parts.headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
        let essence = given.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        if !content_types.iter().any(|expected| essence.eq_ignore_ascii_case(expected.as_bytes())) {
            let expected = content_types.join(" or ");
            return Err(Problem::new(codes::UNSUPPORTED_MEDIA, format!("the header Content-Type must be {expected}")));
        }
        self.any_bytes().await
    }

    /// The body, of whatever content type.
    pub async fn any_bytes(&mut self) -> Result<Bytes, Problem> {
        if self.parts.headers.get(header::CONTENT_ENCODING).is_some_and(|coding| coding != "identity") {
            return Err(Problem::new(
                codes::UNSUPPORTED_MEDIA,
                "compressed bodies are not taken; send it without Content-Encoding",
            ));
        }
        let rule = self.route.body;
        let length =
            self.parts.headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        if length.is_some_and(|length| length > rule.bytes) {
            return Err(too_large(rule.bytes));
        }
        let most = length.unwrap_or(rule.bytes);
        if self.route.path != blobs::PATH && most > SMALL {
            let share = u32::try_from(most).unwrap_or(u32::MAX);
            let full = |_| Problem::new(codes::BUSY, "too many large bodies are under way already; try again");
            self.memory = Some(self.gateway.body_memory.clone().try_acquire_many_owned(share).map_err(full)?);
        }
        match tokio::time::timeout(rule.time, collect(self.body.get_mut(), length.unwrap_or(0), rule.bytes)).await {
            Ok(body) => body,
            Err(_) => Err(Problem::new(codes::SLOW_REQUEST, format!("the body did not arrive within {} s", rule.time.as_secs()))
                .header(header::CONNECTION, HeaderValue::from_static("close"))),
        }
    }

    /// The body as a JSON document of a known shape; unknown and repeated fields are refused by the shape.
    pub async fn json<T: DeserializeOwned>(&mut self) -> Result<T, Problem> {
        let body = self.bytes(&["application/json"]).await?;
        serde_json::from_slice(&body).map_err(|error| {
            let code = if error.is_data() { codes::INVALID_BODY } else { codes::INVALID_JSON };
            Problem::new(code, shape_error(&error))
        })
    }
}

/// What serde says, without the values that it repeats.
fn shape_error(error: &serde_json::Error) -> String {
    let said = error.to_string();
    let place = format!("line {} column {}", error.line(), error.column());
    // "unknown field `x`, expected ..", "missing field `x`", "duplicate field `x`" and syntax errors repeat no value;
    // "invalid type: string "secret", expected .." does.
    match said.strip_prefix("invalid ").and_then(|rest| rest.split_once(", expected ")) {
        Some((_, expected)) => format!("a value has the wrong kind: expected {expected}"),
        None if said.len() > 400 => format!("the body does not have the shape of this request at {place}"),
        None => said,
    }
}

/// The whole body, at most `limit` bytes.
async fn collect(body: &mut Body, expected: usize, limit: usize) -> Result<Bytes, Problem> {
    let cut = |_| Problem::new(codes::INVALID_JSON, "the body was cut off");
    let Some(first) = next(body).await.map_err(cut)? else { return Ok(Bytes::new()) };
    if first.len() > limit {
        return Err(too_large(limit));
    }
    let Some(second) = next(body).await.map_err(cut)? else { return Ok(first) };
    // What the head promises is not trusted with more memory than a few pages before it arrives.
    let mut whole = BytesMut::with_capacity((first.len() + second.len()).max(expected.min(1 << 20)));
    whole.extend_from_slice(&first);
    let mut part = Some(second);
    while let Some(bytes) = part {
        if whole.len() + bytes.len() > limit {
            return Err(too_large(limit));
        }
        whole.extend_from_slice(&bytes);
        part = next(body).await.map_err(cut)?;
    }
    Ok(whole.freeze())
}

async fn next(body: &mut Body) -> Result<Option<Bytes>, axum::Error> {
    loop {
        match body.frame().await {
            None => return Ok(None),
            Some(frame) => {
                // Trailers say nothing here.
                if let Ok(data) = frame?.into_data() {
                    return Ok(Some(data));
                }
            }
        }
    }
}

fn too_large(limit: usize) -> Problem {
    Problem::new(codes::TOO_LARGE, format!("the body is larger than {limit} bytes"))
}
