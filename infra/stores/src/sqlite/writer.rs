//! The one thread that writes.
//!
//! Enters: writes and changes of generations, in the order in which they were sent. Leaves: an answer to each, after
//! its transaction is committed and the catalog knows. Writes that wait are committed together; one that may not
//! happen fails alone. A transaction that breaks in the middle is undone and its writes are tried one by one.

use super::{
    apply::{Broken, Pending, apply},
    catalog::{Catalog, Held},
    failure::{breaks_the_store, failed},
    life, wal,
};
use crate::{Generation, StoreError, Write, metrics};
use rusqlite::Connection;
use schemas::row::Table;
use std::{sync::Arc, time::Instant};
use tokio::sync::{mpsc, oneshot};

/// So many jobs wait at most.
pub(super) const QUEUE: usize = 1_024;
/// From so many rows on, a transaction takes in no further write.
const ROWS_TOGETHER: usize = 10_000;

pub(super) type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

/// What the thread does.
pub(super) enum Job {
    Write(Write, Reply<()>),
    Create(Table, u32, Reply<Generation>),
    Switch(u64, String, Reply<()>),
    Discard(u64, Reply<()>),
}

pub(super) struct Writer {
    pub(super) connection: Connection,
    pub(super) catalog: Arc<Catalog>,
    /// Why nothing may be acknowledged any more.
    broken: Option<String>,
}

impl Writer {
    pub(super) fn new(connection: Connection, catalog: Arc<Catalog>) -> Self {
        Self { connection, catalog, broken: None }
    }

    /// Works until nobody can send any more.
    pub(super) fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        let mut next = None;
        while let Some(job) = next.take().or_else(|| jobs.blocking_recv()) {
            metrics::queued(jobs.len());
            match job {
                Job::Write(write, reply) => {
                    let mut rows = size(&write);
                    let mut group = vec![(write, reply)];
                    while rows < ROWS_TOGETHER {
                        match jobs.try_recv() {
                            Ok(Job::Write(write, reply)) => {
                                rows += size(&write);
                                group.push((write, reply));
                            }
                            Ok(other) => {
                                next = Some(other);
                                break;
                            }
                            Err(_) => break,
                        }
                    }
                    self.commit(group);
                }
                Job::Create(table, version, reply) => {
                    let made = self.guarded("making a generation", |writer| life::create(writer, &table, version));
                    let _ = reply.send(made);
                }
                Job::Switch(generation, note, reply) => {
                    let switched = self.guarded("switching a generation", |writer| life::switch(writer, generation, &note));
                    let _ = reply.send(switched);
                }
                Job::Discard(generation, reply) => {
                    let discarded = self.guarded("discarding a generation", |writer| life::discard(writer, generation));
                    let _ = reply.send(discarded);
                }
            }
            if let Err(error) = wal::tend(&self.connection) {
                tracing::error!(store.error = %error, "the log of the store could not be carried over");
                self.note(&error);
            }
        }
    }

    fn commit(&mut self, group: Vec<(Write, Reply<()>)>) {
        let begun = Instant::now();
        let (writes, replies): (Vec<Write>, Vec<Reply<()>>) = group.into_iter().unzip();
        let outcomes = match self.attempt(&writes) {
            Ok(outcomes) => outcomes,
            Err(error) if writes.len() == 1 => vec![Err(error)],
            // One of them broke it: alone, each has the outcome that is its own.
            Err(_) => writes.iter().map(|write| self.attempt(std::slice::from_ref(write))?.pop().unwrap_or(Ok(()))).collect(),
        };
        metrics::committed(begun.elapsed());
        for (reply, outcome) in replies.into_iter().zip(outcomes) {
            // Nobody may be waiting any more; what is written stays written.
            let _ = reply.send(outcome);
        }
    }

    /// One transaction. The inner results are those of writes that could be told apart without undoing anything.
    fn attempt(&mut self, writes: &[Write]) -> Result<Vec<Result<(), StoreError>>, StoreError> {
        let mut outcomes = Vec::with_capacity(writes.len());
        let mut accepted: Vec<(Arc<Held>, &Write)> = Vec::with_capacity(writes.len());
        let mut pending = Pending::default();
        self.transaction("writing", |writer| {
            for write in writes {
                match pending.accept(&writer.catalog, write) {
                    Ok(held) => {
                        apply(&writer.connection, &held, write)?;
                        accepted.push((held, write));
                        outcomes.push(Ok(()));
                    }
                    Err(error) => outcomes.push(Err(error)),
                }
            }
            Ok(())
        })?;
        for (held, write) in accepted {
            for advance in &write.advance {
                held.advance(&advance.topic, advance.partition, (advance.to, advance.next_offset));
            }
            held.announce();
            metrics::rows(&held.name, write.upserts.len() + write.deletes.len());
        }
        Ok(outcomes)
    }

    /// Runs `work` in a transaction that is committed if it succeeds and undone if it does not.
    pub(super) fn transaction<T>(&mut self, doing: &str, work: impl FnOnce(&Self) -> Result<T, Broken>) -> Result<T, StoreError> {
        if let Some(why) = &self.broken {
            return Err(StoreError::Fatal(format!("{doing}: the store broke earlier: {why}")));
        }
        let done = self.execute("BEGIN IMMEDIATE").map_err(Broken::Sqlite).and_then(|()| {
            let done = work(self)?;
            self.execute("COMMIT")?;
            Ok(done)
        });
        done.map_err(|broken| {
            if !self.connection.is_autocommit()
                && let Err(error) = self.execute("ROLLBACK")
            {
                self.note(&error);
            }
            match broken {
                Broken::Doubled(message) => StoreError::Fatal(message),
                Broken::Sqlite(error) => {
                    self.note(&error);
                    failed(doing, &error)
                }
            }
        })
    }

    fn guarded<T>(&mut self, doing: &str, work: impl FnOnce(&mut Self) -> Result<T, StoreError>) -> Result<T, StoreError> {
        match &self.broken {
            Some(why) => Err(StoreError::Fatal(format!("{doing}: the store broke earlier: {why}"))),
            None => work(self),
        }
    }

    fn execute(&self, sql: &str) -> rusqlite::Result<()> {
        self.connection.prepare_cached(sql)?.raw_execute().map(|_| ())
    }

    fn note(&mut self, error: &rusqlite::Error) {
        if breaks_the_store(error) {
            self.broken.get_or_insert_with(|| error.to_string());
        }
    }
}

fn size(write: &Write) -> usize {
    write.upserts.len() + write.deletes.len()
}
