//! Statements of strangers on a server: asked for their normal form, checked by the gate, and run as another user.

use super::{Server, with_settings};
use crate::{
    AnalyticsError, SqlAnswer, SqlFormat, access, gate,
    gate::{Gate, NORMAL_FORM},
    session,
    sql::{ANSWER, late},
};
use bytes::Bytes;
use clickhouse::Client;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::Mutex;

/// How old the gate's knowledge of the server may be: functions come with a new version, and people make some.
const KNOWLEDGE: Duration = Duration::from_secs(60);
/// The largest answer, in bytes. The server's own limit counts rows before they are written as text.
const MAX_ANSWER_BYTES: usize = 128 << 20;
/// What a statement of a stranger runs under beside its limits. Two is the strictest mode that a user can ask for whose
/// own is the same, and forbids a statement to loosen it.
const CONFINEMENT: [(&str, &str); 2] = [("readonly", "2"), ("cancel_http_readonly_queries_on_client_close", "1")];

/// The client of the user for strangers, with the limits.
pub(super) fn confined(client: Client) -> Client {
    with_settings(client, access::LIMITS.iter().chain(&CONFINEMENT))
}

/// The gate, and when the server was last asked what it has to know.
#[derive(Default)]
pub(super) struct Gatekeeper(Mutex<Option<(Instant, Arc<Gate>)>>);

impl Server {
    /// Runs a statement of a stranger.
    pub(crate) async fn sql(&self, statement: &str, format: SqlFormat) -> Result<SqlAnswer, AnalyticsError> {
        gate::admissible(statement)?;
        let _turn = session::turn(&self.turnstile).await?;
        tokio::time::timeout(ANSWER, self.pass_and_run(statement, format)).await.unwrap_or_else(|_| Err(late()))
    }

    async fn pass_and_run(&self, statement: &str, format: SqlFormat) -> Result<SqlAnswer, AnalyticsError> {
        let gate = self.gate().await?;
        // The function needs no right, so the program's own user asks, and the text is a value to it.
        let normal = self.trusted.query_raw(NORMAL_FORM).param("q", statement).fetch_one::<String>().await?;
        gate.check(&normal)?;
        let started = Instant::now();
        let mut answer = self.strangers.query_raw(&normal).fetch_bytes(format.name())?;
        let mut body = Vec::new();
        while let Some(piece) = answer.next().await? {
            if body.len() + piece.len() > MAX_ANSWER_BYTES {
                return Err(AnalyticsError::Limit(format!("the answer has more than {} MiB", MAX_ANSWER_BYTES >> 20)));
            }
            body.extend_from_slice(&piece);
        }
        Ok(SqlAnswer::new(format, Bytes::from(body), started.elapsed()))
    }

    /// The gate, which knows the server as it was a moment ago.
    async fn gate(&self) -> Result<Arc<Gate>, AnalyticsError> {
        let mut known = self.gatekeeper.0.lock().await;
        if let Some((asked, gate)) = &*known
            && asked.elapsed() < KNOWLEDGE
        {
            return Ok(gate.clone());
        }
        let mut names = <[Vec<String>; 3]>::default();
        for (list, sql) in names.iter_mut().zip(gate::name_lists(&self.database)) {
            *list = self.trusted.query_raw(&sql).fetch_all::<String>().await?;
        }
        let gate = Arc::new(Gate::knowing(&self.database, names));
        *known = Some((Instant::now(), gate.clone()));
        Ok(gate)
    }
}
