//! Requests over HTTP against a server with an empty log: commands by closed loops, and rows by key.
//!
//! What enters is a mode; what leaves is a figure per row of the design's table, with the lag of all consumers after each
//! load of commands. Both modes get the same loads; only the targets differ.

use crate::{
    backends::Backends,
    cpu::{Cpu, Used},
    load::{Ask, Load, Measured},
    machine::peak_memory_mib,
    plan::{Mode, Plan},
    report::{Figure, Report, Target},
    server::{Server, TOKEN},
};
use anyhow::{Result, ensure};
use std::{
    cell::Cell,
    rc::Rc,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// How long the server is warmed up.
pub(crate) const WARM_UP: Duration = Duration::from_secs(2);
/// Clients that warm it up, and that read.
const MANY: usize = 64;

/// What is asked of a load: to reach, and better still.
type Asked = (Target, Target);

/// Loads of commands by their clients.
fn posts(mode: Mode) -> [(usize, Asked); 3] {
    let p50 = |limit| Target { p50_ms: Some(limit), ..Target::default() };
    let whole = |rate, p50, p99| Target { rate: Some(rate), p50_ms: Some(p50), p99_ms: Some(p99) };
    match mode {
        Mode::Embedded => {
            [(1, (p50(0.8), p50(0.5))), (64, (whole(33_000.0, 2.0, 10.0), Target::rate(40_000.0))), (256, Asked::default())]
        }
        Mode::Servers => {
            [(1, (p50(15.0), p50(8.0))), (64, Asked::default()), (256, (whole(10_000.0, 25.0, 80.0), Target::rate(20_000.0)))]
        }
    }
}

fn gets(mode: Mode) -> Asked {
    match mode {
        Mode::Embedded => (Target::rate(50_000.0), Target::rate(60_000.0)),
        Mode::Servers => (Target::rate(25_000.0), Target::rate(30_000.0)),
    }
}

/// Measures them; `durable` says where an answered command is.
pub async fn measure(plan: &Plan, backends: Option<&Backends>, durable: &'static str, report: &mut Report) -> Result<()> {
    let data = TempDir::new()?;
    let mut server = Server::start(data.path(), backends).await?;
    let ready = server.ready_after.as_secs_f64();
    eprintln!("the server was ready after {ready:.1} s; it is loaded for {} s each time", plan.time.as_secs());
    let submitted = Rc::new(Cell::new(0));
    let load = |clients, time, ask| Load { address: server.address, token: TOKEN.to_owned(), clients, time, ask };
    let warm_up = load(MANY, WARM_UP, Ask::Submit);
    let posts = posts(plan.mode).map(|(clients, asked)| (load(clients, plan.time, Ask::Submit), asked));
    let mut events = warm_up.run(&submitted).await?.good();
    server.steering.caught_up().await?;
    for (load, (target, stretch)) in posts {
        let name = format!("POST, {} client{}", load.clients, if load.clients == 1 { "" } else { "s" });
        eprintln!("{name}");
        let (measured, cpu) = under(&server, &load, &submitted).await?;
        let figure = Figure { durable: Some(durable), stretch, ..Figure::of_load(&name, &measured, cpu, target) };
        events += measured.good();
        report.figures.push(figure.followed_by(&mut server.steering, events).await?);
    }
    let name = format!("GET by key, {MANY} clients");
    eprintln!("{name}");
    // The first jobs, which were acknowledged long ago.
    let get = Load {
        address: server.address,
        token: TOKEN.to_owned(),
        clients: MANY,
        time: plan.time,
        ask: Ask::Get { jobs: submitted.get() / 2 },
    };
    let (measured, cpu) = under(&server, &get, &submitted).await?;
    let (target, stretch) = gets(plan.mode);
    report.figures.push(Figure { stretch, ..Figure::of_load(&name, &measured, cpu, target) });
    report.peak_memory_mib = report.peak_memory_mib.max(peak_memory_mib(server.pid()));
    server.stop().await
}

/// Runs a load and says who used the processor.
async fn under(server: &Server, load: &Load, submitted: &Rc<Cell<u64>>) -> Result<(Measured, Used)> {
    let (before, start) = (Cpu::now(Some(server.pid()))?, Instant::now());
    let measured = load.run(submitted).await?;
    let cpu = Cpu::now(Some(server.pid()))?.since(&before, start.elapsed());
    ensure!(measured.good() > 0, "no answer was good: {:?} {:?}", measured.statuses, measured.broken);
    Ok((measured, cpu))
}
