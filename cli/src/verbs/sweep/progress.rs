//! Watches the jobs of a sweep until the last has ended.

use super::crew::Crew;
use crate::{Done, client::Client, failure::Exit, output};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde_json::Value;
use std::{collections::BTreeMap, time::Duration};

/// How often the jobs are looked at.
const EVERY: Duration = Duration::from_millis(250);

/// Shows progress on a terminal until `count` jobs of `queue` have ended; answers them.
pub async fn watch(client: &Client, queue: &str, count: u32, mut crew: Crew) -> Done<Vec<Value>> {
    let display = Display::new(count)?;
    loop {
        let jobs = match jobs(client, queue).await {
            Ok(jobs) => jobs,
            Err(failure) if failure.exit() == Exit::Unavailable => {
                display.say("the server is away; waiting for it");
                tokio::time::sleep(Duration::from_secs(1)).await;
                continue;
            }
            Err(failure) => return Err(failure),
        };
        let ended =
            jobs.iter().filter(|job| matches!(job["status"].as_str(), Some("completed" | "failed" | "cancelled"))).count();
        display.show(&jobs, ended);
        if ended >= count as usize {
            display.clear();
            return Ok(jobs);
        }
        match crew.fill()? {
            0 => {}
            died => display.say(&format!("{died} workers died and were replaced; their jobs resume from the last checkpoint")),
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// The jobs of the queue.
pub async fn jobs(client: &Client, queue: &str) -> Done<Vec<Value>> {
    let mut answer = client.get(&format!("/v1/jobs?queue={queue}&limit=1000")).await?;
    Ok(answer["items"].as_array_mut().map(std::mem::take).unwrap_or_default())
}

/// A bar for the sweep and one for each running job.
struct Display {
    bars: MultiProgress,
    total: ProgressBar,
    style: ProgressStyle,
    running: std::cell::RefCell<BTreeMap<String, ProgressBar>>,
}

impl Display {
    fn new(count: u32) -> Done<Self> {
        let bars = MultiProgress::new();
        let total = bars.add(ProgressBar::new(count.into()));
        total.set_style(ProgressStyle::with_template("{bar:30} {pos}/{len} jobs  {elapsed}  {msg}")?);
        let style = ProgressStyle::with_template("  {bar:28} {pos:>3}/{len:3} epochs  {msg}")?;
        Ok(Self { bars, total, style, running: Default::default() })
    }

    fn show(&self, jobs: &[Value], ended: usize) {
        self.total.set_position(ended as u64);
        let mut running = self.running.borrow_mut();
        for job in jobs {
            let id = output::text(&job["job_id"]);
            let active = matches!(job["status"].as_str(), Some("running" | "leased"));
            if !active {
                if let Some(bar) = running.remove(&id) {
                    bar.finish_and_clear();
                }
                continue;
            }
            let bar = running.entry(id).or_insert_with(|| {
                let bar = self.bars.add(ProgressBar::new(0));
                bar.set_style(self.style.clone());
                bar
            });
            bar.set_length(job["total_steps"].as_u64().unwrap_or_default());
            bar.set_position(job["step"].as_u64().unwrap_or_default());
            bar.set_message(format!(
                "trial {} on {}, attempt {}",
                job["config"]["trial"],
                output::text(&job["worker"]),
                job["attempts"]
            ));
        }
    }

    fn say(&self, message: &str) {
        self.bars.suspend(|| eprintln!("{message}"));
    }

    fn clear(&self) {
        self.running.borrow_mut().values().for_each(ProgressBar::finish_and_clear);
        self.total.finish();
    }
}
