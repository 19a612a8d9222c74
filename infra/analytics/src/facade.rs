//! A part of ClickHouse's HTTP interface in front of the engine in the process: as much as the `clickhouse` crate
//! needs, reached through memory instead of a port.
//!
//! `POST /` with `query=INSERT ..` in the URL and rows in the body is an insert; without it the body is a statement,
//! plain or with parameters as a form. Everything else in the URL is a setting of the session, and a request is a
//! session. A failure before the first byte is a status and a message; a later one ends the body with the exception
//! block that the crate looks for. Answers are never compressed: they do not leave the process.

mod connector;
mod failure;
mod form;
mod frames;
mod insert;
mod query;
mod request;

use crate::{metrics as names, session::Sessions};
use axum::{
    Router,
    extract::{Request, State},
    response::{IntoResponse, Response},
    routing::post,
};
use clickhouse::{Client, Compression};
use failure::Failure;
use hyper_util::rt::TokioExecutor;
use request::Parameters;
use std::sync::Arc;

/// Settings that make one block of every insert, however many rows it has: a block is stored whole or not at all, and
/// a deduplication token names one.
const ONE_BLOCK: [(&str, &str); 3] =
    [("max_insert_block_size", "100000000"), ("min_insert_block_size_rows", "100000000"), ("min_insert_block_size_bytes", "0")];

/// A client whose requests go to the engine.
pub(crate) fn client(sessions: Arc<Sessions>) -> Client {
    let connector = connector::InProcess::new(router(sessions));
    let http = hyper_util::client::legacy::Client::builder(TokioExecutor::new()).pool_max_idle_per_host(8).build(connector);
    let client = Client::with_http_client(http).with_url("http://in-process/").with_compression(Compression::None);
    ONE_BLOCK.into_iter().fold(client, |client, (name, value)| client.with_setting(name, value))
}

fn router(sessions: Arc<Sessions>) -> Router {
    Router::new().route("/", post(handle)).with_state(sessions)
}

async fn handle(State(sessions): State<Arc<Sessions>>, request: Request) -> Response {
    let parameters = Parameters::read(request.uri());
    let kind = if parameters.query.is_some() { "insert" } else { "query" };
    let answer: Result<Response, Failure> = match parameters.query {
        Some(_) => insert::answer(sessions, parameters, request.into_body()).await,
        None => query::answer(sessions, parameters, request).await,
    };
    let outcome = if answer.is_ok() { "answered" } else { "failed" };
    metrics::counter!(names::CLIENT_REQUESTS, "kind" => kind, "outcome" => outcome).increment(1);
    answer.unwrap_or_else(IntoResponse::into_response)
}
