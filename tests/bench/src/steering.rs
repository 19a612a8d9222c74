//! Questions to a server beside the load: how far its consumers are, and the start of a rebuild.

use crate::{http::Connection, server::TOKEN};
use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

/// The longest wait for consumers to catch up.
const CATCH_UP: Duration = Duration::from_secs(600);
/// How often a condition is looked at.
pub(crate) const EVERY: Duration = Duration::from_millis(20);

/// A connection for questions.
pub struct Steering {
    connection: Connection,
}

impl Steering {
    /// Connects to a server whose token is [`TOKEN`].
    pub async fn open(address: SocketAddr) -> Result<Self> {
        Ok(Self { connection: Connection::open(address).await? })
    }

    /// A call that steers the benchmark.
    pub async fn call(&mut self, method: &str, path: &str, body: Option<&Value>) -> Result<Value> {
        self.connection.call(TOKEN, method, path, body).await
    }

    /// How many events ClickHouse has; an error says why there is no ClickHouse.
    pub async fn analytics_events(&mut self) -> Result<u64> {
        let answer = self.call("POST", "/v1/analytics/sql", Some(&json!({ "sql": "SELECT count() AS n FROM events" }))).await?;
        let count = &answer["data"][0]["n"];
        count.as_u64().or_else(|| count.as_str()?.parse().ok()).with_context(|| format!("no count in {answer}"))
    }

    /// Records that the read models have still to take in.
    pub async fn lag(&mut self) -> Result<u64> {
        let answer = self.call("GET", "/v1/projections", None).await?;
        let items = answer["items"].as_array().with_context(|| format!("no items in {answer}"))?;
        ensure!(!items.is_empty(), "the server has no read models");
        items.iter().map(|item| item["lag"].as_u64().with_context(|| format!("no lag in {item}"))).sum()
    }

    /// Waits until no read model lags; answers how long that took.
    pub async fn caught_up(&mut self) -> Result<Duration> {
        let start = Instant::now();
        while self.lag().await? > 0 {
            ensure!(start.elapsed() < CATCH_UP, "the read models still lag after {CATCH_UP:?}");
            tokio::time::sleep(EVERY).await;
        }
        Ok(start.elapsed())
    }

    /// Waits until ClickHouse has `events`; answers how long that took, and the rate from the first look on.
    pub async fn analytics_caught_up(&mut self, events: u64) -> Result<(Duration, f64)> {
        let start = Instant::now();
        let first = self.analytics_events().await?;
        loop {
            let count = self.analytics_events().await?;
            ensure!(count <= events, "ClickHouse has {count} of {events} events: some count twice");
            if count == events {
                let took = start.elapsed();
                return Ok((took, (count - first) as f64 / took.as_secs_f64().max(0.001)));
            }
            ensure!(start.elapsed() < CATCH_UP, "ClickHouse has only {count} of {events} events after {CATCH_UP:?}");
            tokio::time::sleep(EVERY).await;
        }
    }

    /// Waits until ClickHouse has at least `events`; answers how long that took.
    pub async fn analytics_has(&mut self, events: u64) -> Result<Duration> {
        let start = Instant::now();
        while self.analytics_events().await? < events {
            ensure!(start.elapsed() < CATCH_UP, "ClickHouse still lacks events after {CATCH_UP:?}");
            tokio::time::sleep(EVERY).await;
        }
        Ok(start.elapsed())
    }

    /// Rebuilds a read model; answers how long it took until the new generation was live.
    pub async fn rebuild(&mut self, name: &str) -> Result<Duration> {
        let start = Instant::now();
        let accepted = self.call("POST", &format!("/v1/projections/{name}/rebuild"), None).await?;
        let generation = &accepted["generation"];
        loop {
            let status = self.call("GET", &format!("/v1/projections/{name}"), None).await?;
            let all = status["generations"].as_array().cloned().unwrap_or_default();
            let found = all.iter().find(|found| &found["generation"] == generation);
            match found.map(|found| &found["state"]) {
                Some(state) if state == "live" => return Ok(start.elapsed()),
                Some(_) if start.elapsed() < CATCH_UP => tokio::time::sleep(EVERY).await,
                _ => bail!("generation {generation} of {name} did not become live: {status}"),
            }
        }
    }
}
