//! `make bench`: measures the real program and prints what it found.

use anyhow::Result;
use std::env;
use swarmlog_bench::{
    backends::Backends,
    machine::Idle,
    plan::{Mode, Plan},
    replay,
    report::Report,
    requests,
    server::program,
    within,
};
use tempfile::TempDir;
use tokio::runtime::Builder;

/// Where an answered command is in the embedded mode.
const EMBEDDED: &str = "fdatasync";

fn main() -> Result<()> {
    let plan = Plan::read(env::args().skip(1))?;
    program()?;
    let home = TempDir::new()?;
    eprintln!("watching the machine and its disk");
    let machine = Idle::check(home.path())?;
    let mut report = Report { mode: plan.mode, durability: String::new(), machine, peak_memory_mib: None, figures: Vec::new() };
    // One thread is enough for a generator and leaves the other cores to the server.
    let generator = Builder::new_current_thread().enable_all().build()?;
    match plan.mode {
        Mode::Embedded => {
            report.durability =
                format!("{EMBEDDED} before the answer, which many callers share; the machine's death loses nothing");
            generator.block_on(async {
                requests::measure(&plan, None, EMBEDDED, &mut report).await?;
                replay::measure(&plan, &mut report).await
            })?;
            // The parts get the runtime that the program gives them.
            Builder::new_multi_thread().enable_all().build()?.block_on(within::measure(&plan, EMBEDDED, &mut report))?;
        }
        Mode::Servers => {
            eprintln!("starting the servers");
            let backends = Backends::start()?;
            let (durable, sentence) = backends.durability()?;
            report.durability = sentence;
            generator.block_on(requests::measure(&plan, Some(&backends), durable, &mut report))?;
        }
    }
    eprint!("{}", report.table());
    println!("{}", serde_json::to_string_pretty(&report)?);
    Ok(())
}
