//! Fills a log with a past, as the gateway and the writer would have written it: commands, events and results with
//! their envelopes, positions and consumed offsets, in transactions. A server that opens the folder finds nothing to
//! decide and everything to project.

use anyhow::{Context, Result};
use bytes::Bytes;
use log::{Append, Consumed, Durability, Log, Source, Transaction, sqlite::SqliteLog};
use schemas::{
    Message, Stream,
    envelope::{CommandResult, Envelope},
    work::{JobEvent, JobLeased, JobProgressed, JobSubmitted, LeaseJob, Priority, ReportProgress, SubmitJob},
};
use std::{path::Path, sync::Arc};
use uuid::Uuid;

/// Events per transaction.
const BATCH: usize = 5_000;
/// The first event; one follows every 100 µs.
const BEGIN: i64 = 1_760_000_000_000_000;
const CONTEXT: &str = "work";
const TENANT: &str = "default";

/// Fills the log in `data` with `events` events of `jobs` jobs: each is submitted, leased, and then reports progress.
/// As many jobs as events means that every job is only submitted.
pub async fn seed(data: &Path, events: u64, jobs: u64) -> Result<()> {
    let log = SqliteLog::open_default(data)?;
    let topics = [Stream::Commands, Stream::Events, Stream::Results].map(|stream| stream.topic(CONTEXT));
    log.create_topics(&topics.each_ref().map(String::as_str)).await?;
    let mut lanes = Vec::new();
    for partition in 0..log.partitions() {
        lanes.push(Lane::new(&log, &topics, partition).await?);
    }
    for n in 0..events {
        let step = Step { n, job: crate::load::job_id(n % jobs.max(1)).to_string(), seq: (n / jobs.max(1)) as i64 + 1 };
        let key = schemas::key(TENANT, "job", &step.job);
        let lane = &mut lanes[schemas::partition(key.as_bytes(), log.partitions()) as usize];
        lane.add(&log, &step, key.into())?;
        if lane.events.len() >= BATCH {
            lane.commit(&log).await?;
        }
    }
    for lane in &mut lanes {
        lane.commit(&log).await?;
    }
    log.close().await.context("cannot close the seeded log")
}

/// The n-th event: what happens to a job at this seq.
struct Step {
    n: u64,
    job: String,
    seq: i64,
}

/// One partition of every topic.
struct Lane {
    owner: Box<dyn log::Transactional>,
    sources: [Source; 3],
    position: i64,
    commands: Vec<Append>,
    events: Vec<Append>,
    results: Vec<Append>,
}

impl Lane {
    async fn new(log: &SqliteLog, topics: &[String; 3], partition: u32) -> Result<Self> {
        let owner = log.transactional(&format!("writer-{partition}")).await?;
        let sources = topics.each_ref().map(|topic| Source { topic: Arc::from(topic.as_str()), partition });
        Ok(Self { owner, sources, position: 0, commands: Vec::new(), events: Vec::new(), results: Vec::new() })
    }

    fn add(&mut self, log: &SqliteLog, step: &Step, key: Bytes) -> Result<()> {
        self.position += 1;
        let time = BEGIN + step.n as i64 * 100;
        let (mut command, mut event) = (Vec::new(), Vec::new());
        let (command_type, command_schema, happened) = step.messages(time, &mut command)?;
        happened.encode(&mut event)?;
        let result = CommandResult {
            status: if step.seq == 1 { 201 } else { 200 },
            events: vec![happened.name().to_owned()],
            position: self.position,
            code: None,
            detail: None,
        };
        let mut answer = Vec::new();
        result.encode(&mut answer)?;

        let id = |kind: u128| Uuid::from_u128(0x019a_9d00_0000_7000_8000_0000_0000_0000 | kind << 56 | u128::from(step.n));
        let command_id = id(1);
        let envelope = |kind: u128, name: &str, schema_id: u32, seq: i64, position: i64| Envelope {
            id: id(kind),
            tenant: TENANT.to_owned(),
            aggregate_type: "job".to_owned(),
            aggregate_id: step.job.clone(),
            seq,
            position,
            timeline: log.timeline().0,
            r#type: name.to_owned(),
            schema_id: schema_id as i32,
            command_id,
            causation_id: command_id,
            correlation_id: command_id,
            traceparent: None,
            actor: "bench".to_owned(),
            occurred_at: None,
            recorded_at: time,
            expected_seq: -2,
            idempotent: false,
            body_hash: None,
        };
        let records = [
            (envelope(1, command_type, command_schema, 0, 0), command),
            (envelope(2, happened.name(), happened.schema_id().0, step.seq, self.position), event),
            (envelope(3, result.name(), result.schema_id().0, step.seq, 0), answer),
        ];
        for ((envelope, payload), (source, batch)) in
            records.into_iter().zip(self.sources.iter().zip([&mut self.commands, &mut self.events, &mut self.results]))
        {
            let mut bytes = Vec::with_capacity(256);
            envelope.encode(&mut bytes)?;
            batch.push(Append {
                source: source.clone(),
                key: key.clone(),
                envelope: bytes.into(),
                payload: payload.into(),
                time,
            });
        }
        Ok(())
    }

    async fn commit(&mut self, log: &SqliteLog) -> Result<()> {
        let offsets = log.append(std::mem::take(&mut self.commands), Durability::Ordered).await?;
        let Some(last) = offsets.last() else { return Ok(()) };
        let consumed = vec![Consumed { group: "writer".into(), source: self.sources[0].clone(), next: last + 1 }];
        let mut append = std::mem::take(&mut self.events);
        append.append(&mut self.results);
        self.owner.commit(Transaction { append, consumed }).await?;
        Ok(())
    }
}

impl Step {
    /// Appends the command and answers its type, its schema and what happened.
    fn messages(&self, time: i64, command: &mut Vec<u8>) -> Result<(&'static str, u32, JobEvent)> {
        let job_id = self.job.clone();
        let (config, queue, kind) = (r#"{"alpha":0.05,"seed":1}"#.to_owned(), "bench".to_owned(), "none".to_owned());
        let (name, schema, event) = match self.seq {
            1 => {
                let said = SubmitJob {
                    job_id: job_id.clone(),
                    queue: queue.clone(),
                    kind: kind.clone(),
                    priority: Priority::Normal,
                    config: config.clone(),
                    max_attempts: 10,
                };
                said.encode(command)?;
                let event = JobSubmitted { job_id, queue, kind, priority: Priority::Normal, config, max_attempts: 10 };
                (said.name(), said.schema_id(), event.into())
            }
            2 => {
                let said = LeaseJob { job_id: job_id.clone(), worker: "bench".to_owned(), duration_ms: 3_600_000 };
                said.encode(command)?;
                let until = time + 3_600_000_000;
                let event = JobLeased { job_id, worker: "bench".to_owned(), fence: 1, attempt: 1, until };
                (said.name(), said.schema_id(), event.into())
            }
            seq => {
                let step = seq - 2;
                let said = ReportProgress { job_id: job_id.clone(), fence: 1, step, total_steps: Some(1_000_000), message: None };
                said.encode(command)?;
                let event = JobProgressed { job_id, fence: 1, step, total_steps: Some(1_000_000), message: None };
                (said.name(), said.schema_id(), event.into())
            }
        };
        Ok((name, schema.0, event))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[tokio::test]
    async fn a_seeded_log_is_what_a_writer_would_have_left() {
        let data = tempfile::TempDir::new().unwrap();
        seed(data.path(), 10_050, 1_005).await.unwrap();
        let log = SqliteLog::open_default(data.path()).unwrap();
        let mut seqs: HashMap<String, i64> = HashMap::new();
        let mut all = 0;
        for partition in 0..log.partitions() {
            let source = |topic: &str| Source { topic: topic.into(), partition };
            let (events, results) = (source("work.events"), source("work.results"));
            let events = log.read(&events, 0, 20_000).await.unwrap();
            let results = log.read(&results, 0, 20_000).await.unwrap();
            assert_eq!(events.len(), results.len());
            for (place, (event, result)) in events.iter().zip(&results).enumerate() {
                let envelope = Envelope::decode(&event.envelope).unwrap();
                assert_eq!(envelope.position, place as i64 + 1);
                assert_eq!((event.time, &event.key[..]), (envelope.recorded_at, envelope.key().as_bytes()));
                let seq = seqs.entry(envelope.aggregate_id.clone()).or_default();
                *seq += 1;
                assert_eq!(envelope.seq, *seq);
                let happened = JobEvent::decode(&envelope.r#type, &event.payload).unwrap();
                let about = Envelope::decode(&result.envelope).unwrap();
                let answer = CommandResult::decode(&about.r#type, &result.payload).unwrap();
                assert_eq!((about.command_id, about.seq), (envelope.command_id, envelope.seq));
                assert_eq!((answer.events, answer.position), (vec![happened.name().to_owned()], envelope.position));
            }
            let commands = source("work.commands");
            assert_eq!(log.committed("writer", &commands).await.unwrap(), Some(log.end(&commands).await.unwrap()));
            all += events.len();
        }
        assert_eq!(all, 10_050);
        assert!(seqs.len() == 1_005 && seqs.values().all(|seq| *seq == 10));
    }
}
