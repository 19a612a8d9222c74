//! A part of ClickHouse's HTTP interface in front of the engine in the process: as much as the `clickhouse` crate,
//! `curl` and simple tools need, reached through memory or through a listener.
//!
//! `INSERT .. FORMAT name` in the URL and rows in the body is an insert; everything else in URL and body is a statement,
//! plain or with parameters as a form. Everything else in the URL is a setting of the session, and a request is a
//! session. A failure before the first byte is a status and a message; a later one ends the body with the exception
//! block that the crate looks for. A `GET` only reads. Answers are never compressed. What is not offered (compressed
//! answers, sessions over several requests, rows in the text of a statement) is refused and not ignored, where the
//! caller would notice the difference.

mod body;
mod connector;
mod failure;
mod form;
mod format;
mod frames;
mod insert;
mod output;
mod query;
mod request;
mod users;

pub use users::{User, Users};

use crate::{
    metrics as names,
    session::{Rights, Sessions},
};
use axum::{
    Router,
    extract::{Request, State},
    http::Method,
    response::{IntoResponse, Response},
    routing::get,
};
use clickhouse::{Client, Compression};
use failure::Failure;
use hyper_util::rt::TokioExecutor;
use request::Parameters;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Settings that make one block of every insert, however many rows it has: a block is stored whole or not at all, and
/// a deduplication token names one.
pub(crate) const ONE_BLOCK: [(&str, &str); 3] =
    [("max_insert_block_size", "100000000"), ("min_insert_block_size_rows", "100000000"), ("min_insert_block_size_bytes", "0")];

/// How many requests may wait for their turn or for their body. Further ones are refused at once.
const REQUESTS: usize = 128;

/// A client whose requests go to the engine.
pub(crate) fn client(sessions: Arc<Sessions>) -> Client {
    let connector = connector::InProcess::new(router(sessions, None));
    let http = hyper_util::client::legacy::Client::builder(TokioExecutor::new()).pool_max_idle_per_host(8).build(connector);
    let client = Client::with_http_client(http).with_url("http://in-process/").with_compression(Compression::None);
    ONE_BLOCK.into_iter().fold(client, |client, (name, value)| client.with_setting(name, value))
}

/// Routes for a listener, where everybody has to say who he is.
pub(crate) fn served(sessions: Arc<Sessions>, users: Users) -> Router {
    router(sessions, Some(users)).route("/ping", get(|| async { ALIVE }))
}

/// What ClickHouse answers who asks for nothing.
const ALIVE: &str = "Ok.\n";

fn router(sessions: Arc<Sessions>, users: Option<Users>) -> Router {
    let facade = Facade { sessions, users: users.map(Arc::new), places: Arc::new(Semaphore::new(REQUESTS)) };
    Router::new().route("/", get(handle).post(handle)).with_state(facade)
}

#[derive(Clone)]
struct Facade {
    sessions: Arc<Sessions>,
    /// `None` where only this program can come.
    users: Option<Arc<Users>>,
    places: Arc<Semaphore>,
}

async fn handle(State(facade): State<Facade>, request: Request) -> Response {
    let reads = request.method() != Method::POST;
    if reads && request.uri().query().is_none() {
        return ALIVE.into_response();
    }
    let parameters = Parameters::read(request.uri());
    let insert = parameters.query.as_deref().filter(|_| !reads).and_then(insert::split);
    let insert = insert.map(|(statement, format)| (statement.to_owned(), format.to_owned()));
    let kind = if insert.is_some() { "insert" } else { "query" };
    let answer = facade.answer(insert, reads, parameters, request).await;
    let outcome = if answer.is_ok() { "answered" } else { "failed" };
    metrics::counter!(names::CLIENT_REQUESTS, "kind" => kind, "outcome" => outcome).increment(1);
    answer.unwrap_or_else(IntoResponse::into_response)
}

impl Facade {
    async fn answer(
        &self,
        insert: Option<(String, String)>,
        reads: bool,
        mut parameters: Parameters,
        request: Request,
    ) -> Result<Response, Failure> {
        let rights = self.users.as_ref().map_or(Ok(Rights::Trusted), |users| users.identify(request.headers()))?;
        let _place = self.places.try_acquire().map_err(|_| Failure::full(REQUESTS))?;
        parameters.check(request.headers())?;
        if reads {
            parameters.settings.retain(|(name, _)| name != "readonly");
            parameters.settings.push(("readonly".to_owned(), "2".to_owned()));
        }
        match (insert, rights) {
            (Some(insert), Rights::Trusted) => {
                insert::answer(self.sessions.clone(), insert, parameters, request.into_body()).await
            }
            (Some(_), Rights::Stranger) => Err(Failure::refused("this user may only read")),
            (None, _) => query::answer(&self.sessions, rights, parameters, request).await,
        }
    }
}
