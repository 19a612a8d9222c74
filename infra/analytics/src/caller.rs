//! A statement and the one who waits for its answer.
//!
//! The engine runs a statement on a thread that nobody can interrupt from outside. So its session bears a mark, and when
//! the caller leaves first, the engine is told to end what bears it. Only statements that read are ended: an insert whose
//! caller has left is cancelled by its missing rows, or has them all and may be stored, which its token makes harmless.

use crate::session::Sessions;
use std::{
    sync::{Arc, Weak},
    time::Duration,
};
use tokio::{runtime::Handle, task::spawn_blocking, time::sleep};
use uuid::Uuid;

/// The pause before the engine is told again: a statement may not have begun when its caller left.
const AGAIN: Duration = Duration::from_millis(100);

/// The statement's side, dropped when it has ended.
pub(crate) struct Work(Arc<str>);

impl Work {
    /// A statement with a mark of its own.
    pub(crate) fn new() -> Self {
        Self(Uuid::new_v4().simple().to_string().into())
    }

    /// What its session bears in the setting `log_comment`.
    pub(crate) fn mark(&self) -> &str {
        &self.0
    }
}

/// The caller's side. Dropping it ends a statement that still runs.
pub(crate) struct Caller {
    sessions: Arc<Sessions>,
    work: Weak<str>,
}

impl Caller {
    /// The caller of a statement.
    pub(crate) fn of(work: &Work, sessions: &Arc<Sessions>) -> Self {
        Self { sessions: sessions.clone(), work: Arc::downgrade(&work.0) }
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        // Without a runtime the process ends, and the statement with it.
        let (true, Ok(runtime)) = (self.work.strong_count() > 0, Handle::try_current()) else { return };
        let (sessions, work) = (self.sessions.clone(), self.work.clone());
        // It ends with the statement, whose time is limited.
        runtime.spawn(async move {
            while let Some(mark) = work.upgrade() {
                let sessions = sessions.clone();
                // A failure is repeated like a success.
                let _ = spawn_blocking(move || sessions.cancel(&mark)).await;
                sleep(AGAIN).await;
            }
        });
    }
}
