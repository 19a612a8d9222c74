//! `swarmlog sweep`: real training jobs from submission to the leaderboard, with workers as processes of their own.
//!
//! The trials of a sweep are one command each, with an idempotency key made of the sweep's name and the trial's
//! number: running the same sweep again finds its jobs instead of adding new ones.

mod crew;
mod leaderboard;
mod progress;

use crate::{
    Done, Global,
    client::Client,
    failure::{Exit, Failure},
};
use crew::Crew;
use serde_json::{Value, json};
use std::time::Duration;

/// Submit a sweep of training jobs, run workers, and show the leaderboard.
#[derive(clap::Args)]
pub struct Sweep {
    /// Name of the sweep; its queue is sweep-NAME
    #[arg(long, env = "SWARMLOG_SWEEP", default_value = "first")]
    name: String,
    /// How many trials
    #[arg(long, env = "SWARMLOG_SWEEP_JOBS", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    jobs: u32,
    /// How many worker processes
    #[arg(long, env = "SWARMLOG_SWEEP_WORKERS", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=64))]
    workers: u32,
}

impl Sweep {
    /// Runs the sweep to its end.
    pub async fn run(self, global: &Global) -> Done {
        let client = Client::new(global)?;
        let queue = format!("sweep-{}", self.name);
        let found = progress::jobs(&client, &queue).await?.len();
        for trial in 1..=self.jobs {
            let body = json!({ "queue": queue, "kind": "train.wine", "config": self.config(trial) });
            super::submit::submit(&client, &body, Some(&format!("{queue}-{trial}"))).await?;
        }
        match found {
            0 => eprintln!("sweep {}: {} jobs submitted to the queue {queue}", self.name, self.jobs),
            _ => eprintln!("sweep {}: {found} jobs were in the queue {queue} already; none is submitted twice", self.name),
        }
        let jobs = tokio::select! {
            jobs = progress::watch(&client, &queue, self.jobs, Crew::new(&client, &queue, self.workers)) => jobs?,
            signal = tokio::signal::ctrl_c() => {
                signal?;
                return Err(Failure::new(Exit::Interrupted, "interrupted; the jobs stay in their queue, run the same sweep again to go on"));
            }
        };
        let failed = jobs.iter().filter(|job| job["status"] != "completed").count();
        leaderboard::print(&client, &queue, jobs.len() - failed, Duration::from_secs(30)).await?;
        match failed {
            0 => Ok(()),
            _ => Err(Failure::new(Exit::Failed, format!("{failed} jobs failed: see GET /v1/jobs?queue={queue}&status=failed"))),
        }
    }

    /// Settings of a trial: a grid over learning rate and L2 regularisation, a seed per trial.
    fn config(&self, trial: u32) -> Value {
        const ALPHAS: [f64; 5] = [0.005, 0.02, 0.05, 0.1, 0.3];
        const L2: [f64; 4] = [0.0, 0.1, 0.5, 1.0];
        let place = (trial - 1) as usize;
        json!({
            "sweep": self.name,
            "trial": trial,
            "seed": trial,
            "alpha": ALPHAS[place % ALPHAS.len()],
            "l2_ratio": L2[place / ALPHAS.len() % L2.len()],
        })
    }
}
