//! The oracle: reads the log of a stopped server, checks what must hold of it, folds every read model anew, and compares.

use anyhow::{Context, Result, bail, ensure};
use log::{
    Log, Source,
    kafka::{KafkaConfig, KafkaLog},
    sqlite::SqliteLog,
};
use schemas::{
    AnyProjection, Entry, SCHEMAS, SchemaKind, Stream,
    envelope::{CommandResult, Envelope},
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    path::Path,
    sync::Arc,
};
use stores::{
    GenerationState, Query, Store,
    postgres::{PostgresConfig, PostgresStore},
    sqlite::SqliteStore,
};
use uuid::Uuid;

/// Records read at once.
const BATCH: usize = 10_000;

/// What the log of a data folder says.
pub struct Truth {
    /// Commands, events and results of every context, in the order of their partition.
    pub entries: BTreeMap<Stream, Vec<Entry>>,
}

/// What a comparison found.
#[derive(Debug, Default)]
pub struct Verdict {
    /// Events in the log.
    pub events: usize,
    /// Rows compared, per read model.
    pub rows: BTreeMap<&'static str, usize>,
}

/// Checks the data folder of a stopped server; an error says what is wrong.
pub async fn check(data: &Path) -> Result<(Truth, Verdict)> {
    let log = SqliteLog::open_default(data)?;
    let checked = compare(&log, &SqliteStore::open(data)?).await;
    log.close().await?;
    checked
}

/// The same for servers.
pub async fn check_servers(addresses: &local::Addresses) -> Result<(Truth, Verdict)> {
    let log = KafkaLog::connect(KafkaConfig::new(&addresses.kafka)).await?;
    compare(&log, &PostgresStore::connect(PostgresConfig::new(&addresses.postgres)).await?).await
}

/// The same for a log on Kafka with the read models in a folder.
pub async fn check_kafka(log: &dyn Log, data: &Path) -> Result<(Truth, Verdict)> {
    compare(log, &SqliteStore::open(data)?).await
}

async fn compare(log: &dyn Log, store: &dyn Store) -> Result<(Truth, Verdict)> {
    let truth = Truth::read(log).await?;
    truth.events_are_dense_and_contiguous()?;
    truth.no_command_was_decided_twice()?;
    truth.transactions_are_whole()?;
    let mut verdict = Verdict { events: truth.entries[&Stream::Events].len(), rows: BTreeMap::new() };
    for projection in projections::all() {
        let rows = truth.compare(*projection, store).await.with_context(|| format!("read model {}", projection.name()))?;
        verdict.rows.insert(projection.name(), rows);
    }
    Ok((truth, verdict))
}

impl Truth {
    async fn read(log: &dyn Log) -> Result<Self> {
        let contexts: BTreeSet<&str> = SCHEMAS.iter().filter(|s| s.kind == SchemaKind::Command).map(|s| s.context).collect();
        let mut entries = BTreeMap::new();
        for stream in [Stream::Commands, Stream::Events, Stream::Results] {
            let mut all = Vec::new();
            for context in &contexts {
                let topic: Arc<str> = stream.topic(context).into();
                for partition in 0..log.partitions() {
                    read_partition(log, Source { topic: Arc::clone(&topic), partition }, stream, &mut all).await?;
                }
            }
            entries.insert(stream, all);
        }
        Ok(Self { entries })
    }

    /// Ids of the commands that have a result, with its status.
    pub fn results(&self) -> Result<HashMap<Uuid, i32>> {
        let mut results = HashMap::new();
        for entry in &self.entries[&Stream::Results] {
            let result: CommandResult = schemas::Message::decode(&entry.envelope.r#type, &entry.payload)?;
            results.insert(entry.envelope.command_id, result.status);
        }
        Ok(results)
    }

    fn events_are_dense_and_contiguous(&self) -> Result<()> {
        let mut positions: HashMap<(&str, u32), u64> = HashMap::new();
        let mut seqs: HashMap<String, i64> = HashMap::new();
        let mut ids = HashSet::new();
        for entry in &self.entries[&Stream::Events] {
            let position = positions.entry((&entry.topic, entry.partition)).or_default();
            ensure!(
                entry.position == *position + 1,
                "{}/{}: position {} follows {position}",
                entry.topic,
                entry.partition,
                entry.position
            );
            *position = entry.position;
            let seq = seqs.entry(entry.envelope.key()).or_default();
            ensure!(entry.envelope.seq == *seq + 1, "{}: seq {} follows {seq}", entry.envelope.key(), entry.envelope.seq);
            *seq = entry.envelope.seq;
            ensure!(ids.insert(entry.envelope.id), "event {} stands twice in the log", entry.envelope.id);
        }
        Ok(())
    }

    /// The events of one command are one run of one aggregate: a second decision would start a second run.
    fn no_command_was_decided_twice(&self) -> Result<()> {
        let mut last: HashMap<Uuid, (String, i64)> = HashMap::new();
        for entry in &self.entries[&Stream::Events] {
            let here = (entry.envelope.key(), entry.envelope.seq);
            if let Some((key, seq)) = last.get(&entry.envelope.command_id) {
                ensure!(*key == here.0 && seq + 1 == here.1, "command {} was decided twice", entry.envelope.command_id);
            }
            last.insert(entry.envelope.command_id, here);
        }
        Ok(())
    }

    /// Events and result of a command are written together: one without the other is a part of a transaction.
    fn transactions_are_whole(&self) -> Result<()> {
        let mut events: HashMap<Uuid, usize> = HashMap::new();
        for entry in &self.entries[&Stream::Events] {
            *events.entry(entry.envelope.command_id).or_default() += 1;
        }
        let mut named: HashMap<Uuid, usize> = HashMap::new();
        for entry in &self.entries[&Stream::Results] {
            let result: CommandResult = schemas::Message::decode(&entry.envelope.r#type, &entry.payload)?;
            // A repeat gives the first answer again; of a key that comes with another body no event is named.
            let said = named.entry(entry.envelope.command_id).or_default();
            *said = (*said).max(result.events.len());
        }
        for (command, count) in &events {
            let said = named.get(command).with_context(|| format!("command {command} has events and no result"))?;
            ensure!(said == count, "command {command} has {count} events, its result names {said}");
        }
        for (command, said) in named.iter().filter(|(_, said)| **said > 0) {
            ensure!(events.contains_key(command), "the result of command {command} names {said} events, and there are none");
        }
        Ok(())
    }

    async fn compare(&self, projection: &dyn AnyProjection, store: &dyn Store) -> Result<usize> {
        let streams = projection.streams();
        let entries: Vec<Entry> =
            self.entries.iter().filter(|(s, _)| streams.contains(s)).flat_map(|(_, e)| e).cloned().collect();
        let expected = schemas::spec::fold_all(projection, &entries, BATCH);
        ensure!(expected.parked.is_empty(), "{} records do not fit: {:?}", expected.parked.len(), expected.parked.first());
        let live = store.generations(projection.name()).await?;
        let live = live.iter().find(|g| g.state == GenerationState::Live).context("no live generation")?;
        let positions = store.positions(live.id).await?;
        for entry in &entries {
            let at = positions.get(&(entry.topic.to_string(), entry.partition)).map_or(0, |(position, _)| *position);
            ensure!(entry.position <= at, "stands at {at} of {}/{}, the log at {}", entry.topic, entry.partition, entry.position);
        }
        let query = Query {
            table: projection.table(),
            tenant: "default".into(),
            filters: Vec::new(),
            order: Vec::new(),
            after: None,
            limit: i64::MAX as usize,
        };
        let stored: BTreeSet<String> = store.query(&query).await?.iter().map(|row| format!("{row:?}")).collect();
        let folded: BTreeSet<String> = expected.rows.values().map(|row| format!("{:?}", &row[1..])).collect();
        if let Some(row) = folded.symmetric_difference(&stored).next() {
            let side = if folded.contains(row) { "is missing or different in the store" } else { "is in the store only" };
            bail!("{} rows folded, {} stored; this one {side}: {row}", folded.len(), stored.len());
        }
        Ok(stored.len())
    }
}

async fn read_partition(log: &dyn Log, source: Source, stream: Stream, out: &mut Vec<Entry>) -> Result<()> {
    let mut from = 0;
    loop {
        let records = log.read(&source, from, BATCH).await?;
        let Some(last) = records.last() else { return Ok(()) };
        from = last.offset + 1;
        for record in records {
            let envelope = Envelope::decode(&record.envelope)?;
            let position = if stream == Stream::Events { envelope.position.unsigned_abs() } else { record.offset + 1 };
            out.push(Entry {
                topic: Arc::clone(&source.topic),
                partition: source.partition,
                position,
                envelope: Arc::new(envelope),
                envelope_bytes: record.envelope,
                payload: record.payload,
            });
        }
    }
}
