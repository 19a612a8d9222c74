//! A plain HTTP client that hides nothing: status, headers, body.

use crate::world::eventually;
use anyhow::{Context, Result};
use reqwest::{Method, header::HeaderMap};
use serde_json::Value;
use std::time::Duration;

/// Speaks to one server.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    url: String,
    token: String,
}

/// An answer, whatever its status.
#[derive(Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// Body; null if it is no JSON.
    pub body: Value,
}

impl Answer {
    /// Text of a header, empty if absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

impl Client {
    /// A client of the server at `url`.
    pub fn new(url: &str, token: &str) -> Self {
        Self { http: reqwest::Client::new(), url: url.to_owned(), token: token.to_owned() }
    }

    /// Any request; an error means that no answer came.
    pub async fn call(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Option<&Value>) -> Result<Answer> {
        let mut request =
            self.http.request(method, format!("{}{path}", self.url)).bearer_auth(&self.token).timeout(Duration::from_secs(30));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await?;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let bytes = answer.bytes().await?;
        Ok(Answer { status, headers, body: serde_json::from_slice(&bytes).unwrap_or(Value::Null) })
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Result<Answer> {
        self.call(Method::GET, path, &[], None).await
    }

    /// GET of a page that is no JSON.
    pub async fn text(&self, path: &str) -> Result<String> {
        let request = self.http.get(format!("{}{path}", self.url)).bearer_auth(&self.token).timeout(Duration::from_secs(30));
        Ok(request.send().await?.error_for_status()?.text().await?)
    }

    /// POST.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Answer> {
        self.call(Method::POST, path, &[], Some(body)).await
    }

    /// A command with an idempotency key.
    pub async fn command(&self, name: &str, key: &str, body: &Value) -> Result<Answer> {
        self.call(Method::POST, &format!("/v1/commands/{name}"), &[("idempotency-key", &format!("\"{key}\""))], Some(body)).await
    }

    /// The sum of a metric over its labels, 0 if it was never counted.
    pub async fn metric(&self, name: &str) -> Result<f64> {
        let text = self.http.get(format!("{}/metrics", self.url)).bearer_auth(&self.token).send().await?.text().await?;
        let values = text.lines().filter(|line| line.starts_with(name)).filter_map(|line| line.rsplit_once(' '));
        Ok(values.filter_map(|(_, value)| value.parse::<f64>().ok()).sum())
    }

    /// Waits until every read model has taken in the whole log.
    pub async fn caught_up(&self) -> Result<()> {
        eventually("the read models reach the end of the log", || async {
            let answer = self.get("/v1/projections").await?;
            let items = answer.body["items"].as_array().context("no read models")?;
            Ok(items.iter().all(|projection| projection["lag"] == 0))
        })
        .await
    }

    /// Rows that ClickHouse answers.
    pub async fn sql(&self, statement: &str) -> Result<Vec<Value>> {
        let answer = self.post("/v1/analytics/sql", &serde_json::json!({ "sql": statement })).await?;
        anyhow::ensure!(answer.status == 200, "{statement}: {} {}", answer.status, answer.body);
        Ok(answer.body["data"].as_array().cloned().unwrap_or_default())
    }
}

/// A number that ClickHouse may write as text.
pub fn number(value: &Value) -> u64 {
    value.as_u64().or_else(|| value.as_str().and_then(|text| text.parse().ok())).unwrap_or(u64::MAX)
}

/// Server-sent events.
pub struct Events {
    answer: reqwest::Response,
    buffer: Vec<u8>,
}

impl Client {
    /// Opens a stream.
    pub async fn stream(&self, path: &str, headers: &[(&str, &str)]) -> Result<Events> {
        let mut request = self.http.get(format!("{}{path}", self.url)).bearer_auth(&self.token);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Ok(Events { answer: request.send().await?.error_for_status()?, buffer: Vec::new() })
    }
}

impl Events {
    /// The data of the next event; an error after ten seconds without one.
    pub async fn next(&mut self) -> Result<Value> {
        tokio::time::timeout(Duration::from_secs(10), self.read()).await?
    }

    async fn read(&mut self) -> Result<Value> {
        loop {
            while let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\n\n") {
                let block: Vec<u8> = self.buffer.drain(..end + 2).collect();
                if let Some(data) = String::from_utf8_lossy(&block).lines().find_map(|line| line.strip_prefix("data:")) {
                    return Ok(serde_json::from_str(data.trim())?);
                }
            }
            let chunk = self.answer.chunk().await?;
            self.buffer.extend_from_slice(&chunk.ok_or_else(|| anyhow::anyhow!("the stream ended"))?);
        }
    }
}
