//! A writer at work in a test, and ways to wait for it.

use super::{
    checker::{Checked, check, count_answers},
    commands::Sent,
};
use log::{Durability, Log};
use service::{Lifecycle, Status};
use std::{sync::Arc, time::Duration};
use swarmlog_writer::{Config, Deciders, WriterError};
use tokio::task::JoinHandle;

/// The longest that a test waits for anything.
const LIMIT: Duration = Duration::from_secs(30);

/// A writer that runs.
pub struct Host {
    pub lifecycle: Lifecycle,
    task: JoinHandle<Result<(), WriterError>>,
}

impl Host {
    pub fn start(log: Arc<dyn Log>) -> Self {
        Self::with(log, Config::default())
    }

    pub fn with(log: Arc<dyn Log>, config: Config) -> Self {
        let lifecycle = Lifecycle::new();
        let deciders = Deciders::new().with::<work::Job>();
        let life = lifecycle.clone();
        let task = tokio::spawn(async move { swarmlog_writer::run(log, deciders, config, &life).await });
        Self { lifecycle, task }
    }

    pub fn status(&self) -> Status {
        let statuses = self.lifecycle.health().statuses();
        statuses.into_iter().find(|(name, _)| name == "writer").map_or(Status::Starting, |(_, status)| status)
    }

    pub async fn ready(&self) {
        eventually("the writer is ready", async || (self.status() == Status::Ready).then_some(())).await;
    }

    /// Asks it to end, and waits until it has.
    pub async fn stop(self) -> Result<(), WriterError> {
        self.lifecycle.shutdown().cancel();
        self.ended().await
    }

    /// Waits until it ends by itself.
    pub async fn ended(self) -> Result<(), WriterError> {
        tokio::time::timeout(LIMIT, self.task).await.expect("the writer ends in time").expect("the writer does not panic")
    }

    /// Ends it in the middle of whatever it does.
    pub async fn kill(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

/// Waits until there is something.
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let end = tokio::time::Instant::now() + LIMIT;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(tokio::time::Instant::now() < end, "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

pub async fn send(log: &dyn Log, commands: &[Sent]) {
    let records = commands.iter().map(|command| command.append(log.partitions())).collect();
    log.append(records, Durability::Ordered).await.expect("commands can be appended");
}

/// Waits for so many answers, then checks the whole log.
pub async fn answers(log: &dyn Log, count: usize) -> Checked {
    eventually("all answers", async || (count_answers(log).await >= count).then_some(())).await;
    let checked = check(log).await;
    assert_eq!(checked.answers, count);
    checked
}
