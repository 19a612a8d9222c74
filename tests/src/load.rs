//! A client that keeps its own history of what it was told: acknowledged, refused, unknown.

use crate::{Client, oracle::Truth, world::eventually};
use anyhow::{Result, ensure};
use rand::Rng;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, HashSet},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::task::JoinSet;
use uuid::Uuid;

/// What a client was told of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// 2xx: the aggregate stands at this seq.
    Acknowledged {
        /// Identity of the command.
        command_id: Uuid,
        /// Identity of the job.
        job_id: String,
    },
    /// No answer, 202 or 503: it may or may not have happened.
    Unknown,
    /// Any other status.
    Refused(u16),
}

impl Told {
    /// What a body with status 200 or 201 says.
    pub fn acknowledged(body: &Value) -> Self {
        let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        Self::Acknowledged { command_id: text("/command_id").parse().unwrap_or_default(), job_id: text("/aggregate/id") }
    }
}

/// Submits jobs from several tasks until it is told to stop.
pub struct Load {
    stop: Arc<AtomicBool>,
    tasks: JoinSet<()>,
    told: Arc<Mutex<BTreeMap<String, Told>>>,
}

impl Load {
    /// Starts `clients` closed loops of `work.SubmitJob`, each command with an idempotency key of its own. A command of
    /// unknown outcome is repeated with the same key until the outcome is known.
    pub fn start(client: &Client, clients: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::new(Mutex::new(BTreeMap::new()));
        let next = Arc::new(AtomicU64::new(0));
        let mut tasks = JoinSet::new();
        for _ in 0..clients {
            let (client, stop, told, next) = (client.clone(), Arc::clone(&stop), Arc::clone(&told), Arc::clone(&next));
            tasks.spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let key = format!("load-{}", next.fetch_add(1, Ordering::Relaxed));
                    loop {
                        let outcome = submit(&client, &key).await;
                        let again = outcome == Told::Unknown && !stop.load(Ordering::Relaxed);
                        told.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone(), outcome);
                        if !again {
                            break;
                        }
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                }
            });
        }
        Self { stop, tasks, told }
    }

    /// How many commands were acknowledged so far.
    pub fn acknowledged(&self) -> usize {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.values().filter(|told| matches!(told, Told::Acknowledged { .. })).count()
    }

    /// Ends the load; answers what was told of every command, by its key.
    pub async fn stop(mut self) -> BTreeMap<String, Told> {
        self.stop.store(true, Ordering::Relaxed);
        while self.tasks.join_next().await.is_some() {}
        std::mem::take(&mut *self.told.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn submit(client: &Client, key: &str) -> Told {
    let body = json!({ "queue": "load", "kind": "none", "config": { "key": key } });
    match client.command("work.SubmitJob", key, &body).await {
        Ok(answer) if matches!(answer.status, 200 | 201) => Told::acknowledged(&answer.body),
        Ok(answer) if matches!(answer.status, 202 | 503) => Told::Unknown,
        Ok(answer) => Told::Refused(answer.status),
        Err(_) => Told::Unknown,
    }
}

/// Bound of a hang: so long a load may stand still while servers come back.
const BOUND: Duration = Duration::from_secs(120);

/// Waits as long as a client acknowledges a few more commands, so that a kill falls into the middle of work.
pub async fn in_the_middle(load: &Load) -> Result<()> {
    let enough = load.acknowledged() + rand::rng().random_range(1..200);
    eventually("the load goes on", BOUND, || async { Ok(load.acknowledged() >= enough) }).await
}

/// Every acknowledged command has exactly one result and one first event; an unknown one none or one; nothing was refused.
pub fn told_is_true(told: &BTreeMap<String, Told>, truth: &Truth) -> Result<()> {
    let results = truth.results()?;
    let events = truth.entries[&schemas::Stream::Events].iter().filter(|entry| entry.envelope.r#type == "work.JobSubmitted");
    let submitted: Vec<&str> = events.map(|entry| entry.envelope.aggregate_id.as_str()).collect();
    let distinct: HashSet<&str> = submitted.iter().copied().collect();
    ensure!(distinct.len() == submitted.len(), "a job was submitted twice");
    let mut acknowledged = 0;
    for (key, told) in told {
        match told {
            Told::Acknowledged { command_id, job_id } => {
                acknowledged += 1;
                ensure!(results.get(command_id) == Some(&201), "{key}: acknowledged, the log says {:?}", results.get(command_id));
                ensure!(distinct.contains(job_id.as_str()), "{key}: acknowledged, but {job_id} has no event");
            }
            Told::Unknown => {}
            Told::Refused(status) => anyhow::bail!("{key}: refused with {status}"),
        }
    }
    ensure!(distinct.len() >= acknowledged && distinct.len() <= told.len(), "{} jobs of {} commands", distinct.len(), told.len());
    Ok(())
}
