//! Commands through the in-process client: the same path as a POST, without HTTP and without JSON.
//!
//! Callers are closed loops, as those of [`load`](crate::load). They run on the threads that the parts run on, as they
//! would in a program that embeds the log, so the processor time of both is one figure.

use crate::{
    cpu::Cpu,
    load::{Measured, job_id},
    plan::Plan,
    report::{Figure, Report, Target},
    requests::WARM_UP,
    whole::Whole,
};
use anyhow::{Context, Result, ensure};
use gateway::Client;
use hdrhistogram::Histogram;
use schemas::work::{Priority, SubmitJob};
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tokio::{task::JoinSet, time::timeout};

/// How long the last answers may take.
const LAST: Duration = Duration::from_secs(60);

/// Callers, and how many commands a second they have to get answered together.
const ROWS: [(usize, f64); 2] = [(64, 40_000.0), (1_024, 70_000.0)];

/// Measures both rows on one empty log, after a warm-up.
pub async fn measure(plan: &Plan, durable: &'static str, report: &mut Report) -> Result<()> {
    let data = TempDir::new()?;
    let whole = Whole::start(data.path()).await?;
    let submitted = Arc::new(AtomicU64::new(0));
    let mut events = Callers::new(whole.client().await?, &submitted).run(ROWS[0].0, WARM_UP).await?.good();
    whole.asked(async |mut steering| steering.caught_up().await).await?;
    for (callers, rate) in ROWS {
        let name = format!("in-process client, {callers} callers");
        eprintln!("{name}");
        let load = Callers::new(whole.client().await?, &submitted);
        let (before, start) = (Cpu::now(None)?, Instant::now());
        let measured = load.run(callers, plan.time).await?;
        let cpu = Cpu::now(None)?.since(&before, start.elapsed());
        drop(load);
        ensure!(measured.good() > 0, "no answer was good: {:?} {:?}", measured.statuses, measured.broken);
        events += measured.good();
        let figure = Figure { durable: Some(durable), ..Figure::of_load(&name, &measured, cpu, Target::rate(rate)) };
        let mut figure = whole.asked(async |mut steering| figure.followed_by(&mut steering, events).await).await?;
        let note = figure.note.take().unwrap_or_default();
        figure.note = Some(format!("callers and parts are one process, all its time is under client; {note}"));
        report.figures.push(figure);
    }
    whole.stop().await
}

/// Closed loops over one client.
struct Callers {
    client: Arc<Client>,
    submitted: Arc<AtomicU64>,
}

/// What one caller saw: latencies in nanoseconds, answers by status, and what was said instead of the last answer.
type Seen = (Vec<u64>, BTreeMap<u16, u64>, Option<String>);

impl Callers {
    fn new(client: Client, submitted: &Arc<AtomicU64>) -> Self {
        Self { client: Arc::new(client), submitted: submitted.clone() }
    }

    async fn run(&self, callers: usize, time: Duration) -> Result<Measured> {
        let start = Instant::now();
        let mut tasks = JoinSet::new();
        for _ in 0..callers {
            tasks.spawn(call(self.client.clone(), self.submitted.clone(), start + time));
        }
        let seen = timeout(time + LAST, tasks.join_all()).await.context("commands are not answered any more")?;
        let elapsed = start.elapsed();
        let mut latency = Histogram::new_with_bounds(1_000, 60_000_000_000, 3)?;
        let (mut statuses, mut broken) = (BTreeMap::new(), Vec::new());
        for (latencies, answers, why) in seen {
            latencies.into_iter().for_each(|nanos| latency.saturating_record(nanos));
            answers.into_iter().for_each(|(status, count)| *statuses.entry(status).or_default() += count);
            broken.extend(why);
        }
        Ok(Measured { latency, statuses, broken, elapsed })
    }
}

async fn call(client: Arc<Client>, submitted: Arc<AtomicU64>, end: Instant) -> Seen {
    let (mut latencies, mut statuses, mut why) = (Vec::new(), BTreeMap::new(), None);
    let mut now = Instant::now();
    while now < end {
        let job = submit(submitted.fetch_add(1, Ordering::Relaxed));
        let status = match client.submit(&job).await {
            Ok(result) => u16::try_from(result.status).unwrap_or_default(),
            Err(unanswered) => {
                why = Some(unanswered.to_string());
                unanswered.status
            }
        };
        let answered = Instant::now();
        latencies.push(u64::try_from((answered - now).as_nanos()).unwrap_or(u64::MAX));
        *statuses.entry(status).or_default() += 1;
        now = answered;
    }
    (latencies, statuses, why)
}

/// The job that a POST of [`load`](crate::load) submits.
fn submit(n: u64) -> SubmitJob {
    SubmitJob {
        job_id: job_id(n).to_string(),
        queue: "bench".to_owned(),
        kind: "none".to_owned(),
        priority: Priority::Normal,
        config: r#"{"alpha":0.05,"seed":1}"#.to_owned(),
        max_attempts: 10,
    }
}
