//! A log and a store that the real writer and projector have filled, and nobody uses any more.

use super::commands::{cancel, command, job, lease, submit};
use log::{Append, Durability, Log, Record, Source};
use schemas::{envelope::Envelope, row::Value};
use service::Lifecycle;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use stores::{Generation, GenerationState, Store};
use swarmlog_verify::{Options, Report, Sources, verify};
use uuid::Uuid;

/// Bound of a hang.
const BOUND: Duration = Duration::from_secs(60);

pub struct World {
    pub log: Arc<dyn Log>,
    pub store: Arc<dyn Store>,
}

/// A writer and a projector at work.
pub struct Running(Lifecycle);

impl World {
    /// Forty jobs: some leased, some cancelled, some refused, some sent twice with their key.
    pub async fn filled(log: Arc<dyn Log>, store: Arc<dyn Store>) -> Self {
        let world = Self { log, store };
        world.log.create_topics(&["work.commands", "work.events", "work.results", "telemetry.metric"]).await.unwrap();
        let running = world.run();
        world.send(0..40).await;
        world.settle().await;
        running.stop().await;
        world
    }

    /// Starts the writer and the projector.
    pub fn run(&self) -> Running {
        let running = self.project();
        let (log, of_writer) = (self.log.clone(), running.0.clone());
        running.0.spawn("writer", async move {
            let deciders = writer::Deciders::new().with::<work::Job>();
            writer::run(log, deciders, writer::Config::default(), &of_writer).await
        });
        running
    }

    /// Starts the projector alone: the writer refuses a log with events that it cannot read.
    pub fn project(&self) -> Running {
        let life = Lifecycle::new();
        life.spawn("operational", consumer_operational::run(self.log.clone(), self.store.clone(), life.clone()));
        Running(life)
    }

    /// Sends the commands of these jobs.
    pub async fn send(&self, jobs: std::ops::Range<u128>) {
        let partitions = self.log.partitions();
        let mut commands = Vec::new();
        for number in jobs {
            let (id, keyed) = (job(number), schemas::command_id("default", "work.SubmitJob", &number.to_string()));
            let mut add = |id, key, sent: &_| commands.push(command(id, key, sent, partitions));
            match number % 4 {
                0 => {
                    add(keyed, Some(1), &submit(&id));
                    add(keyed, Some(1), &submit(&id));
                    add(keyed, Some(2), &submit(&id));
                }
                1 => add(Uuid::now_v7(), None, &submit(&id)),
                2 => {
                    add(Uuid::now_v7(), None, &submit(&id));
                    add(Uuid::now_v7(), None, &lease(&id));
                    add(Uuid::now_v7(), None, &lease(&id));
                }
                _ => {
                    add(Uuid::now_v7(), None, &cancel(&id));
                    add(Uuid::now_v7(), None, &submit(&id));
                    add(Uuid::now_v7(), None, &cancel(&id));
                }
            }
        }
        self.log.append(commands, Durability::Durable).await.unwrap();
    }

    /// Waits until every command is decided and every read model has taken in the log.
    pub async fn settle(&self) {
        let end = Instant::now() + BOUND;
        while !self.is_settled().await {
            assert!(Instant::now() < end, "the writer or a read model does not come to the end of the log");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn is_settled(&self) -> bool {
        for source in self.sources("work.commands") {
            let decided = self.log.committed(writer::GROUP, &source).await.unwrap();
            if decided.unwrap_or(0) < self.log.end(&source).await.unwrap() {
                return false;
            }
        }
        for projection in projections::all() {
            let Some(live) = self.live(projection.name()).await else { return false };
            let positions = self.store.positions(live.id).await.unwrap();
            for source in projector::topics(*projection).iter().flat_map(|topic| self.sources(topic)) {
                let (_, next) = positions.get(&(source.topic.to_string(), source.partition)).copied().unwrap_or_default();
                let end = self.log.end(&source).await.unwrap();
                if log::unread(&*self.log, &source, next, end).await.unwrap() > 0 {
                    return false;
                }
            }
        }
        true
    }

    pub fn sources(&self, topic: &str) -> Vec<Source> {
        (0..self.log.partitions()).map(|partition| Source { topic: topic.into(), partition }).collect()
    }

    /// The live generation of a read model.
    pub async fn live(&self, name: &str) -> Option<Generation> {
        let generations = self.store.generations(name).await.unwrap();
        generations.into_iter().find(|generation| generation.state == GenerationState::Live)
    }

    /// Some rows of a read model.
    pub async fn rows(&self, name: &str, count: usize) -> (u64, Vec<Vec<Value>>) {
        let live = self.live(name).await.unwrap().id;
        (live, self.store.snapshot(live).await.unwrap().rows(count).await.unwrap())
    }

    /// All records of a partition.
    pub async fn records(&self, source: &Source) -> Vec<Record> {
        self.log.read(source, 0, 100_000).await.unwrap()
    }

    /// The last record of the partition that a key belongs to, with its envelope.
    pub async fn last_of(&self, stream: &str, job: &str) -> (Source, Record, Envelope) {
        let key = schemas::key("default", "job", job);
        let partition = schemas::partition(key.as_bytes(), self.log.partitions());
        let source = Source { topic: stream.into(), partition };
        let last = self.records(&source).await.pop().unwrap();
        let envelope = Envelope::decode(&last.envelope).unwrap();
        (source, last, envelope)
    }

    pub async fn append(&self, record: Append) {
        self.log.append(vec![record], Durability::Durable).await.unwrap();
    }

    pub fn checked(&self) -> Sources {
        Sources { log: self.log.clone(), store: self.store.clone(), analytics: None, objects: None }
    }

    pub async fn verify(&self) -> Report {
        self.verify_with(&Options::default()).await
    }

    pub async fn verify_with(&self, options: &Options) -> Report {
        verify(self.checked(), options, &|_| {}).await.unwrap()
    }
}

impl Running {
    pub async fn stop(self) {
        self.0.shutdown().cancel();
        tokio::time::timeout(BOUND, self.0.finished()).await.expect("they end in time").unwrap();
    }
}

/// The codes of all findings, sorted, each once.
pub fn codes(report: &Report) -> Vec<&'static str> {
    let mut codes: Vec<_> = report.findings.iter().map(|finding| finding.code.name()).collect();
    codes.sort_unstable();
    codes.dedup();
    codes
}
