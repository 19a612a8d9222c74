//! One connection in one transaction.
//!
//! Promised: whatever happens in between, a caller that goes away included, the connection goes back to the pool only
//! outside a transaction; else it is closed, and the server undoes what was begun. A commit whose answer does not come is
//! told apart from one that failed.

use super::{connect::ANSWER, failure};
use crate::StoreError;
use deadpool_postgres::{Client, Object, Pool};
use std::{
    future::Future,
    sync::atomic::{AtomicBool, Ordering},
};
use tokio_postgres::{Error, Statement};

pub(super) struct Session {
    client: Option<Client>,
    /// What is being done, for messages.
    doing: &'static str,
    /// Whether the connection is outside any transaction.
    idle: bool,
    /// Whether an answer did not come: then no other will.
    silent: AtomicBool,
}

/// The answer to a commit did not come: it happened or it did not.
pub(super) struct Unknown(pub(super) StoreError);

impl Session {
    pub(super) async fn take(pool: &Pool, doing: &'static str) -> Result<Self, StoreError> {
        let client = pool.get().await.map_err(|error| failure::unconnected(doing, &error))?;
        Ok(Self { client: Some(client), doing, idle: true, silent: AtomicBool::new(false) })
    }

    pub(super) fn client(&self) -> Result<&Client, StoreError> {
        self.client.as_ref().ok_or_else(|| StoreError::Transient(format!("{}: the connection is gone", self.doing)))
    }

    /// A step of the transaction, or several that run side by side.
    pub(super) async fn step<T>(&self, work: impl Future<Output = Result<T, Error>>) -> Result<T, StoreError> {
        match tokio::time::timeout(ANSWER, work).await {
            Ok(done) => done.map_err(|error| failure::failed(self.doing, &error)),
            Err(_) => {
                self.silent.store(true, Ordering::Relaxed);
                Err(failure::silent(self.doing))
            }
        }
    }

    /// A statement, prepared once per connection.
    pub(super) async fn prepared(&self, sql: &str) -> Result<Statement, StoreError> {
        self.step(self.client()?.prepare_cached(sql)).await
    }

    /// Says that a transaction begins: from here on the connection is only good after its end.
    pub(super) fn begins(&mut self) {
        self.idle = false;
    }

    pub(super) async fn begin(&mut self) -> Result<(), StoreError> {
        self.begins();
        self.step(self.client()?.batch_execute("BEGIN")).await
    }

    /// Commits what was done without an error.
    pub(super) async fn commit(mut self) -> Result<(), Unknown> {
        let ended = self.end("COMMIT").await;
        ended.map_err(Unknown)
    }

    /// Undoes it. A failure does not matter: then the connection is closed.
    pub(super) async fn undo(mut self) {
        if !self.silent.load(Ordering::Relaxed) {
            let _ = self.end("ROLLBACK").await;
        }
    }

    async fn end(&mut self, sql: &str) -> Result<(), StoreError> {
        self.step(self.client()?.batch_execute(sql)).await?;
        self.idle = true;
        Ok(())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if !self.idle
            && let Some(client) = self.client.take()
        {
            drop(Object::take(client));
        }
    }
}
