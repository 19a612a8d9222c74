//! A load on every lane of the writers, which measures how long each lane says nothing.
//!
//! A lane is a partition: each client of a lane submits jobs whose ids fall into it, one after the other. A command of
//! unknown outcome is repeated under its key until the outcome is known.

use crate::{Client, load::Told};
use anyhow::{Context, Result, bail};
use serde_json::json;
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::task::JoinSet;
use uuid::Uuid;

/// Pause before a command of unknown outcome is repeated.
const PAUSE: Duration = Duration::from_millis(50);

/// Partitions of a log, unless it was set up otherwise.
pub const LANES: u32 = 4;

/// The clients of all lanes.
pub struct LaneLoad {
    shared: Arc<Shared>,
    clients: JoinSet<Result<()>>,
}

#[derive(Default)]
struct Shared {
    is_over: AtomicBool,
    next: AtomicU64,
    told: Mutex<BTreeMap<String, Told>>,
    /// When each lane acknowledged a command.
    acknowledged: Mutex<BTreeMap<u32, Vec<Instant>>>,
}

impl LaneLoad {
    /// Starts so many clients for every lane, spread over the gateways.
    pub fn start(gateways: &[Client], clients_per_lane: usize) -> Self {
        let shared = Arc::<Shared>::default();
        let mut clients = JoinSet::new();
        for lane in 0..LANES {
            for gateway in gateways.iter().cycle().take(clients_per_lane) {
                clients.spawn(Arc::clone(&shared).submit(gateway.clone(), lane));
            }
        }
        Self { shared, clients }
    }

    /// How many commands the lane acknowledged that has acknowledged the fewest.
    pub fn fewest(&self) -> usize {
        let acknowledged = self.shared.acknowledged.lock().unwrap_or_else(PoisonError::into_inner);
        (0..LANES).map(|lane| acknowledged.get(&lane).map_or(0, Vec::len)).min().unwrap_or_default()
    }

    /// The longest time between two acknowledged answers of each lane, of which the later came after `since`.
    pub fn stalls(&self, since: Instant) -> Vec<Duration> {
        let acknowledged = self.shared.acknowledged.lock().unwrap_or_else(PoisonError::into_inner);
        let stall = |times: &Vec<Instant>| {
            let mut times = times.clone();
            times.sort_unstable();
            times.windows(2).filter(|pair| pair[1] > since).map(|pair| pair[1] - pair[0]).max().unwrap_or_default()
        };
        acknowledged.values().map(stall).collect()
    }

    /// Ends the load once every outcome is known; answers what was told of every command, by its key.
    pub async fn finish(mut self) -> Result<BTreeMap<String, Told>> {
        self.shared.is_over.store(true, Ordering::Relaxed);
        while let Some(client) = self.clients.join_next().await {
            client??;
        }
        Ok(std::mem::take(&mut *self.shared.told.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl Shared {
    async fn submit(self: Arc<Self>, gateway: Client, lane: u32) -> Result<()> {
        while !self.is_over.load(Ordering::Relaxed) {
            let key = format!("lane-{lane}-{}", self.next.fetch_add(1, Ordering::Relaxed));
            let body = json!({ "job_id": job_of(lane)?, "queue": "lanes", "kind": "none" });
            let told = loop {
                match gateway.command("work.SubmitJob", &key, &body).await {
                    Ok(answer) if matches!(answer.status, 200 | 201) => break Told::acknowledged(&answer.body),
                    Ok(answer) if !matches!(answer.status, 202 | 503) => bail!("{key}: {} {}", answer.status, answer.body),
                    _ => tokio::time::sleep(PAUSE).await,
                }
            };
            self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner).entry(lane).or_default().push(Instant::now());
            self.told.lock().unwrap_or_else(PoisonError::into_inner).insert(key, told);
        }
        Ok(())
    }
}

/// A fresh id of a job that falls into the lane.
fn job_of(lane: u32) -> Result<Uuid> {
    let falls = |id: &Uuid| schemas::partition(schemas::key("default", "job", &id.to_string()).as_bytes(), LANES) == lane;
    std::iter::repeat_with(Uuid::now_v7).take(10_000).find(falls).context("no id falls into the lane")
}
