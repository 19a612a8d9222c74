//! A client that keeps its own history of what it was told: acknowledged, refused, unknown.

use crate::{Client, oracle::Truth, world::eventually};
use anyhow::{Result, ensure};
use rand::Rng;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, HashSet},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
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
    tasks: JoinSet<()>,
    shared: Arc<Shared>,
}

/// What the tasks share.
#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    told: Mutex<BTreeMap<String, Told>>,
    next: AtomicU64,
    acknowledged: AtomicUsize,
    broken: Mutex<Vec<(String, String)>>,
    last: Mutex<Option<SystemTime>>,
}

impl Load {
    /// Starts `clients` closed loops of `work.SubmitJob`, each command with an idempotency key of its own. A command of
    /// unknown outcome is repeated with the same key until the outcome is known.
    pub fn start(client: &Client, clients: usize) -> Self {
        Self::start_on(std::slice::from_ref(client), clients, Duration::ZERO)
    }

    /// The same against several servers of one log, each repeat against the next of them, with a pause of each client
    /// after each command.
    pub fn start_on(servers: &[Client], clients: usize, pause: Duration) -> Self {
        let shared = Arc::new(Shared::default());
        let mut tasks = JoinSet::new();
        for number in 0..clients {
            let (servers, shared) = (servers.to_vec(), Arc::clone(&shared));
            tasks.spawn(async move {
                let mut servers = servers.iter().cycle().skip(number);
                let Some(mut server) = servers.next() else { return };
                while !shared.stops() {
                    let key = format!("load-{}", shared.next.fetch_add(1, Ordering::Relaxed));
                    while shared.submit(server, &key).await == Told::Unknown && !shared.stops() {
                        server = servers.next().unwrap_or(server);
                        tokio::time::sleep(AGAIN).await;
                    }
                    tokio::time::sleep(pause).await;
                }
            });
        }
        Self { tasks, shared }
    }

    /// How many commands were acknowledged so far.
    pub fn acknowledged(&self) -> usize {
        self.shared.acknowledged.load(Ordering::Relaxed)
    }

    /// When one was acknowledged last.
    pub fn last_acknowledged(&self) -> Option<SystemTime> {
        *self.shared.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Requests that were sent and had no answer: the key of each, and why.
    pub fn broken(&self) -> Vec<(String, String)> {
        self.shared.broken.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Ends the load; answers what was told of every command, by its key.
    pub async fn stop(mut self) -> BTreeMap<String, Told> {
        self.shared.stop.store(true, Ordering::Relaxed);
        while self.tasks.join_next().await.is_some() {}
        std::mem::take(&mut *self.shared.told.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Shared {
    fn stops(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Submits once, and notes what was told.
    async fn submit(&self, client: &Client, key: &str) -> Told {
        let body = json!({ "queue": "load", "kind": "none", "config": { "key": key } });
        let told = match client.command("work.SubmitJob", key, &body).await {
            Ok(answer) if matches!(answer.status, 200 | 201) => {
                self.acknowledged.fetch_add(1, Ordering::Relaxed);
                *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(SystemTime::now());
                Told::acknowledged(&answer.body)
            }
            Ok(answer) if matches!(answer.status, 202 | 503) => Told::Unknown,
            Ok(answer) => Told::Refused(answer.status),
            Err(error) => {
                if !error.downcast_ref::<reqwest::Error>().is_some_and(reqwest::Error::is_connect) {
                    self.broken.lock().unwrap_or_else(PoisonError::into_inner).push((key.to_owned(), format!("{error:#}")));
                }
                Told::Unknown
            }
        };
        self.told.lock().unwrap_or_else(PoisonError::into_inner).insert(key.to_owned(), told.clone());
        told
    }
}

/// After this pause a command of unknown outcome is repeated.
const AGAIN: Duration = Duration::from_millis(50);
/// Waits as long as a client acknowledges a few more commands, so that a kill falls into the middle of work.
pub async fn in_the_middle(load: &Load) -> Result<()> {
    after_some(load, &mut rand::rng()).await
}

/// The same with a choice that can be repeated.
pub async fn after_some(load: &Load, rng: &mut impl Rng) -> Result<()> {
    let enough = load.acknowledged() + rng.random_range(1..200);
    eventually("the load goes on", || async { Ok(load.acknowledged() >= enough) }).await
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
