//! Inserts that are repeated until their outcome is known.

use crate::{batch::Batch, meters, reader::Place};
use clickhouse::{Client, RowOwned, RowWrite};
use service::{Component, Status};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// The first pause after a failure; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How long the store may take a piece of a batch, and the end of one.
const TIMEOUT: Duration = Duration::from_secs(60);

/// It was stopped before the outcome was known; the next owner finds out from the table.
pub(crate) struct Interrupted;

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

/// Stores a batch: what is parked first, so that the place to resume from never passes it.
pub(crate) async fn store(client: &Client, place: &Place, batch: &Batch, backoff: &mut Backoff<'_>) -> Result<(), Interrupted> {
    let token = token(place, batch);
    rows(client, "parked", &batch.parked, &token, backoff).await?;
    rows(client, "events", &batch.events, &token, backoff).await?;
    rows(client, "run_metrics", &batch.points, &token, backoff).await
}

/// Names a range. The engine remembers it per table and drops a block that comes again under it.
fn token(place: &Place, batch: &Batch) -> String {
    format!("{}/{}/{}-{}", place.timeline.0.simple(), place.source, batch.first, batch.last)
}

async fn rows<R>(
    client: &Client,
    table: &'static str,
    rows: &[R],
    token: &str,
    backoff: &mut Backoff<'_>,
) -> Result<(), Interrupted>
where
    R: RowOwned + RowWrite + for<'a> clickhouse::Row<Value<'a> = R>,
{
    if rows.is_empty() {
        return Ok(());
    }
    loop {
        let started = Instant::now();
        match once(client, table, rows, token).await {
            Ok(()) => {
                metrics::histogram!(meters::INSERT_SECONDS, "table" => table).record(started.elapsed().as_secs_f64());
                metrics::counter!(meters::ROWS, "table" => table).increment(rows.len() as u64);
                backoff.succeeded();
                return Ok(());
            }
            Err(error) => {
                metrics::counter!(meters::INSERT_FAILURES, "table" => table).increment(1);
                backoff.failed("the insert into the analytics store", &error).await?;
            }
        }
    }
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
