//! The writer thread: the only one that changes the file.
//!
//! It takes everything that waits in the queue, stages it as one group, commits once and answers all. It also fences:
//! a transaction counts only if its epoch is the newest of its name at the moment it is staged. After an error that
//! leaves doubt about the file it never acknowledges anything again.

use super::{
    Shared,
    checkpoint::Checkpoints,
    error::{Failure, is_refusal},
    file,
    group::Group,
    lock::DirectoryLock,
    queue::{Answer, Commit, Request, Taken},
};
use crate::{
    LogError,
    failpoint::{Place, pass},
    meters::Meters,
};
use rusqlite::{Connection, config::DbConfig};
use std::{
    collections::{HashMap, HashSet},
    mem,
    sync::Arc,
    time::Instant,
};

/// The writer's state; it moves into its thread.
pub(super) struct Writer {
    pub shared: Arc<Shared>,
    pub connection: Connection,
    pub owners: HashMap<String, u64>,
    pub checkpoints: Checkpoints,
    pub meters: Meters,
    /// Given back last, when the file is closed.
    pub lock: DirectoryLock,
}

impl Writer {
    /// Works until the log is closed or fails.
    pub(super) fn run(mut self) {
        let _guard = Guard(self.shared.clone());
        loop {
            match self.shared.queue.take() {
                Taken::Work(requests) => self.work(requests),
                Taken::Last(requests) if requests.is_empty() => return self.close(),
                Taken::Last(requests) => self.work(requests),
                Taken::Refuse(requests, reason) => {
                    requests.into_iter().for_each(|request| request.refuse(&reason));
                    return self.abandon();
                }
            }
        }
    }

    fn work(&mut self, requests: Vec<Request>) {
        self.meters.queue_depth.set(requests.len() as f64);
        let mut requests = requests.into_iter();
        if let Err(reason) = self.work_through(&mut requests) {
            tracing::error!(log.reason = reason, "the log failed");
            self.shared.fail(&reason);
            requests.for_each(|request| request.refuse(&reason));
        }
    }

    /// An error is the end of the log.
    fn work_through(&mut self, requests: &mut impl Iterator<Item = Request>) -> Result<(), String> {
        let mut group = Group::default();
        for request in requests {
            match request {
                Request::Store { records } => group.store(records),
                Request::Append { rows, claims, answer } => group.append(rows, claims, answer),
                Request::Commit { commit: Commit { name, epoch, rows, consumed }, claims, answer } => {
                    match self.owners.get(&*name) {
                        Some(newest) if *newest == epoch => {
                            group.consume(consumed);
                            group.append(rows, claims, answer);
                        }
                        newest => {
                            let epoch = newest.copied().unwrap_or(0);
                            let _ = answer.send(Err(LogError::Fenced { name: name.to_string(), epoch }));
                        }
                    }
                }
                rare => {
                    if let Err(reason) = self.commit(mem::take(&mut group)) {
                        rare.refuse(&reason);
                        return Err(reason);
                    }
                    self.serve(rare)?;
                }
            }
        }
        self.commit(group)
    }

    fn commit(&mut self, group: Group) -> Result<(), String> {
        if group.is_empty() {
            group.settle(&self.meters);
            return Ok(());
        }
        let start = Instant::now();
        pass(Place::BeforeProduce, group.decides());
        let write = |connection: &Connection| {
            group.write(connection)?;
            pass(Place::BeforeCommit, group.decides());
            Ok(())
        };
        match transact(&self.connection, write) {
            Ok(()) => {
                pass(Place::AfterCommit, group.decides());
                self.meters.commit_seconds.record(start.elapsed());
                let pages = group.pages();
                group.settle(&self.meters);
                self.checkpoints.committed(&self.connection, pages, self.shared.queue.is_idle())
            }
            Err(failure) => {
                tracing::warn!(log.failure = ?failure, "a group was not committed");
                let seen = group.was_seen();
                group.fail(&failure);
                failure.verdict(seen)
            }
        }
    }

    /// What happens so rarely that it gets a transaction of its own.
    fn serve(&mut self, request: Request) -> Result<(), String> {
        match request {
            Request::CreateTopics { names, answer } => {
                let shared = &self.shared;
                let mut known = HashSet::new();
                let missing: Vec<_> =
                    names.into_iter().filter(|name| !shared.has_topic(name) && known.insert(name.clone())).collect();
                let made = transact(&self.connection, |connection| {
                    let topics = missing.iter().map(|name| file::create_topic(connection, name, shared.partitions));
                    topics.collect::<rusqlite::Result<Vec<_>>>()
                });
                let made = made.map(|topics| {
                    for (name, topic) in missing.into_iter().zip(topics) {
                        shared.add_topic(name.into(), topic);
                    }
                });
                conclude(made, answer)
            }
            Request::Own { name, answer } => {
                let owned = transact(&self.connection, |connection| {
                    let epoch: i64 = connection
                        .prepare_cached(
                            "INSERT INTO owners (name, epoch) VALUES (?1, 1)
                             ON CONFLICT DO UPDATE SET epoch = epoch + 1 RETURNING epoch",
                        )?
                        .query_row([&name], |row| row.get(0))?;
                    Ok(epoch.cast_unsigned())
                });
                if let Ok(epoch) = &owned {
                    self.owners.insert(name, *epoch);
                }
                conclude(owned, answer)
            }
            Request::Trim { partition, before, answer } => {
                let trimmed = transact(&self.connection, |connection| file::trim(connection, &partition.table, before));
                conclude(trimmed, answer)
            }
            other => {
                // Appends and commits are staged, never served.
                other.refuse("this request belongs into a group");
                Ok(())
            }
        }
    }

    /// Leaves a file that needs no recovery.
    fn close(self) {
        let Self { shared, connection, lock, .. } = self;
        shared.readers.close();
        Checkpoints::finish(&connection);
        drop(connection);
        drop(lock);
    }

    /// Leaves the file as it is: what is in doubt stays in the WAL.
    fn abandon(self) {
        let Self { shared, connection, lock, .. } = self;
        shared.readers.close();
        if let Err(error) = connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true) {
            tracing::warn!(log.reason = %error, "the file of a failed log could not be left alone");
        }
        drop(connection);
        drop(lock);
    }
}

/// Runs `body` in a transaction: it is committed and on disk, or the failure says what it is.
fn transact<T>(connection: &Connection, body: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, Failure> {
    let run = |statement| connection.prepare_cached(statement).and_then(|mut statement| statement.execute([]));
    let undo = |error: rusqlite::Error| {
        let undone = connection.is_autocommit() || run("ROLLBACK").is_ok();
        let broken = if undone && is_refusal(&error) { Failure::Refused } else { Failure::Broken };
        broken(error.to_string())
    };
    run("BEGIN IMMEDIATE").map_err(undo)?;
    let value = body(connection).map_err(undo)?;
    match run("COMMIT") {
        Ok(_) => Ok(value),
        // SQLite finds the disk full before it writes the frame that makes the transaction count.
        Err(error) if is_refusal(&error) => Err(undo(error)),
        Err(error) => Err(Failure::Unknown(error.to_string())),
    }
}

fn conclude<T>(outcome: Result<T, Failure>, answer: Answer<T>) -> Result<(), String> {
    match outcome {
        Ok(value) => {
            let _ = answer.send(Ok(value));
            Ok(())
        }
        Err(failure) => {
            let _ = answer.send(Err(failure.answer()));
            failure.verdict(false)
        }
    }
}

/// Whatever ends the thread, also a panic, nobody waits for it any longer.
struct Guard(Arc<Shared>);

impl Drop for Guard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.fail("the writer of the log panicked");
            if let Taken::Refuse(requests, reason) = self.0.queue.take() {
                requests.into_iter().for_each(|request| request.refuse(&reason));
            }
        }
        self.0.end();
    }
}
