//! Ten times what can be decided is offered: what does not fit is turned away and says when to come back, nothing that was
//! acknowledged is lost, and the memory of the server stays within a bound. That it is flat is not shown here.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use swarmlog_tests::{Answer, Client, World, oracle};
use tokio::task::JoinSet;
use uuid::Uuid;

/// Commands of a request.
const BATCH: usize = 500;
/// How long the sustainable load and the overload last.
const PHASE: Duration = Duration::from_secs(4);
/// How often the memory is looked at.
const LOOK: Duration = Duration::from_millis(50);
/// What a second flood may need beyond the first: room for the read models, the state and the engine, which take what
/// was kept of it. This bounds the memory; it does not show that it is flat.
const GROWTH_KIB: u64 = 256 << 10;
/// What the server may need at all, with the ClickHouse engine in its process.
const MOST_KIB: u64 = 1536 << 10;

#[tokio::test(flavor = "multi_thread")]
async fn ten_times_the_sustainable_load_is_turned_away_in_bounded_memory_and_nothing_acknowledged_is_lost() -> Result<()> {
    let mut world = World::start().await?;
    let client = world.client();
    let memory = Memory::watch(world.pid()?);

    let mut told = Told::default();
    let started = Instant::now();
    while started.elapsed() < PHASE {
        for answer in futures::future::join_all((0..4).map(|_| send(&client))).await {
            told.take(&answer?)?;
        }
    }
    let sustainable = told.acknowledged.len() as f64 / started.elapsed().as_secs_f64();
    ensure!(told.turned_away == 0 && sustainable > 0.0, "a load that waits for its answers is not turned away");
    let bearable = memory.highest_kib();

    // The first flood fills every queue to its bound; a queue without one would grow again in the second.
    let offered = flood(&client, sustainable, &mut told).await?;
    let (full, turned_away) = (memory.highest_kib(), told.turned_away);
    let again = flood(&client, sustainable, &mut told).await?;
    let most = memory.highest_kib();
    let (kept, away, unknown) = (told.acknowledged.len() + told.accepted.len(), told.turned_away, told.unknown);
    println!(
        "sustainable {sustainable:.0}/s; offered {offered} and {again} in {PHASE:?} each; kept {kept} in all, turned away {away}, \
         unknown {unknown}; resident at most {} MiB before, {} MiB in the first flood, {} MiB in the second",
        bearable >> 10,
        full >> 10,
        most >> 10
    );
    ensure!(turned_away > 0 && away > turned_away, "a flood was not turned away");
    ensure!(most < full + GROWTH_KIB, "a second flood needs more memory than the first: {full} KiB, then {most} KiB");
    ensure!(most < MOST_KIB, "the server grew to {most} KiB");

    let after = send(&client).await?;
    told.take(&after)?;
    ensure!(after.status == 200, "the server takes commands again: {} {}", after.status, after.body);
    world.settle_and_terminate().await?;
    let (truth, _) = oracle::check(world.data()).await?;
    let results = truth.results()?;
    for command in told.acknowledged.iter().chain(&told.accepted) {
        ensure!(results.get(command) == Some(&201), "{command} was acknowledged, the log says {:?}", results.get(command));
    }
    let kept = told.acknowledged.len() + told.accepted.len();
    ensure!(results.len() <= kept + told.unknown, "what was turned away was decided after all: {} of {kept}", results.len());
    Ok(())
}

/// Offers ten times of what is sustainable, whatever is answered; says how many commands.
async fn flood(client: &Client, sustainable: f64, told: &mut Told) -> Result<usize> {
    let tick = Duration::from_secs_f64(BATCH as f64 / (10.0 * sustainable));
    let (mut requests, mut ticks, started) = (JoinSet::new(), tokio::time::interval(tick), Instant::now());
    while started.elapsed() < PHASE {
        ticks.tick().await;
        let client = client.clone();
        requests.spawn(async move { send(&client).await });
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

async fn send(client: &Client) -> Result<Answer> {
    let submit = json!({ "type": "work.SubmitJob", "body": { "queue": "flood", "kind": "none" } });
    client.post("/v1/commands:batch", &Value::from(vec![submit; BATCH])).await
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
                Some(201) => self.acknowledged.push(command()?),
                Some(202) => self.accepted.push(command()?),
                // Not on record in time: it may come yet.
                Some(503) => self.unknown += 1,
                _ => anyhow::bail!("{result}"),
            }
        }
        Ok(())
    }
}

/// The most memory that a process was seen with.
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

    fn highest_kib(&self) -> u64 {
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
    status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.split_whitespace().next()?.parse().ok()
}
