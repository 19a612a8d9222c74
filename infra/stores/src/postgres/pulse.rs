//! Hints that positions have moved: between the tasks of this process, and between processes by NOTIFY.
//!
//! A notification is sent after its write is committed, not within it: the server lets transactions that notify commit one
//! after the other only. Those that come close together are sent as one. Any of them may be lost; who waits looks for
//! itself from time to time.

use super::waiting::Line;
use parking_lot::{Mutex, RwLock};
use sqlx::{PgPool, postgres::PgListener};
use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};
use tokio::sync::Notify;

/// Between two notifications; what is said meanwhile is sent together.
const APART: Duration = Duration::from_millis(5);
/// Until the next attempt to listen.
const PAUSE: Duration = Duration::from_millis(500);
/// So long one notification may take.
const BOUND: Duration = Duration::from_secs(5);

/// Its transaction writes nothing that a crash could lose.
const SAY: &str = "SELECT pg_notify($1, name), set_config('synchronous_commit', 'off', true) FROM UNNEST($2::text[]) AS s(name)";

#[derive(Default)]
pub(super) struct Pulse {
    lines: RwLock<HashMap<String, Arc<Line>>>,
    unsaid: Mutex<BTreeSet<String>>,
    said: Notify,
}

impl Pulse {
    /// Those who wait for a read model.
    pub(super) fn line(&self, name: &str) -> Arc<Line> {
        if let Some(line) = self.lines.read().get(name) {
            return Arc::clone(line);
        }
        Arc::clone(self.lines.write().entry(name.to_owned()).or_insert_with(|| Arc::new(Line::new())))
    }

    /// Positions of a read model have moved, or another generation of it is live.
    pub(super) fn tell(&self, name: &str) {
        self.wake(name);
        self.unsaid.lock().insert(name.to_owned());
        self.said.notify_one();
    }

    fn wake(&self, name: &str) {
        if let Some(line) = self.lines.read().get(name) {
            line.wake();
        }
    }

    /// Tells other processes.
    pub(super) async fn speak(self: Arc<Self>, pool: PgPool, channel: String) {
        loop {
            self.said.notified().await;
            let names: Vec<String> = std::mem::take(&mut *self.unsaid.lock()).into_iter().collect();
            let said = sqlx::query(SAY).bind(&channel).bind(names).execute(&pool);
            match tokio::time::timeout(BOUND, said).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => tracing::debug!(store.error = %error, "a notification was not sent"),
                Err(_) => tracing::debug!("a notification was not sent in time"),
            }
            tokio::time::sleep(APART).await;
        }
    }

    /// Hears other processes.
    pub(super) async fn listen(self: Arc<Self>, pool: PgPool, channel: String) {
        loop {
            if let Err(error) = self.hear(&pool, &channel).await {
                tracing::debug!(store.error = %error, "notifications are not heard");
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn hear(&self, pool: &PgPool, channel: &str) -> sqlx::Result<()> {
        let mut listener = PgListener::connect_with(pool).await?;
        listener.listen(channel).await?;
        loop {
            match listener.try_recv().await? {
                Some(said) => self.wake(said.payload()),
                // What was said while the connection was lost is not repeated.
                None => self.lines.read().values().for_each(|line| line.wake()),
            }
        }
    }
}
