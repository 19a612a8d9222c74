//! Inserts that are repeated until their outcome is known, or until the server turns out to have lost its tables.

use crate::{
    batch::Batch,
    feed::{Cursor, Kind},
    meters,
    reader::Place,
    resume::{is_missing, reach},
};
use clickhouse::{Client, RowOwned, RowWrite};
use service::{Component, Status};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// The first pause after a failure; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How long the store may take a piece of a batch, and the end of one.
const TIMEOUT: Duration = Duration::from_secs(60);

/// It was stopped before the outcome was known; the next owner finds out from the table.
pub(crate) struct Interrupted;

/// Why a batch is not stored.
pub(crate) enum Unstored {
    /// See [`Interrupted`].
    Interrupted,
    /// The server has less than was stored before: it was replaced, or restored from a backup.
    Lost,
}

impl From<Interrupted> for Unstored {
    fn from(_: Interrupted) -> Self {
        Self::Interrupted
    }
}

/// Pauses that grow, and the health that goes with them.
pub(crate) struct Backoff<'a> {
    health: &'a Component,
    stop: &'a CancellationToken,
    pause: Duration,
}

impl<'a> Backoff<'a> {
    pub(crate) fn new(health: &'a Component, stop: &'a CancellationToken) -> Self {
        Self { health, stop, pause: FIRST_PAUSE }
    }

    /// Says what failed and waits.
    pub(crate) async fn failed(&mut self, what: &str, error: &(dyn std::fmt::Display + Sync)) -> Result<(), Interrupted> {
        // The first failure of a series is news, the rest is its length.
        if self.pause == FIRST_PAUSE {
            tracing::warn!(error.reason = %error, "{what} failed and is tried again");
        }
        self.health.set(Status::Failing(format!("{what}: {error}")));
        let pause = self.pause;
        self.pause = (pause * 2).min(LONGEST_PAUSE);
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(Interrupted),
            () = tokio::time::sleep(pause) => Ok(()),
        }
    }

    /// Says that it works again.
    pub(crate) fn succeeded(&mut self) {
        self.pause = FIRST_PAUSE;
        self.health.set(Status::Ready);
    }
}

/// The tables, and how far this feed has filled them.
pub(crate) struct Tables<'a> {
    client: &'a Client,
    place: &'a Place,
    kind: &'a Kind,
    /// What [`reach`] may not fall below.
    stored: u64,
}

impl<'a> Tables<'a> {
    /// Tables that are filled up to `cursor`.
    pub(crate) fn new(client: &'a Client, place: &'a Place, kind: &'a Kind, cursor: Cursor) -> Self {
        let stored = match kind {
            Kind::Events { .. } => cursor.position - 1,
            Kind::Points => cursor.offset,
        };
        Self { client, place, kind, stored }
    }

    /// Stores a batch: what is parked first, so that the place to resume from never passes it.
    pub(crate) async fn store(&mut self, batch: &Batch, backoff: &mut Backoff<'_>) -> Result<(), Unstored> {
        let token = token(self.place, batch);
        self.rows("parked", &batch.parked, &token, backoff).await?;
        self.rows("events", &batch.events, &token, backoff).await?;
        self.rows("run_metrics", &batch.points, &token, backoff).await?;
        let event = batch.events.last().map(|row| row.position);
        let point = batch.points.last().map(|row| row.offset + 1);
        self.stored = event.or(point).unwrap_or(self.stored);
        Ok(())
    }

    async fn rows<R>(&self, table: &'static str, rows: &[R], token: &str, backoff: &mut Backoff<'_>) -> Result<(), Unstored>
    where
        R: RowOwned + RowWrite + for<'b> clickhouse::Row<Value<'b> = R>,
    {
        if rows.is_empty() {
            return Ok(());
        }
        loop {
            let started = Instant::now();
            let error = match reach(self.client, self.place, self.kind).await {
                // An insert into tables that somebody made anew would hide the hole below it.
                Ok(reached) if reached < self.stored => return Err(Unstored::Lost),
                Ok(_) => match once(self.client, table, rows, token).await {
                    Ok(()) => {
                        metrics::histogram!(meters::INSERT_SECONDS, "table" => table).record(started.elapsed().as_secs_f64());
                        metrics::counter!(meters::ROWS, "table" => table).increment(rows.len() as u64);
                        backoff.succeeded();
                        return Ok(());
                    }
                    Err(error) => error,
                },
                Err(error) => error,
            };
            if is_missing(&error) {
                return Err(Unstored::Lost);
            }
            metrics::counter!(meters::INSERT_FAILURES, "table" => table).increment(1);
            backoff.failed("the insert into the analytics store", &error).await?;
        }
    }
}

/// Names a range. The engine remembers it per table and drops a block that comes again under it.
fn token(place: &Place, batch: &Batch) -> String {
    format!("{}/{}/{}-{}", place.timeline.0.simple(), place.source, batch.first, batch.last)
}

/// One try. The rows serialise to the same bytes each time.
async fn once<R>(client: &Client, table: &str, rows: &[R], token: &str) -> clickhouse::error::Result<()>
where
    R: RowOwned + RowWrite + for<'a> clickhouse::Row<Value<'a> = R>,
{
    let insert = client.insert::<R>(table).await?;
    let mut insert = insert.with_setting("insert_deduplication_token", token).with_timeouts(Some(TIMEOUT), Some(TIMEOUT));
    for row in rows {
        insert.write(row).await?;
    }
    insert.end().await
}
