//! Whether a write happened whose commit was not answered.
//!
//! The stored position says it, since it moved with the rows or not at all. The old connection may still be at work on the
//! server: its transaction has the row of the source locked until it ends, so the row is asked for with a lock, and who
//! gets it knows how that transaction ended.

use super::{
    PostgresStore,
    catalog::{number, unsigned},
    failure::failed,
    session::Session,
    steps::{START, Steps},
};
use crate::{Advance, StoreError, Write};
use std::time::{Duration, Instant};

/// So long the database is asked again while it is away.
const PATIENCE: Duration = Duration::from_secs(30);
/// The first pause between two questions; it doubles.
const PAUSE: Duration = Duration::from_millis(50);
/// The longest.
const LONG_PAUSE: Duration = Duration::from_secs(2);

const DOING: &str = "finding out whether a write was committed";

const POSITION: &str = r#"SELECT position FROM positions WHERE generation = $1 AND topic = $2 AND "partition" = $3 FOR UPDATE"#;

impl PostgresStore {
    /// The outcome of a write that was not answered for the reason `unknown`.
    pub(super) async fn outcome(&self, write: &Write, steps: &Steps<'_>, unknown: StoreError) -> Result<(), StoreError> {
        tracing::warn!(store.error = %unknown, store.generation = write.generation, "a commit was not answered");
        let Some(step) = write.advance.iter().find(|step| step.to != step.from) else {
            // Nothing tells; but without a step the same write may be made twice.
            return Err(StoreError::Transient(format!("{unknown}; it may have been committed")));
        };
        let end = Instant::now() + PATIENCE;
        let mut pause = PAUSE;
        loop {
            match self.stands(write.generation, step, steps).await {
                Ok(stored) if stored == step.to => return Ok(()),
                Ok(stored) if stored == step.from => return Err(StoreError::Transient(format!("{unknown}; it was undone"))),
                Ok(stored) => {
                    return Err(StoreError::Stale {
                        generation: write.generation,
                        source_name: format!("{}/{}", step.topic, step.partition),
                        stored,
                        expected: step.from,
                    });
                }
                Err(StoreError::Transient(_)) if Instant::now() + pause < end => {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONG_PAUSE);
                }
                // Whoever writes the same again finds out: if it was committed, the position is another.
                Err(StoreError::Transient(_)) => {
                    return Err(StoreError::Transient(format!("{unknown}; it may have been committed")));
                }
                Err(other) => return Err(other),
            }
        }
    }

    /// Where a source stands once nobody else is moving it.
    async fn stands(&self, generation: u64, step: &Advance, steps: &Steps<'_>) -> Result<u64, StoreError> {
        let mut session = Session::take(&self.writes, DOING).await?;
        session.begin().await?;
        let stands = async {
            if steps.begins() {
                // There may be no row to lock yet; who inserts the same one has to wait as well.
                session.step(session.client()?.execute(START, &steps.to_start())).await?;
            }
            let (id, partition) = (number(generation)?, i64::from(step.partition));
            let row = session.step(session.client()?.query_opt(POSITION, &[&id, &&*step.topic, &partition])).await?;
            let stands = row.map(|row| row.try_get::<_, i64>(0)).transpose().map_err(|error| failed(DOING, &error))?;
            Ok(stands.map_or(0, unsigned))
        };
        let stands = stands.await;
        session.undo().await;
        stands
    }
}
