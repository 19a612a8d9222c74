//! One partition's way into the store.

use crate::{
    ConsumerError,
    batch::Batches,
    events,
    insert::{Backoff, Interrupted, Tables, Unstored},
    meters, points,
    reader::Place,
    resume::{Unknown, resume},
};
use analytics::Analytics;
use clickhouse::Client;
use log::{Log, LogError, Offset, Record, Source};
use service::{Component, Status};
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// The most records of a batch.
const MAX_RECORDS: usize = 50_000;
/// The most bytes of a batch, encoded.
const MAX_BYTES: usize = 16 << 20;
/// The most records that are read at a time.
const READ: usize = 10_000;
/// How many are read first: nobody knows their size yet.
const FIRST_READ: usize = 64;
/// The least time between two inserts of a feed that keeps up: each makes a part that the store has to merge.
const LIVE: Duration = Duration::from_millis(500);
/// How long an idle feed waits before it looks itself.
const IDLE: Duration = Duration::from_secs(1);

/// What the records of a topic are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Events of a context.
    Events {
        /// It.
        context: &'static str,
    },
    /// Metric points.
    Points,
}

/// The next record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// Its offset, or one before it.
    pub(crate) offset: Offset,
    /// Its position, of an event.
    pub(crate) position: u64,
}

/// Feeds one partition.
pub(crate) struct Feed {
    log: Arc<dyn Log>,
    analytics: Analytics,
    client: Client,
    place: Place,
    kind: Kind,
    health: Component,
    stop: CancellationToken,
}

/// Why a feed ends.
enum End {
    /// The program ends, or the partition is somebody else's now.
    Stopped,
    Failed(ConsumerError),
}

impl From<Interrupted> for End {
    fn from(_: Interrupted) -> Self {
        Self::Stopped
    }
}

impl From<ConsumerError> for End {
    fn from(error: ConsumerError) -> Self {
        Self::Failed(error)
    }
}

impl Feed {
    pub(crate) fn new(
        log: Arc<dyn Log>,
        analytics: Analytics,
        client: Client,
        source: Source,
        kind: Kind,
        health: Component,
        stop: CancellationToken,
    ) -> Self {
        let timeline = log.timeline();
        Self { log, analytics, client, place: Place { source, timeline }, kind, health, stop }
    }

    /// Runs until it is stopped or meets a failure that no repetition mends.
    pub(crate) async fn run(self) -> Result<(), ConsumerError> {
        match self.follow().await {
            Ok(never) => match never {},
            Err(End::Stopped) => Ok(()),
            Err(End::Failed(error)) => Err(error),
        }
    }

    async fn follow(&self) -> Result<std::convert::Infallible, End> {
        let mut backoff = Backoff::new(&self.health, &self.stop);
        loop {
            self.fill(&mut backoff).await?;
            tracing::warn!(log.topic = &*self.place.source.topic, "the server has lost its tables; they are filled again");
        }
    }

    /// Makes what is missing of the tables, and fills them until the server turns out to have lost what it had.
    async fn fill(&self, backoff: &mut Backoff<'_>) -> Result<(), End> {
        let mut cursor = self.resume(backoff).await?;
        let mut tables = Tables::new(&self.client, &self.place, &self.kind, cursor);
        loop {
            if self.stop.is_cancelled() {
                return Err(End::Stopped);
            }
            let started = Instant::now();
            let (records, full) = self.gather(cursor.offset, backoff).await?;
            if records.is_empty() {
                self.wait(cursor.offset, backoff).await?;
                continue;
            }
            let (count, bytes) = (records.len(), records.iter().map(size).sum::<usize>());
            let next = records.last().map_or(cursor.offset, |last| last.offset + 1);
            let Batches { batches, paused } = self.read(cursor, records).await?;
            for batch in &batches {
                let parked = batch.parked.len() as u64;
                match tables.store(batch, backoff).await {
                    Ok(()) => {}
                    Err(Unstored::Interrupted) => return Err(End::Stopped),
                    Err(Unstored::Lost) => return Ok(()),
                }
                if parked > 0 {
                    let (topic, partition) = self.labels();
                    metrics::counter!(meters::PARKED, "topic" => topic, "partition" => partition).increment(parked);
                }
            }
            if let Some(reason) = paused {
                return Err(self.pause(&reason).await);
            }
            tracing::debug!(log.topic = &*self.place.source.topic, batch.records = count, batch.bytes = bytes, "stored");
            cursor = Cursor { offset: next, position: cursor.position + count as u64 };
            self.report(cursor.offset).await;
            if !full {
                self.pace(started + LIVE).await?;
            }
        }
    }

    /// Where to go on, once the store and the log have answered.
    async fn resume(&self, backoff: &mut Backoff<'_>) -> Result<Cursor, End> {
        loop {
            if let Err(error) = self.analytics.prepare().await {
                // Whatever it is, somebody may mend it on the server.
                backoff.failed("making the tables", &error).await?;
                continue;
            }
            match resume(&*self.log, &self.client, &self.place, &self.kind).await {
                Ok(cursor) => {
                    backoff.succeeded();
                    return Ok(cursor);
                }
                Err(Unknown::Fatal(error)) => return Err(error.into()),
                Err(Unknown::Transient(error)) => backoff.failed("finding where to resume", &error).await?,
            }
        }
    }

    /// Records for a batch, and whether more are waiting: then the feed is behind and does not rest.
    async fn gather(&self, from: Offset, backoff: &mut Backoff<'_>) -> Result<(Vec<Record>, bool), End> {
        let mut records: Vec<Record> = Vec::new();
        let (mut next, mut bytes) = (from, 0);
        while records.len() < MAX_RECORDS && bytes < MAX_BYTES {
            let average = bytes.checked_div(records.len()).map_or(MAX_BYTES / FIRST_READ, |average| average.max(1));
            let most = ((MAX_BYTES - bytes) / average + 1).min(READ).min(MAX_RECORDS - records.len());
            match self.log.read(&self.place.source, next, most).await {
                Ok(read) => {
                    let Some(last) = read.last() else { return Ok((records, false)) };
                    next = last.offset + 1;
                    bytes += read.iter().map(size).sum::<usize>();
                    records.extend(read);
                }
                Err(LogError::Fatal(reason)) => return Err(ConsumerError::Fatal(reason).into()),
                Err(error) => backoff.failed("reading the log", &error).await?,
            }
        }
        Ok((records, true))
    }

    /// Decodes on a thread where that may take long.
    async fn read(&self, cursor: Cursor, records: Vec<Record>) -> Result<Batches, End> {
        let (place, kind) = (self.place.clone(), self.kind.clone());
        let work = tokio::task::spawn_blocking(move || match kind {
            Kind::Events { context } => events::read(&place, context, cursor.position, &records),
            Kind::Points => Ok(points::read(&place, &records)),
        });
        Ok(work.await.map_err(|panic| ConsumerError::Fatal(panic.to_string()))??)
    }

    async fn wait(&self, from: Offset, backoff: &mut Backoff<'_>) -> Result<(), End> {
        let waited = tokio::select! {
            biased;
            () = self.stop.cancelled() => return Err(End::Stopped),
            waited = self.log.wait(&self.place.source, from, IDLE) => waited,
        };
        match waited {
            Ok(_) => backoff.succeeded(),
            Err(LogError::Fatal(reason)) => return Err(ConsumerError::Fatal(reason).into()),
            Err(error) => backoff.failed("waiting for the log", &error).await?,
        }
        Ok(())
    }

    async fn pace(&self, until: Instant) -> Result<(), End> {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(End::Stopped),
            () = sleep_until(until) => Ok(()),
        }
    }

    /// Stands still before a record that only a newer program can read.
    async fn pause(&self, reason: &str) -> End {
        tracing::error!(
            log.topic = &*self.place.source.topic,
            log.partition = self.place.source.partition,
            error.reason = reason,
            "paused"
        );
        self.health.set(Status::Failing(format!("paused: {reason}")));
        self.stop.cancelled().await;
        End::Stopped
    }

    async fn report(&self, next: Offset) {
        if let Ok(end) = self.log.end(&self.place.source).await {
            let (topic, partition) = self.labels();
            metrics::gauge!(meters::LAG, "topic" => topic, "partition" => partition).set(end.saturating_sub(next) as f64);
        }
    }

    fn labels(&self) -> (String, String) {
        (self.place.source.topic.to_string(), self.place.source.partition.to_string())
    }
}

impl Drop for Feed {
    /// The partition is no longer this process's: nothing is said about it any more.
    fn drop(&mut self) {
        self.health.remove();
        let (topic, partition) = self.labels();
        metrics::gauge!(meters::LAG, "topic" => topic, "partition" => partition).set(0.0);
    }
}

fn size(record: &Record) -> usize {
    record.key.len() + record.envelope.len() + record.payload.len()
}
