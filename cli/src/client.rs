//! The HTTP client of the verbs.

use crate::{
    Done, Global,
    failure::{Exit, Failure},
    server_file::ServerFile,
};
use reqwest::{Method, Response, header};
use serde_json::Value;
use std::time::Duration;

/// Longest wait for an answer.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Speaks to one server.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    /// Base URL, without a slash at the end.
    pub url: String,
    /// Bearer token.
    pub token: Option<String>,
}

impl Client {
    /// The server of `--server`, else the one that holds the data folder.
    pub fn new(global: &Global) -> Done<Self> {
        let file = if global.server.is_none() { ServerFile::read(&global.data) } else { None };
        let url = global.server.clone().or(file.as_ref().map(|f| f.url.clone())).ok_or_else(|| {
            let data = global.data.display();
            Failure::new(
                Exit::Unavailable,
                format!("no server holds {data}: start one with `swarmlog up --data {data}`, or name one with --server URL or SWARMLOG_SERVER"),
            )
        })?;
        let token = global.token.clone().or(file.and_then(|f| f.token));
        let http = reqwest::Client::builder().connect_timeout(Duration::from_secs(5)).build()?;
        Ok(Self { http, url: url.trim_end_matches('/').to_owned(), token })
    }

    /// Reads a JSON answer.
    pub async fn get(&self, path: &str) -> Done<Value> {
        self.json(self.request(Method::GET, path).timeout(TIMEOUT)).await
    }

    /// Sends JSON and reads a JSON answer.
    pub async fn post(&self, path: &str, body: &Value) -> Done<Value> {
        self.json(self.request(Method::POST, path).timeout(TIMEOUT).json(body)).await
    }

    /// A request with the token, for what the short forms do not cover.
    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.url));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Sends a request; an answer that is no success is a failure.
    pub async fn send(&self, request: reqwest::RequestBuilder) -> Done<Response> {
        let answer = request.send().await.map_err(|error| self.away(&error))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let text = answer.text().await.unwrap_or_default();
        let problem = serde_json::from_str(&text)
            .unwrap_or_else(|_| serde_json::json!({ "detail": format!("{status} from {}", self.url) }));
        Err(Failure::from_problem(status.as_u16(), problem))
    }

    async fn json(&self, request: reqwest::RequestBuilder) -> Done<Value> {
        let answer = self.send(request.header(header::ACCEPT, "application/json")).await?;
        answer.json().await.map_err(|error| self.away(&error))
    }

    fn away(&self, error: &reqwest::Error) -> Failure {
        let what = if error.is_timeout() { "did not answer in time" } else { "cannot be reached" };
        Failure::new(Exit::Unavailable, format!("the server {} {what}: is it running? ({error})", self.url))
    }
}
