//! One request, repeated until it is answered.
//!
//! A server that is away is no error: the worker says so once, waits with growing pauses, and says so once more when it
//! is back. The caller learns whether an earlier try of the same request may have been heard although its answer was
//! lost. A caller that must not wait drops the future.

use crate::{Config, WorkerError, protocol::messages::Problem};
use rand::Rng;
use reqwest::{Method, StatusCode, Url, header::RETRY_AFTER};
use serde_json::Value;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// How long an answer may take, beyond what the request itself asks the server to wait.
const ANSWER: Duration = Duration::from_secs(10);
const CONNECT: Duration = Duration::from_secs(3);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// The longest pause that a server may ask for.
const LONGEST_WISH: Duration = Duration::from_secs(30);

/// Speaks to one server. Clones are cheap.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    server: Url,
    token: Option<String>,
    is_away: Arc<AtomicBool>,
}

/// A request.
#[derive(Debug)]
pub(crate) struct Ask<'a> {
    pub method: Method,
    pub path: &'a [&'a str],
    pub body: Body<'a>,
    /// How long the request asks the server to wait.
    pub wait: Duration,
    /// Makes every try the same command, so that a repeat gets the first answer.
    pub key: Option<&'a str>,
}

impl<'a> Ask<'a> {
    /// Asks for something that is there.
    pub fn get(path: &'a [&'a str]) -> Self {
        Self { method: Method::GET, path, body: Body::None, wait: Duration::ZERO, key: None }
    }

    /// Says something that is answered at once.
    pub fn post(path: &'a [&'a str], body: &'a Value) -> Self {
        Self { method: Method::POST, path, body: Body::Json(body), wait: Duration::ZERO, key: None }
    }
}

#[derive(Debug)]
pub(crate) enum Body<'a> {
    None,
    Json(&'a Value),
    Bytes(&'a [u8]),
}

/// What the server said in the end.
#[derive(Debug)]
pub(crate) enum Heard {
    /// 2xx.
    Yes(Vec<u8>),
    /// 404, 409 or 410: what the request is about is not (or no longer) as it has to be.
    No { code: String, detail: String, maybe_heard_before: bool },
}

/// What became of one try.
enum Tried {
    Answered(Heard),
    /// Try again; the pause that the server wishes, and whether the request may have been carried out.
    Again {
        why: String,
        pause: Option<Duration>,
        maybe_heard: bool,
    },
}

impl Client {
    pub fn new(config: &Config) -> Result<Self, WorkerError> {
        if config.server.scheme() != "http" || config.server.cannot_be_a_base() {
            return Err(WorkerError::Settings(format!("{} is not a URL that starts with http://", config.server)));
        }
        let http = reqwest::Client::builder().connect_timeout(CONNECT).redirect(reqwest::redirect::Policy::none()).build();
        let http = http.map_err(|error| WorkerError::Settings(format!("cannot make an HTTP client: {error}")))?;
        Ok(Self { http, server: config.server.clone(), token: config.token.clone(), is_away: Arc::default() })
    }

    /// Asks until the server answers.
    pub async fn ask(&self, ask: Ask<'_>) -> Result<Heard, WorkerError> {
        let mut pause = FIRST_PAUSE;
        let mut maybe_heard_before = false;
        loop {
            match self.once(&ask).await? {
                Tried::Answered(Heard::No { code, detail, .. }) => {
                    self.is_back();
                    return Ok(Heard::No { code, detail, maybe_heard_before });
                }
                Tried::Answered(heard) => {
                    self.is_back();
                    return Ok(heard);
                }
                Tried::Again { why, pause: wish, maybe_heard } => {
                    self.is_gone(&why);
                    maybe_heard_before |= maybe_heard;
                    // Workers that lost the same server must not all come back at once.
                    let jittered = pause.mul_f64(rand::thread_rng().gen_range(0.5..1.0));
                    tokio::time::sleep(wish.unwrap_or(jittered)).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    async fn once(&self, ask: &Ask<'_>) -> Result<Tried, WorkerError> {
        let mut request = self.http.request(ask.method.clone(), self.url(ask.path)).timeout(ask.wait + ANSWER);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        if let Some(key) = ask.key {
            request = request.header("idempotency-key", format!("\"{key}\""));
        }
        request = match ask.body {
            Body::None => request,
            Body::Json(json) => request.json(json),
            Body::Bytes(bytes) => request.header("content-type", "application/octet-stream").body(bytes.to_vec()),
        };
        let lost = |error: reqwest::Error| Tried::Again { maybe_heard: !error.is_connect(), why: causes(&error), pause: None };
        let answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) => return Ok(lost(error)),
        };
        let status = answer.status();
        let wish = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok()).map(Duration::from_secs);
        let body = match answer.bytes().await {
            Ok(body) => body.to_vec(),
            Err(error) => return Ok(lost(error)),
        };
        let problem = || {
            let problem: Problem = serde_json::from_slice(&body).unwrap_or_default();
            let detail = if problem.detail.is_empty() { problem.title } else { problem.detail };
            (problem.code, if detail.is_empty() { status.to_string() } else { detail })
        };
        Ok(match status {
            // The command is on its way, its outcome is not known: the next try will tell.
            StatusCode::ACCEPTED => Tried::Again { why: "the outcome takes long".to_owned(), pause: wish, maybe_heard: true },
            status if status.is_success() => Tried::Answered(Heard::Yes(body)),
            StatusCode::NOT_FOUND | StatusCode::CONFLICT | StatusCode::GONE => {
                let (code, detail) = problem();
                Tried::Answered(Heard::No { code, detail, maybe_heard_before: false })
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                return Err(WorkerError::Unauthorized { status: status.as_u16(), detail: problem().1 });
            }
            status
                if status.is_server_error() || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT) =>
            {
                let maybe_heard = status != StatusCode::TOO_MANY_REQUESTS;
                Tried::Again { why: problem().1, pause: wish.map(|wish| wish.min(LONGEST_WISH)), maybe_heard }
            }
            status => {
                let call = format!("{} /{}", ask.method, ask.path.join("/"));
                return Err(WorkerError::Refused { call, status: status.as_u16(), detail: problem().1 });
            }
        })
    }

    fn url(&self, path: &[&str]) -> Url {
        let mut url = self.server.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }

    fn is_gone(&self, why: &str) {
        if !self.is_away.swap(true, Ordering::Relaxed) {
            tracing::warn!(server.url = %self.server, "the server is away or busy ({why}); trying again until it answers");
        }
    }

    fn is_back(&self) {
        if self.is_away.swap(false, Ordering::Relaxed) {
            tracing::warn!(server.url = %self.server, "the server answers again");
        }
    }
}

/// The error with what caused it; reqwest alone does not say why a connection failed.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}
