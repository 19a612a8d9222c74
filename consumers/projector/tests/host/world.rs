//! A log and a store in a directory, generated lives of jobs, and the oracle: a fresh fold of the log.

use crate::faulty::{FaultyLog, FaultyStore};
use log::sqlite::SqliteLog;
use log::{Append, Durability, Log, Source};
use projections::all;
use schemas::{
    AnyProjection, Entry,
    envelope::CommandResult,
    spec::{History, fold_all},
    work::{
        CancelJob, FailureClass, JobCancelled, JobCompleted, JobFailed, JobLeased, JobProgressed, JobRetried, JobSubmitted,
        Priority,
    },
};
use service::{Lifecycle, Status};
use std::{
    fmt::Debug,
    future::Future,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};
use stores::{Generation, GenerationState, Scan, Store, row_hash};
use swarmlog_projector::{ProjectorError, run};
use tokio::task::JoinHandle;

pub const PARTITIONS: u32 = 3;

pub struct World {
    pub log: Arc<FaultyLog>,
    pub store: Arc<FaultyStore>,
    _dir: tempfile::TempDir,
}

pub struct Running {
    pub lifecycle: Lifecycle,
    pub task: JoinHandle<Result<(), ProjectorError>>,
}

impl World {
    pub async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let log = FaultyLog::new(Arc::new(open_log(dir.path())));
        let store = FaultyStore::new(crate::store::open(dir.path()).await);
        log.create_topics(&["work.commands", "work.events", "work.results"]).await.unwrap();
        Self { log: Arc::new(log), store: Arc::new(store), _dir: dir }
    }

    pub fn start(&self) -> Running {
        self.start_with(all())
    }

    pub fn start_with(&self, projections: &'static [&'static dyn AnyProjection]) -> Running {
        Running::over(self.log.clone(), self.store.clone(), projections)
    }

    /// Appends entries as they are.
    pub async fn append(&self, entries: &[Entry]) {
        let records = entries.iter().map(|entry| Append {
            source: Source { topic: entry.topic.clone(), partition: entry.partition },
            key: entry.envelope.key().into(),
            envelope: entry.envelope_bytes.clone(),
            payload: entry.payload.clone(),
            time: entry.envelope.recorded_at,
        });
        self.log.append(records.collect(), Durability::Durable).await.unwrap();
    }

    /// Appends bytes that are no record.
    pub async fn append_garbage(&self, topic: &str, partition: u32, key: &'static str) {
        let source = Source { topic: topic.into(), partition };
        let garbage = Append { source, key: key.into(), envelope: "garbage".into(), payload: "rubbish".into(), time: 0 };
        self.log.append(vec![garbage], Durability::Durable).await.unwrap();
    }

    pub async fn generation(&self, name: &str, state: GenerationState) -> Option<Generation> {
        self.store.generations(name).await.unwrap().into_iter().find(|generation| generation.state == state)
    }

    pub async fn live(&self, name: &str) -> Option<Generation> {
        self.generation(name, GenerationState::Live).await
    }

    /// Rows of the live generation, counted and summed.
    pub async fn rows(&self, name: &str) -> Option<Scan> {
        let live = self.live(name).await?;
        self.store.scan(live.id).await.ok()
    }

    /// Waits until every read model equals a fresh fold.
    pub async fn equals_a_fresh_fold(&self, entries: &[Entry]) {
        for projection in all() {
            self.follows(*projection, entries).await;
        }
    }

    /// Waits until one read model equals a fresh fold.
    pub async fn follows(&self, projection: &dyn AnyProjection, entries: &[Entry]) {
        let expected = Some(fresh(projection, entries));
        eventually(projection.name(), || async { (self.rows(projection.name()).await, ()) }, |(rows, ())| *rows == expected)
            .await;
    }
}

impl Running {
    pub fn over(log: Arc<dyn Log>, store: Arc<dyn Store>, projections: &'static [&'static dyn AnyProjection]) -> Self {
        let lifecycle = Lifecycle::new();
        let task = tokio::spawn(run(log, store, projections, lifecycle.clone()));
        Self { lifecycle, task }
    }

    pub fn status(&self, name: &str) -> Option<Status> {
        let component = format!("projection {name}");
        self.lifecycle.health().statuses().into_iter().find_map(|(found, status)| (found == component).then_some(status))
    }

    pub async fn reaches(&self, name: &str, is: impl Fn(&Status) -> bool) -> Status {
        eventually(name, || async { self.status(name) }, |status| status.as_ref().is_some_and(&is)).await.unwrap()
    }

    pub async fn stop(self) {
        self.lifecycle.finished().await.unwrap();
        let ended = tokio::time::timeout(Duration::from_secs(30), self.task).await;
        ended.expect("the projector leaves when asked").unwrap().unwrap();
    }

    /// Ends it in the middle of whatever it does.
    pub async fn kill(self) {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
    }
}

/// Looks until what is seen is as wanted; fails after a bound that only a hang reaches.
pub async fn eventually<T: Debug, F: Future<Output = T>>(what: &str, look: impl Fn() -> F, wanted: impl Fn(&T) -> bool) -> T {
    let start = Instant::now();
    loop {
        let seen = look().await;
        if wanted(&seen) {
            return seen;
        }
        assert!(start.elapsed() < Duration::from_secs(30), "{what}: still {seen:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// What a store holds after a fold of the whole log.
pub fn fresh(projection: &dyn AnyProjection, entries: &[Entry]) -> Scan {
    let rows = fold_all(projection, entries, 1_000).rows;
    let checksum = rows.values().fold(0_u128, |sum, row| sum.wrapping_add(row_hash(row)));
    Scan { rows: rows.len() as u64, checksum }
}

pub fn id(job: usize) -> String {
    format!("job-{job}")
}

pub fn submitted(job: usize) -> JobSubmitted {
    JobSubmitted {
        job_id: id(job),
        queue: "gpu".into(),
        kind: "train.wine".into(),
        priority: Priority::Normal,
        config: "{}".into(),
        max_attempts: 3,
    }
}

/// The first events of some jobs; a job always lies in the same partition.
pub fn submit(history: History, jobs: std::ops::Range<usize>) -> History {
    jobs.fold(history, |history, job| {
        let history = history.partition(job as u32 % PARTITIONS).command(CancelJob { job_id: id(job), reason: None });
        history.event(submitted(job)).result(result())
    })
}

/// More events of jobs that were submitted.
pub fn work(history: History, jobs: std::ops::Range<usize>) -> History {
    jobs.fold(history, |history, job| {
        let (job_id, fence) = (id(job), 1);
        let history = history
            .partition(job as u32 % PARTITIONS)
            .event(JobLeased { job_id: id(job), worker: "w".into(), fence, attempt: 1, until: 9_000 })
            .event(JobProgressed { job_id: id(job), fence, step: job as i64, total_steps: None, message: None });
        match job % 4 {
            0 => history.event(JobCompleted { job_id, fence, result: "{}".into(), result_uri: None }),
            1 => history
                .event(JobFailed { job_id: id(job), fence, class: FailureClass::Transient, message: "oom".into() })
                .event(JobRetried { job_id, attempt: 1, reason: None }),
            2 => history.event(JobCancelled { job_id, reason: None }),
            _ => history,
        }
    })
}

fn result() -> CommandResult {
    CommandResult { status: 200, events: vec!["work.JobSubmitted".into()], position: 1, code: None, detail: None }
}

fn open_log(dir: &Path) -> SqliteLog {
    SqliteLog::open(&dir.join("log"), PARTITIONS).unwrap()
}
