//! One shutdown signal for all tasks, and a death of any task that is noticed.

use crate::Health;
use std::{
    fmt::Display,
    future::Future,
    sync::{Arc, Mutex, PoisonError},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// A task that ended although nobody asked it to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{task} stopped: {reason}")]
pub struct Failure {
    /// The task.
    pub task: String,
    /// Why.
    pub reason: String,
}

/// The life of a program: tasks are spawned into it, and shut down together. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Lifecycle {
    shutdown: CancellationToken,
    failed: CancellationToken,
    tasks: TaskTracker,
    health: Health,
    failure: Arc<Mutex<Option<Failure>>>,
    alone: Option<Arc<str>>,
}

impl Lifecycle {
    /// A new life.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same life, for work whose sink no other process has: it joins groups under this name of its own, so that nobody
    /// else is given a part of it.
    pub fn alone(&self, name: &str) -> Self {
        Self { alone: Some(name.into()), ..self.clone() }
    }

    /// The name that [`alone`](Self::alone) gave.
    pub fn own_name(&self) -> Option<&str> {
        self.alone.as_deref()
    }

    /// A further stage of the same program, shut down on its own: same health, and a failure in one ends all. The
    /// gateway drains in one stage while the writer, in the next, still answers it.
    pub fn stage(&self) -> Self {
        Self {
            shutdown: CancellationToken::new(),
            tasks: TaskTracker::new(),
            failed: self.failed.clone(),
            health: self.health.clone(),
            failure: Arc::clone(&self.failure),
            alone: self.alone.clone(),
        }
    }

    /// The statuses of the components.
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// Cancelled when the program has to drain and end.
    pub fn shutdown(&self) -> CancellationToken {
        self.shutdown.clone()
    }

    /// Runs a task that lives as long as the program. If it fails, panics, or ends before the shutdown, the program
    /// shuts down and [`finished`](Self::finished) says why.
    pub fn spawn<E: Display + Send + 'static>(
        &self,
        name: impl Into<String>,
        task: impl Future<Output = Result<(), E>> + Send + 'static,
    ) {
        let guard = Guard { lifecycle: self.clone(), name: name.into(), reason: Some("it panicked".to_owned()) };
        self.tasks.spawn(async move {
            let mut guard = guard;
            guard.reason = match task.await {
                Ok(()) if guard.lifecycle.shutdown.is_cancelled() => None,
                Ok(()) => Some("it ended without being asked to".to_owned()),
                Err(error) => Some(error.to_string()),
            };
        });
    }

    /// Waits for SIGTERM, Ctrl-C or a failure of any stage.
    pub async fn run_until_signal(&self) -> std::io::Result<()> {
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        tokio::select! {
            _ = terminate.recv() => {}
            signal = tokio::signal::ctrl_c() => signal?,
            () = self.failed.cancelled() => {}
        }
        Ok(())
    }

    /// Tells all tasks to end and waits until they have; says which task failed first.
    pub async fn finished(&self) -> Result<(), Failure> {
        self.shutdown.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        match self.failure.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(failure) => Err(failure),
            None => Ok(()),
        }
    }
}

/// Reports the death of its task, whatever kills it.
struct Guard {
    lifecycle: Lifecycle,
    name: String,
    reason: Option<String>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        let Some(reason) = self.reason.take() else { return };
        let failure = Failure { task: std::mem::take(&mut self.name), reason };
        tracing::error!(task.name = failure.task, task.reason = failure.reason, "a task stopped");
        self.lifecycle.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(failure);
        self.lifecycle.shutdown.cancel();
        self.lifecycle.failed.cancel();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_panics_ends_the_program_and_is_named() {
        let lifecycle = Lifecycle::new();
        lifecycle.spawn("patient", {
            let shutdown = lifecycle.shutdown();
            async move {
                shutdown.cancelled().await;
                Ok::<(), String>(())
            }
        });
        lifecycle.spawn("nervous", async { if true { panic!("boo") } else { Ok::<(), String>(()) } });
        lifecycle.shutdown().cancelled().await;
        let failure = lifecycle.finished().await.err();
        assert_eq!(failure.map(|f| f.task), Some("nervous".to_owned()));
    }

    #[tokio::test]
    async fn a_failure_in_one_stage_is_told_by_the_next() {
        let front = Lifecycle::new();
        let back = front.stage();
        back.spawn("weak", async { Err("tired") });
        front.failed.cancelled().await;
        assert_eq!(front.finished().await, Err(Failure { task: "weak".into(), reason: "tired".into() }));
    }

    #[tokio::test]
    async fn tasks_that_end_when_asked_are_no_failure() {
        let lifecycle = Lifecycle::new();
        let shutdown = lifecycle.shutdown();
        lifecycle.spawn("patient", async move {
            shutdown.cancelled().await;
            Ok::<(), String>(())
        });
        assert_eq!(lifecycle.finished().await, Ok(()));
    }
}
