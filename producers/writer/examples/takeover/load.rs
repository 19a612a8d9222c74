//! Commands for the writer, and how fast they are answered.

use crate::support::{
    caller::Caller,
    commands::{Sent, job, lease, sent, submit},
};
use log::{Durability, Log, LogError, Source};
use schemas::work::ReportProgress;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::task::JoinSet;

/// Commands appended at once, and commands without an answer.
const CHUNK: u64 = 500;
const UNANSWERED: u64 = 8_000;
/// Numbers of the jobs that closed loops submit; the others count from 1.
const LOOPS: u128 = 1 << 64;

/// The load of the machine.
pub fn average() -> String {
    std::fs::read_to_string("/proc/loadavg").unwrap_or_default().trim().to_owned()
}

/// Clients that each submit a job, wait for the answer, and go on.
pub async fn calls(caller: &Arc<Caller>, clients: u64, time: Duration) -> String {
    let (mut tasks, next, end) = (JoinSet::new(), Arc::new(AtomicU64::new(0)), Instant::now() + time);
    for _ in 0..clients {
        let (caller, next) = (caller.clone(), next.clone());
        tasks.spawn(async move {
            let mut latencies = Vec::new();
            while Instant::now() < end {
                let number = LOOPS + u128::from(next.fetch_add(1, Ordering::Relaxed));
                let before = Instant::now();
                assert_eq!(caller.status(&sent(number, &submit(&job(number)))).await, 201);
                latencies.push(before.elapsed());
            }
            latencies
        });
    }
    let mut latencies: Vec<Duration> = tasks.join_all().await.into_iter().flatten().collect();
    latencies.sort_unstable();
    let at = |share: f64| latencies[((latencies.len() - 1) as f64 * share) as usize];
    let rate = latencies.len() as f64 / time.as_secs_f64();
    format!("{rate:.0} commands/s, p50 {:.2?}, p99 {:.2?}, max {:.2?}", at(0.5), at(0.99), at(1.0))
}

/// As many jobs, each submitted with an idempotency key.
pub async fn jobs(log: &dyn Log, jobs: u64) -> String {
    pump(log, jobs, |n| sent(u128::from(n), &submit(&job(u128::from(n)))).idempotent(1)).await
}

/// As many reports of one job's progress.
pub async fn history(log: &dyn Log, events: u64) -> String {
    const JOB: u128 = 1 << 100;
    let command = |n: u64| {
        let (id, number) = (job(JOB), JOB + u128::from(n));
        match n {
            1 => sent(number, &submit(&id)),
            2 => sent(number, &lease(&id)),
            n => {
                let step = i64::try_from(n).unwrap();
                sent(number, &ReportProgress { job_id: id, fence: 1, step, total_steps: None, message: None }.into())
            }
        }
    };
    pump(log, events, command).await
}

/// Sends commands 1 to `count` as fast as they are answered.
async fn pump(log: &dyn Log, count: u64, command: impl Fn(u64) -> Sent) -> String {
    let mut places = Vec::new();
    for partition in 0..log.partitions() {
        let source = Source { topic: "work.results".into(), partition };
        let end = log.end(&source).await.unwrap();
        places.push((source, end));
    }
    let (started, mut number, mut answered) = (Instant::now(), 0, 0);
    while answered < count {
        if number < count && number - answered < UNANSWERED {
            let last = (number + CHUNK).min(count);
            let chunk: Vec<_> = (number + 1..=last).map(|n| command(n).append(log.partitions())).collect();
            loop {
                match log.append(chunk.clone(), Durability::Ordered).await {
                    Ok(_) => break,
                    Err(LogError::Transient(_)) => tokio::time::sleep(Duration::from_millis(5)).await,
                    Err(error) => panic!("{error}"),
                }
            }
            number = last;
            continue;
        }
        for (source, from) in &mut places {
            let records = log.read(source, *from, 10_000).await.unwrap();
            if let Some(last) = records.last() {
                *from = last.offset + 1;
                answered += records.len() as u64;
            }
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    format!("{:.0} commands/s, all answered after {:.1?}", count as f64 / started.elapsed().as_secs_f64(), started.elapsed())
}
