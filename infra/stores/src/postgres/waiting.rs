//! Waits for a position.
//!
//! Who waits asks the database for the positions of the live generation, at once, whenever somebody says that they have
//! moved, and every [`RECHECK`] in any case. Those who ask at the same moment share one answer.

use super::{
    PostgresStore,
    catalog::{no_live, unsigned},
    failure::{refused, silent},
};
use crate::StoreError;
use sqlx::{Row, postgres::PgRow};
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::{Mutex, watch};

/// So often a wait for a position looks again.
const RECHECK: Duration = Duration::from_millis(250);
/// So long a look may take beyond the end of the wait.
const LAST_LOOK: Duration = Duration::from_secs(5);

const LIVE: &str = r#"SELECT p.topic, p."partition", p.position, p.next_offset
FROM generations g LEFT JOIN positions p ON p.generation = g.id WHERE g.name = $1 AND g.state = 'live'"#;

/// Position and next offset by topic and partition.
type Positions = BTreeMap<(String, u32), (u64, u64)>;

/// Those who wait for positions of one read model.
pub(super) struct Line {
    moved: watch::Sender<()>,
    seen: Mutex<Option<(Instant, Arc<Positions>)>>,
}

impl Line {
    pub(super) fn new() -> Self {
        Self { moved: watch::Sender::new(()), seen: Mutex::default() }
    }

    /// Has everybody look.
    pub(super) fn wake(&self) {
        self.moved.send_replace(());
    }
}

impl PostgresStore {
    pub(super) async fn reach(
        &self,
        name: &str,
        topic: &str,
        partition: u32,
        position: u64,
        wait: Duration,
    ) -> Result<bool, StoreError> {
        let deadline = Instant::now() + wait;
        let line = self.pulse.line(name);
        let mut moved = line.moved.subscribe();
        let source = (topic.to_owned(), partition);
        loop {
            moved.mark_unchanged();
            let left = deadline.saturating_duration_since(Instant::now());
            let look = tokio::time::timeout(left + LAST_LOOK, self.look(&line, name)).await;
            let stands = look.map_err(|_| silent("waiting for a position"))??;
            if stands.get(&source).map_or(0, |(stored, _)| *stored) >= position {
                return Ok(true);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(false);
            }
            // A notification that never comes costs one round.
            let _ = tokio::time::timeout(left.min(RECHECK), moved.changed()).await;
        }
    }

    /// Where the live generation stands, not longer ago than now.
    async fn look(&self, line: &Line, name: &str) -> Result<Arc<Positions>, StoreError> {
        let doing = "reading positions";
        let asked = Instant::now();
        let mut seen = line.seen.lock().await;
        if let Some((when, stands)) = &*seen
            && *when >= asked
        {
            return Ok(Arc::clone(stands));
        }
        let when = Instant::now();
        let rows = self.asked(doing, sqlx::query(LIVE).bind(name).fetch_all(&self.questions)).await?;
        if rows.is_empty() {
            return Err(no_live(name));
        }
        let stands = Arc::new(stands(&rows).map_err(|error| refused(doing, &error))?);
        *seen = Some((when, Arc::clone(&stands)));
        Ok(stands)
    }
}

/// Positions from rows of topic, partition, position and next offset. A generation without any is one row of NULLs.
pub(super) fn stands(rows: &[PgRow]) -> sqlx::Result<Positions> {
    let mut stands = Positions::new();
    for row in rows {
        let Some(topic) = row.try_get::<Option<String>, _>(0)? else { continue };
        let partition = u32::try_from(row.try_get::<i64, _>(1)?).unwrap_or(u32::MAX);
        let position = (unsigned(row.try_get(2)?), unsigned(row.try_get(3)?));
        stands.insert((topic, partition), position);
    }
    Ok(stands)
}
