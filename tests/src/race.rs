//! Clients that race for every seq of one aggregate, each with what it was told.
//!
//! A racer expects the seq that it heard of last and tries to make the next one. It repeats an attempt of unknown
//! outcome under its key, through another gateway, until it knows; so at the end every attempt was won or lost.

use crate::{Answer, Client};
use anyhow::{Context, Result, bail, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::task::JoinSet;

/// Pause before an attempt of unknown outcome is repeated, and before the next one: so many clients would else bring more than
/// a debug build can decide, and no answer would come in time.
const PAUSE: Duration = Duration::from_secs(2);

/// A race that is on.
pub struct Race {
    track: Arc<Track>,
    racers: JoinSet<Result<()>>,
}

/// What the racers share.
struct Track {
    gateways: Vec<Client>,
    job: String,
    is_over: AtomicBool,
    /// The highest seq that anybody heard of.
    seq: AtomicI64,
    lost: AtomicUsize,
    repeated: AtomicUsize,
    /// Why a racer gave up.
    failure: Mutex<Option<String>>,
    /// The commands that won, by the seq that they made.
    won: Mutex<BTreeMap<i64, Vec<String>>>,
}

/// How a race ended.
#[derive(Debug)]
pub struct Finish {
    /// The command that made each seq.
    pub winners: BTreeMap<i64, String>,
    /// Attempts that came too late.
    pub lost: usize,
    /// Attempts that were repeated because nobody said what became of them.
    pub repeated: usize,
}

/// Makes a job that a worker holds, which is then at seq 2; its lease is what the racers renew.
pub async fn leased_job(client: &Client) -> Result<String> {
    let submitted = client.post("/v1/commands/work.SubmitJob", &json!({ "queue": "race", "kind": "none" })).await?;
    let job = submitted.body["aggregate"]["id"].as_str().context("the job was not submitted")?.to_owned();
    let lease = json!({ "job_id": job, "worker": "holder", "duration_ms": 3_600_000 });
    let leased = client.post("/v1/commands/work.LeaseJob", &lease).await?;
    ensure!(leased.status == 200 && leased.body["seq"] == 2, "{}", leased.body);
    Ok(job)
}

/// Renews the lease of a job under a condition.
pub async fn renew(client: &Client, job: &str, headers: &[(&str, &str)]) -> Result<Answer> {
    let body = json!({ "job_id": job, "fence": 1, "duration_ms": 3_600_000 });
    client.call(Method::POST, "/v1/commands/work.RenewLease", headers, Some(&body)).await
}

/// The actual seq that a mismatch says in its body and, unless there is no aggregate, as `ETag`.
pub fn actual_seq(answer: &Answer) -> Result<i64> {
    ensure!(answer.status == 412 && answer.body["code"] == "seq_mismatch", "{}: {}", answer.status, answer.body);
    let seq = answer.body["seq"].as_i64().context("a mismatch names no seq")?;
    let etag = if seq == 0 { String::new() } else { format!("\"{seq}\"") };
    ensure!(answer.header("etag") == etag, "the ETag is {}, the seq {seq}", answer.header("etag"));
    Ok(seq)
}

impl Race {
    /// Starts so many racers for a job that [`leased_job`] made.
    pub fn start(gateways: &[Client], job: &str, racers: usize) -> Self {
        let track = Arc::new(Track {
            gateways: gateways.to_vec(),
            job: job.to_owned(),
            is_over: AtomicBool::new(false),
            seq: AtomicI64::new(2),
            lost: AtomicUsize::new(0),
            repeated: AtomicUsize::new(0),
            failure: Mutex::default(),
            won: Mutex::default(),
        });
        let racers = (0..racers).map(|number| Arc::clone(&track).race(number)).collect();
        Self { track, racers }
    }

    /// The highest seq that anybody heard of.
    pub fn seq(&self) -> i64 {
        self.track.seq.load(Ordering::Relaxed)
    }

    /// Fails if a racer gave up.
    pub fn check(&self) -> Result<()> {
        match &*self.track.failure.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(failure) => bail!("a racer gave up: {failure}"),
            None => Ok(()),
        }
    }

    /// Ends the race once every racer knows what became of its last attempt.
    pub async fn finish(mut self) -> Result<Finish> {
        self.track.is_over.store(true, Ordering::Relaxed);
        while let Some(racer) = self.racers.join_next().await {
            racer??;
        }
        let mut winners = BTreeMap::new();
        for (seq, mut commands) in std::mem::take(&mut *self.track.won.lock().unwrap_or_else(PoisonError::into_inner)) {
            let command = commands.pop().context("a seq without a winner")?;
            ensure!(commands.is_empty(), "seq {seq} was won by {command} and by {commands:?}");
            winners.insert(seq, command);
        }
        let (lost, repeated) = (self.track.lost.load(Ordering::Relaxed), self.track.repeated.load(Ordering::Relaxed));
        Ok(Finish { winners, lost, repeated })
    }
}

impl Track {
    async fn race(self: Arc<Self>, racer: usize) -> Result<()> {
        let (mut expected, mut attempt) = (2, 0);
        while !self.is_over.load(Ordering::Relaxed) {
            attempt += 1;
            let attempted = self.attempt(racer, &format!("racer-{racer}-{attempt}"), expected).await;
            expected = attempted.inspect_err(|error| {
                *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(format!("{error:#}"));
            })?;
            self.seq.fetch_max(expected, Ordering::Relaxed);
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    /// One attempt; answers where the aggregate then stood.
    async fn attempt(&self, racer: usize, key: &str, expected: i64) -> Result<i64> {
        let (key, expected) = (format!("\"{key}\""), format!("\"{expected}\""));
        for gateway in self.gateways.iter().cycle().skip(racer % self.gateways.len()) {
            let headers = [("idempotency-key", key.as_str()), ("if-match", expected.as_str())];
            match renew(gateway, &self.job, &headers).await {
                Ok(answer) if answer.status == 200 => return self.wins(&answer.body),
                Ok(answer) if answer.status == 412 => {
                    self.lost.fetch_add(1, Ordering::Relaxed);
                    return actual_seq(&answer);
                }
                Ok(answer) if !matches!(answer.status, 202 | 503) => bail!("{}: {}", answer.status, answer.body),
                // No answer, on record only, or a part that is away.
                _ => {
                    self.repeated.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
        bail!("there is no gateway")
    }

    fn wins(&self, body: &Value) -> Result<i64> {
        let seq = body["seq"].as_i64().context("an answer without seq")?;
        let command = body["command_id"].as_str().context("an answer without command")?.to_owned();
        self.won.lock().unwrap_or_else(PoisonError::into_inner).entry(seq).or_default().push(command);
        Ok(seq)
    }
}
