//! `make bench`: measures the real program and prints what it found.

use anyhow::{Context, Result, bail, ensure};
use std::{
    cell::Cell,
    env,
    rc::Rc,
    time::{Duration, Instant},
};
use swarmlog_bench::{
    load::{Ask, Load, Measured},
    machine::{Cpu, Idle, Used, peak_memory_mib},
    report::{Figure, Report, Target},
    seed::seed,
    server::{Server, TOKEN, program},
};
use tempfile::TempDir;

const USAGE: &str = "usage: cargo bench -p swarmlog-bench -- [--seconds N] [--events N]";

/// How much is measured.
struct Plan {
    /// Length of every load.
    time: Duration,
    /// Events of the logs that are replayed.
    events: u64,
}

impl Plan {
    fn from_arguments() -> Result<Self> {
        let mut plan = Self { time: Duration::from_secs(10), events: 1_000_000 };
        let mut arguments = env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut number = || arguments.next().and_then(|n| n.parse::<u64>().ok()).filter(|n| *n > 0).context(USAGE);
            match argument.as_str() {
                // Cargo says so to every benchmark.
                "--bench" => {}
                "--seconds" => plan.time = Duration::from_secs(number()?),
                "--events" => plan.events = number()?,
                _ => bail!(USAGE),
            }
        }
        Ok(plan)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let plan = Plan::from_arguments()?;
    program()?;
    let home = TempDir::new()?;
    eprintln!("watching the machine and its disk");
    let machine = Idle::check(home.path())?;
    let mut report = Report { durability: "embedded: fdatasync", machine, peak_memory_mib: None, figures: Vec::new() };
    requests(&plan, &mut report).await?;
    replay(&plan, &mut report, "distinct keys", plan.events, Target { rate: Some(300_000.0), ..Target::default() }).await?;
    let keys = (plan.events / 20).max(1);
    replay(&plan, &mut report, &format!("{keys} keys"), keys, Target { rate: Some(700_000.0), ..Target::default() }).await?;
    eprint!("{}", report.table());
    println!("{}", serde_json::to_string_pretty(&report)?);
    Ok(())
}

/// Requests against a server with an empty log.
async fn requests(plan: &Plan, report: &mut Report) -> Result<()> {
    let data = TempDir::new()?;
    let mut server = Server::start(data.path()).await?;
    eprintln!(
        "the server was ready after {:.1} s; it is loaded for {} s each time",
        server.ready_after.as_secs_f64(),
        plan.time.as_secs()
    );
    let submitted = Rc::new(Cell::new(0));
    let load = |clients, time, ask| Load { address: server.address, token: TOKEN.to_owned(), clients, time, ask };
    let warm_up = load(64, Duration::from_secs(2), Ask::Submit);
    let one = load(1, plan.time, Ask::Submit);
    let many = load(64, plan.time, Ask::Submit);
    let mut events = warm_up.run(&submitted).await?.good();
    server.caught_up().await?;
    for (name, load, target) in [
        ("POST, 1 client", one, Target { p50_ms: Some(0.8), ..Target::default() }),
        ("POST, 64 clients", many, Target { rate: Some(33_000.0), p50_ms: Some(2.0), p99_ms: Some(10.0) }),
    ] {
        eprintln!("{name}");
        let (measured, cpu) = under(&server, &load, &submitted).await?;
        let mut figure = Figure::of_load(name, &measured, cpu, target);
        let answered = Instant::now();
        events += measured.good();
        server.caught_up().await?;
        figure.lag_seconds = Some(answered.elapsed().as_secs_f64());
        figure.note = Some(match server.analytics_has(events).await {
            Ok(_) => format!("ClickHouse had all of it {:.2} s after the load", answered.elapsed().as_secs_f64()),
            Err(error) => format!("without ClickHouse: {error}"),
        });
        report.figures.push(figure);
    }
    eprintln!("GET by key, 64 clients");
    // The first jobs, which were acknowledged long ago.
    let ask = Ask::Get { jobs: submitted.get() / 2 };
    let get = Load { address: server.address, token: TOKEN.to_owned(), clients: 64, time: plan.time, ask };
    let (measured, cpu) = under(&server, &get, &submitted).await?;
    let target = Target { rate: Some(50_000.0), ..Target::default() };
    report.figures.push(Figure::of_load("GET by key, 64 clients", &measured, cpu, target));
    finish(server, report).await
}

/// The catching up and the rebuild of a server that opens a long log.
async fn replay(plan: &Plan, report: &mut Report, what: &str, jobs: u64, target: Target) -> Result<()> {
    let data = TempDir::new()?;
    let start = Instant::now();
    seed(data.path(), plan.events, jobs).await?;
    eprintln!("seeded {} events, {what}, in {:.1} s", plan.events, start.elapsed().as_secs_f64());

    let mut server = Server::start(data.path()).await?;
    let (before, start) = (Cpu::now(Some(server.pid()))?, Instant::now());
    match server.analytics_caught_up(plan.events).await {
        Ok((took, rate)) => {
            let cpu = Cpu::now(Some(server.pid()))?.since(&before, start.elapsed());
            let name = format!("events into ClickHouse, {what}");
            let target = Target { rate: Some(350_000.0), ..Target::default() };
            let mut figure = Figure::of_work(&name, plan.events, took.as_secs_f64(), cpu, target);
            figure.rate = rate;
            figure.note =
                Some("while the read models catch up as well; the rate counts from the first look after the start".to_owned());
            report.figures.push(figure);
        }
        Err(error) => eprintln!("no figure for ClickHouse: {error}"),
    }
    server.caught_up().await?;
    eprintln!("rebuilding the read model of jobs");
    let (before, start) = (Cpu::now(Some(server.pid()))?, Instant::now());
    let took = server.rebuild("jobs").await?;
    let cpu = Cpu::now(Some(server.pid()))?.since(&before, start.elapsed());
    let name = format!("rebuild of jobs, {what}");
    let mut figure = Figure::of_work(&name, plan.events, took.as_secs_f64(), cpu, target);
    figure.note = Some(format!(
        "until the new generation was live; the server was ready {:.1} s after its start",
        server.ready_after.as_secs_f64()
    ));
    report.figures.push(figure);
    finish(server, report).await
}

/// Runs a load and says who used the processor.
async fn under(server: &Server, load: &Load, submitted: &Rc<Cell<u64>>) -> Result<(Measured, Used)> {
    let (before, start) = (Cpu::now(Some(server.pid()))?, Instant::now());
    let measured = load.run(submitted).await?;
    let cpu = Cpu::now(Some(server.pid()))?.since(&before, start.elapsed());
    ensure!(measured.good() > 0, "no answer was good: {:?} {:?}", measured.statuses, measured.broken);
    Ok((measured, cpu))
}

async fn finish(server: Server, report: &mut Report) -> Result<()> {
    report.peak_memory_mib = report.peak_memory_mib.max(peak_memory_mib(server.pid()));
    server.stop().await
}
