//! Ten times what can be decided is offered: what does not fit is turned away and says when to come back, nothing that was
//! acknowledged is lost, and the memory of the server is flat.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use anyhow::{Context, Result, ensure};
use futures::future::{join_all, try_join_all};
use serde_json::json;
use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use swarmlog_tests::{Answer, Client, Setup, World, oracle, race::leased_job};
use tokio::task::JoinSet;
use uuid::Uuid;

/// Commands of a request.
const BATCH: usize = 500;
/// How long the sustainable load and the overload last.
const PHASE: Duration = Duration::from_secs(4);
/// How often it is offered ten times of that.
const FLOODS: usize = 6;
/// How often the memory is looked at.
const LOOK: Duration = Duration::from_millis(50);
/// Jobs whose leases are renewed: the state and the read models stay as large as they are, so that what grows is a queue.
const JOBS: usize = 50;
/// What the second half of the floods may need beyond the first, as a part of it: the read models fill their batches. A queue
/// that kept what is offered would need more than that for every single flood.
const GROWTH: f64 = 0.25;

#[tokio::test(flavor = "multi_thread")]
async fn ten_times_the_sustainable_load_is_turned_away_in_flat_memory_and_nothing_acknowledged_is_lost() -> Result<()> {
    let mut world = World::start_with(Setup::without_analytics()).await?;
    let client = world.client();
    let jobs = try_join_all((0..JOBS).map(|_| leased_job(&client))).await?;
    let memory = Memory::watch(world.pid()?);

    let mut told = Told::default();
    let started = Instant::now();
    while started.elapsed() < PHASE {
        for answer in join_all((0..4).map(|_| renew(&client, &jobs))).await {
            told.take(&answer?)?;
        }
    }
    let sustainable = told.acknowledged.len() as f64 / started.elapsed().as_secs_f64();
    ensure!(told.turned_away == 0 && sustainable > 0.0, "a load that waits for its answers is not turned away");
    println!("sustainable {sustainable:.0}/s; resident at most {} MiB", memory.most() >> 10);

    // The first floods fill every queue to its bound; a queue without one would grow in each of them.
    let mut highest = Vec::new();
    for _ in 0..FLOODS {
        let away = told.turned_away;
        let offered = flood(&client, &jobs, sustainable, &mut told).await?;
        highest.push(memory.most());
        let away = told.turned_away - away;
        println!("offered {offered}, of them turned away {away}; resident at most {} MiB", memory.most() >> 10);
        ensure!(away > 0, "a flood was not turned away");
    }
    let (full, most) = (highest[FLOODS / 2 - 1] as f64, highest[FLOODS - 1] as f64);
    ensure!(most <= full * (1.0 + GROWTH), "the memory is not flat: {highest:?} KiB");

    let after = renew(&client, &jobs).await?;
    told.take(&after)?;
    ensure!(after.status == 200, "the server takes commands again: {} {}", after.status, after.body);
    world.settle_and_terminate().await?;
    let (truth, _) = oracle::check(world.data()).await?;
    let results = truth.results()?;
    for command in told.acknowledged.iter().chain(&told.accepted) {
        ensure!(results.get(command) == Some(&200), "{command} was acknowledged, the log says {:?}", results.get(command));
    }
    let kept = told.acknowledged.len() + told.accepted.len() + 2 * JOBS;
    ensure!(results.len() <= kept + told.unknown, "what was turned away was decided after all: {} of {kept}", results.len());
    Ok(())
}

/// Offers ten times of what is sustainable, whatever is answered; says how many commands.
async fn flood(client: &Client, jobs: &[String], sustainable: f64, told: &mut Told) -> Result<usize> {
    let tick = Duration::from_secs_f64(BATCH as f64 / (10.0 * sustainable));
    let (mut requests, mut ticks, started) = (JoinSet::new(), tokio::time::interval(tick), Instant::now());
    let jobs: Arc<[String]> = jobs.into();
    while started.elapsed() < PHASE {
        ticks.tick().await;
        let (client, jobs) = (client.clone(), Arc::clone(&jobs));
        requests.spawn(async move { renew(&client, &jobs).await });
    }
    let offered = requests.len() * BATCH;
    while let Some(answer) = requests.join_next().await {
        match answer? {
            Ok(answer) => told.take(&answer)?,
            // The client gave up; what it sent may have been decided or not.
            Err(_) => told.unknown += BATCH,
        }
    }
    Ok(offered)
}

async fn renew(client: &Client, jobs: &[String]) -> Result<Answer> {
    let renew = |job: &String| {
        let body = json!({ "job_id": job, "fence": 1, "duration_ms": 3_600_000 });
        json!({ "type": "work.RenewLease", "body": body })
    };
    client.post("/v1/commands:batch", &jobs.iter().cycle().take(BATCH).map(renew).collect()).await
}

/// What callers were told.
#[derive(Default)]
struct Told {
    acknowledged: Vec<Uuid>,
    accepted: Vec<Uuid>,
    unknown: usize,
    turned_away: usize,
}

impl Told {
    fn take(&mut self, answer: &Answer) -> Result<()> {
        if matches!(answer.status, 429 | 503) {
            let seconds: u32 = answer.header("retry-after").parse().context("no Retry-After")?;
            ensure!(seconds > 0 && answer.body["retryable"] == true, "{}", answer.body);
            self.turned_away += BATCH;
            return Ok(());
        }
        ensure!(answer.status == 200, "{}: {}", answer.status, answer.body);
        for result in answer.body["results"].as_array().context("no results")? {
            let command = || anyhow::Ok(result["command_id"].as_str().context("no command")?.parse()?);
            match result["status"].as_u64() {
                Some(200) => self.acknowledged.push(command()?),
                Some(202) => self.accepted.push(command()?),
                // Not on record in time: it may come yet.
                Some(503) => self.unknown += 1,
                _ => anyhow::bail!("{result}"),
            }
        }
        Ok(())
    }
}

/// The most memory of its own that a process was seen with; what it maps of files is the kernel's to take back.
struct Memory {
    highest: Arc<AtomicU64>,
    watch: tokio::task::JoinHandle<()>,
}

impl Memory {
    fn watch(pid: u32) -> Self {
        let highest = Arc::new(AtomicU64::new(0));
        let seen = Arc::clone(&highest);
        let watch = tokio::spawn(async move {
            while let Some(resident) = resident_kib(pid) {
                seen.fetch_max(resident, Ordering::Relaxed);
                tokio::time::sleep(LOOK).await;
            }
        });
        Self { highest, watch }
    }

    /// In KiB.
    fn most(&self) -> u64 {
        self.highest.load(Ordering::Relaxed)
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.watch.abort();
    }
}

fn resident_kib(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?.split_whitespace().next()?.parse().ok()
}
