//! A server that opens a long log: how fast ClickHouse catches up, and how fast a read model is rebuilt.
//!
//! What enters is a folder that [`seed`](crate::seed) has filled; what leaves are two figures for each distribution of
//! keys. Nothing is acknowledged here, so nothing is said of durability.

use crate::{
    cpu::Cpu,
    machine::peak_memory_mib,
    plan::Plan,
    report::{Figure, Report, Target},
    seed::seed,
    server::Server,
};
use anyhow::Result;
use std::time::Instant;
use tempfile::TempDir;

/// Measures both distributions: a job per event, and twenty events per job.
pub async fn measure(plan: &Plan, report: &mut Report) -> Result<()> {
    replay(plan, report, "distinct keys", plan.events, Target::rate(300_000.0)).await?;
    let keys = (plan.events / 20).max(1);
    replay(plan, report, &format!("{keys} keys"), keys, Target::rate(700_000.0)).await
}

async fn replay(plan: &Plan, report: &mut Report, what: &str, jobs: u64, target: Target) -> Result<()> {
    let data = TempDir::new()?;
    let start = Instant::now();
    seed(data.path(), plan.events, jobs).await?;
    eprintln!("seeded {} events, {what}, in {:.1} s", plan.events, start.elapsed().as_secs_f64());

    let mut server = Server::start(data.path(), None).await?;
    let (before, start) = (Cpu::now(Some(server.pid()))?, Instant::now());
    match server.steering.analytics_caught_up(plan.events).await {
        Ok((took, rate)) => {
            let cpu = Cpu::now(Some(server.pid()))?.since(&before, start.elapsed());
            let name = format!("events into ClickHouse, {what}");
            let mut figure = Figure::of_work(&name, plan.events, took.as_secs_f64(), cpu, Target::rate(350_000.0));
            figure.rate = rate;
            figure.note =
                Some("while the read models catch up as well; the rate counts from the first look after the start".to_owned());
            report.figures.push(figure);
        }
        Err(error) => eprintln!("no figure for ClickHouse: {error}"),
    }
    server.steering.caught_up().await?;
    eprintln!("rebuilding the read model of jobs");
    let (before, start) = (Cpu::now(Some(server.pid()))?, Instant::now());
    let took = server.steering.rebuild("jobs").await?;
    let cpu = Cpu::now(Some(server.pid()))?.since(&before, start.elapsed());
    let name = format!("rebuild of jobs, {what}");
    let mut figure = Figure::of_work(&name, plan.events, took.as_secs_f64(), cpu, target);
    figure.note = Some(format!(
        "until the new generation was live; the server was ready {:.1} s after its start",
        server.ready_after.as_secs_f64()
    ));
    report.figures.push(figure);
    report.peak_memory_mib = report.peak_memory_mib.max(peak_memory_mib(server.pid()));
    server.stop().await
}
