//! Who waits for which result.
//!
//! A waiter is registered before its command is appended and leaves when it is dropped. The same command may be waited
//! for by several requests, since a repeat under one `Idempotency-Key` has the same id; the aggregate and the hash of
//! the body say which result answers which of them.

use bytes::Bytes;
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};
use tokio::sync::oneshot;
use uuid::Uuid;

/// A power of two, well above the number of threads that meet here.
const SHARDS: usize = 64;

/// What a result says, its payload still encoded.
#[derive(Debug, Clone)]
pub(crate) struct Arrived {
    /// Sequence number of the aggregate after the command.
    pub seq: i64,
    /// Partition that the command was decided in.
    pub partition: u32,
    /// The encoded `envelope.CommandResult`.
    pub payload: Bytes,
}

/// Which result a waiter takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// The aggregate's identity.
    pub aggregate_id: String,
    /// Hash of the body, where an `Idempotency-Key` was given.
    pub body_hash: Option<Vec<u8>>,
}

impl Wanted {
    fn takes(&self, aggregate_id: &str, body_hash: Option<&[u8]>) -> bool {
        self.aggregate_id == aggregate_id
            && match (&self.body_hash, body_hash) {
                (Some(mine), Some(theirs)) => mine == theirs,
                _ => true,
            }
    }
}

struct Entry {
    ticket: u64,
    wanted: Wanted,
    sender: oneshot::Sender<Arrived>,
}

struct Shared {
    shards: Vec<Mutex<HashMap<Uuid, Vec<Entry>>>>,
    tickets: AtomicU64,
    count: AtomicUsize,
}

/// All waiters. Clones share them.
#[derive(Clone)]
pub(crate) struct Waiters(Arc<Shared>);

/// One waiter; it leaves when it is dropped.
pub(crate) struct Waiter {
    waiters: Waiters,
    command: Uuid,
    ticket: u64,
    receiver: oneshot::Receiver<Arrived>,
    answered: bool,
}

impl Waiters {
    /// Nobody.
    pub fn new() -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self(Arc::new(Shared { shards, tickets: AtomicU64::new(0), count: AtomicUsize::new(0) }))
    }

    /// Waits for a result of `command`.
    pub fn register(&self, command: Uuid, wanted: Wanted) -> Waiter {
        let (sender, receiver) = oneshot::channel();
        let ticket = self.0.tickets.fetch_add(1, Ordering::Relaxed);
        self.shard(command).lock().entry(command).or_default().push(Entry { ticket, wanted, sender });
        self.0.count.fetch_add(1, Ordering::Relaxed);
        Waiter { waiters: self.clone(), command, ticket, receiver, answered: false }
    }

    /// Gives a result to everybody who waits for it.
    pub fn wake(&self, command: Uuid, aggregate_id: &str, body_hash: Option<&[u8]>, arrived: impl Fn() -> Arrived) {
        let mut shard = self.shard(command).lock();
        let Some(entries) = shard.get_mut(&command) else { return };
        for entry in entries.extract_if(.., |entry| entry.wanted.takes(aggregate_id, body_hash)) {
            self.0.count.fetch_sub(1, Ordering::Relaxed);
            // Who went away meanwhile needs no answer.
            let _ = entry.sender.send(arrived());
        }
        if entries.is_empty() {
            shard.remove(&command);
        }
    }

    /// Tells all waiters that no result will come any more.
    pub fn give_up(&self) {
        for shard in &self.0.shards {
            let given_up: usize = shard.lock().drain().map(|(_, entries)| entries.len()).sum();
            self.0.count.fetch_sub(given_up, Ordering::Relaxed);
        }
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.0.count.load(Ordering::Relaxed)
    }

    fn shard(&self, command: Uuid) -> &Mutex<HashMap<Uuid, Vec<Entry>>> {
        // The last bytes of a version 7 and of a version 5 UUID are as good as random.
        &self.0.shards[usize::from(command.as_bytes()[15]) % SHARDS]
    }

    fn leave(&self, command: Uuid, ticket: u64) {
        let mut shard = self.shard(command).lock();
        let Some(entries) = shard.get_mut(&command) else { return };
        if let Some(place) = entries.iter().position(|entry| entry.ticket == ticket) {
            entries.swap_remove(place);
            self.0.count.fetch_sub(1, Ordering::Relaxed);
        }
        if entries.is_empty() {
            shard.remove(&command);
        }
    }
}

impl Waiter {
    /// The result; `None` once no result will come any more.
    pub async fn arrived(mut self) -> Option<Arrived> {
        let arrived = (&mut self.receiver).await.ok();
        self.answered = true;
        arrived
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        // Whoever was answered was taken out of the list already.
        if !self.answered {
            self.waiters.leave(self.command, self.ticket);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn wanted(aggregate_id: &str, body_hash: Option<u8>) -> Wanted {
        Wanted { aggregate_id: aggregate_id.to_owned(), body_hash: body_hash.map(|byte| vec![byte]) }
    }

    fn result(seq: i64) -> impl Fn() -> Arrived {
        move || Arrived { seq, partition: 0, payload: Bytes::new() }
    }

    #[tokio::test]
    async fn everybody_who_waits_for_a_result_gets_it() {
        let waiters = Waiters::new();
        let command = Uuid::now_v7();
        let (first, second) = (waiters.register(command, wanted("j", None)), waiters.register(command, wanted("j", None)));
        assert_eq!(waiters.len(), 2);
        waiters.wake(Uuid::now_v7(), "j", None, result(1));
        waiters.wake(command, "j", None, result(2));
        assert_eq!(first.arrived().await.unwrap().seq, 2);
        assert_eq!(second.arrived().await.unwrap().seq, 2);
        assert_eq!(waiters.len(), 0);
    }

    #[tokio::test]
    async fn a_result_of_another_body_or_aggregate_answers_nobody_else() {
        let waiters = Waiters::new();
        let command = Uuid::now_v7();
        let mine = waiters.register(command, wanted("j", Some(1)));
        let other_body = waiters.register(command, wanted("j", Some(2)));
        let other_job = waiters.register(command, wanted("k", Some(1)));
        waiters.wake(command, "j", Some(&[2]), result(2));
        waiters.wake(command, "k", Some(&[1]), result(3));
        waiters.wake(command, "j", Some(&[1]), result(1));
        assert_eq!(mine.arrived().await.unwrap().seq, 1);
        assert_eq!(other_body.arrived().await.unwrap().seq, 2);
        assert_eq!(other_job.arrived().await.unwrap().seq, 3);
    }

    #[tokio::test]
    async fn who_leaves_or_is_given_up_leaves_nothing_behind() {
        let waiters = Waiters::new();
        let command = Uuid::now_v7();
        let stays = waiters.register(command, wanted("j", None));
        drop(waiters.register(command, wanted("j", None)));
        assert_eq!(waiters.len(), 1);
        let answered = waiters.register(Uuid::now_v7(), wanted("j", None));
        waiters.give_up();
        assert!(answered.arrived().await.is_none());
        assert_eq!(waiters.len(), 0);
        drop(stays);
        assert_eq!(waiters.len(), 0);
        assert!(waiters.0.shards.iter().all(|shard| shard.lock().is_empty()));
    }
}
