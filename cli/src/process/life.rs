//! From the announcement that a process is ready to the end of its last task.

use crate::{
    Done,
    failure::{Exit, Failure},
    server_file::ServerFile,
};
use sd_notify::NotifyState;
use service::{Lifecycle, http::Pages};
use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

/// How long the roles may take to finish what they have in hand.
const DRAIN: Duration = Duration::from_secs(30);
/// How often the samples of histograms are summed up.
const UPKEEP: Duration = Duration::from_secs(5);

/// A process that has started all its tasks.
pub struct Life {
    /// What runs, as people call it; empty for the whole server.
    pub name: String,
    pub url: String,
    /// Whether verbs may find it by its data folder.
    pub is_whole: bool,
    pub data: PathBuf,
    pub ready_file: Option<PathBuf>,
    pub started: Instant,
}

impl Life {
    /// Announces the process once it is ready; on SIGTERM or Ctrl-C drains `front`, which is the stage of `pages`, and
    /// then `back`.
    pub async fn run(self, pages: Pages, back: &Lifecycle) -> Done {
        let Pages { lifecycle: front, metrics, token } = pages;
        let upkeep = tokio::spawn(async move {
            loop {
                tokio::time::sleep(UPKEEP).await;
                metrics.run_upkeep();
                systemd(&[NotifyState::Watchdog]);
            }
        });
        let (is_whole, data) = (self.is_whole, self.data.clone());
        let ready = tokio::spawn(self.announce(front.clone(), token));
        front.run_until_signal().await?;
        eprintln!("stopping: finishing what is in hand");
        systemd(&[NotifyState::Stopping, NotifyState::Status("finishing what is in hand")]);
        if is_whole {
            ServerFile::remove(&data);
        }
        ready.abort();
        let drained = tokio::time::timeout(DRAIN, async {
            let answered = front.finished().await;
            answered.and(back.finished().await)
        })
        .await;
        upkeep.abort();
        match drained {
            Ok(Ok(())) => Ok(()),
            Ok(Err(failure)) => Err(failure.into()),
            Err(_) => Err(Failure::new(
                Exit::Failed,
                format!("not everything was finished within {} s; nothing acknowledged is lost", DRAIN.as_secs()),
            )),
        }
    }

    /// Waits until everything is ready, then says where the process is.
    async fn announce(self, lifecycle: Lifecycle, token: Option<String>) {
        let Self { name, url, is_whole, data, ready_file, started } = self;
        while !lifecycle.health().is_ready() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        if is_whole {
            let file = ServerFile { url: url.clone(), pid: std::process::id(), token };
            if let Err(error) = file.write(&data) {
                eprintln!("warning: cannot write server.json in {}: {error}; the verbs need --server {url}", data.display());
            }
        }
        if let Some(path) = ready_file
            && let Err(error) = fs::write(&path, &url)
        {
            eprintln!("warning: cannot write the ready file {}: {error}", path.display());
        }
        systemd(&[NotifyState::Ready, NotifyState::Status(&format!("ready at {url}"))]);
        let (space, took) = (if name.is_empty() { "" } else { " " }, started.elapsed().as_secs_f64());
        if is_whole {
            eprintln!("swarmlog is ready at {url} after {took:.1} s, data in {}", data.display());
        } else {
            eprintln!("swarmlog{space}{name} is ready at {url} after {took:.1} s");
        }
        for (name, status) in lifecycle.health().statuses() {
            if let service::Status::Degraded(why) = status {
                eprintln!("  {name} works in part: {why}");
            }
        }
        if is_whole {
            eprintln!("  submit a job:  swarmlog --data {} submit --queue demo --kind train.wine", data.display());
        }
    }
}

/// Tells systemd, if it started this process as `Type=notify`; see sd_notify(3).
fn systemd(state: &[NotifyState]) {
    // Without systemd there is nobody to tell.
    let _ = sd_notify::notify(false, state);
}
