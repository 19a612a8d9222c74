//! The bounded queue between callers and the writer thread.
//!
//! Callers never wait for a place: a full queue refuses. The order of the queue is the order of the file: an append
//! with [`Durability::Ordered`] enters the queue before any consumer can see it, so whatever a consumer decides upon
//! it stands behind it and is stored in the same transaction or a later one. Such appends alone do not hurry the
//! writer: it takes them along with the next durable request, or after [`PATIENCE`], or when many wait.

use super::partition::{Addressed, Claims, Listeners, Partition, size};
use crate::{Durability, LogError, Offset, Record};
use parking_lot::{Condvar, Mutex};
use std::{
    mem,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::oneshot;

/// Requests that may wait.
pub(super) const MOST_REQUESTS: usize = 4096;
/// Bytes that may wait.
const MOST_BYTES: usize = 128 << 20;
/// How long appends that hurry nobody wait for company.
const PATIENCE: Duration = Duration::from_millis(2);
/// As many of them end the patience.
const HURRY_REQUESTS: usize = 1024;
/// So do as many bytes.
const HURRY_BYTES: usize = 2 << 20;

/// Where the outcome goes.
pub(super) type Answer<T> = oneshot::Sender<Result<T, LogError>>;

/// What the writer is asked to do.
pub(super) enum Request {
    /// Store records that consumers see already.
    Store { records: Vec<(Arc<Partition>, Record)> },
    /// Append records.
    Append { rows: Vec<Addressed>, claims: Claims, answer: Answer<Vec<Offset>> },
    /// Commit a transaction of an owner.
    Commit { commit: Commit, claims: Claims, answer: Answer<Vec<Offset>> },
    /// Make topics.
    CreateTopics { names: Vec<String>, answer: Answer<()> },
    /// Make a new owner of the name; answers its epoch.
    Own { name: String, answer: Answer<u64> },
    /// Forget some records before an offset; answers whether none is left.
    Trim { partition: Arc<Partition>, before: Offset, answer: Answer<bool> },
}

/// A transaction whose partitions are known.
pub(super) struct Commit {
    pub name: Arc<str>,
    pub epoch: u64,
    pub rows: Vec<Addressed>,
    pub consumed: Vec<(Arc<Partition>, Arc<str>, Offset)>,
}

/// What became of an append on its way into the queue.
pub(super) enum Entered {
    /// Consumers see it, at these offsets.
    Published(Vec<Offset>),
    /// The writer will answer.
    Waiting(oneshot::Receiver<Result<Vec<Offset>, LogError>>),
}

/// What the writer takes.
pub(super) enum Taken {
    /// Requests to work on.
    Work(Vec<Request>),
    /// The last requests.
    Last(Vec<Request>),
    /// Requests to refuse, and why.
    Refuse(Vec<Request>, String),
}

/// The queue.
pub(super) struct Queue {
    state: Mutex<State>,
    wake: Condvar,
}

struct State {
    requests: Vec<Request>,
    bytes: usize,
    /// When the oldest request that waits came.
    since: Option<Instant>,
    urgent: bool,
    writer: Sleep,
    stop: Option<Stop>,
}

#[derive(PartialEq)]
enum Sleep {
    Awake,
    UntilWork,
    UntilHurry,
}

enum Stop {
    Closing,
    Failed(String),
}

impl Queue {
    pub(super) fn new() -> Self {
        let state = State { requests: Vec::new(), bytes: 0, since: None, urgent: false, writer: Sleep::Awake, stop: None };
        Self { state: Mutex::new(state), wake: Condvar::new() }
    }

    /// Appends records. Ordered ones are published here and now unless the writer has durable ones for the same
    /// partition in its hands, which come before them.
    pub(super) fn append(&self, rows: Vec<Addressed>, durability: Durability) -> Result<Entered, LogError> {
        let bytes = weight(&rows);
        let mut state = self.state.lock();
        state.admit(bytes)?;
        if durability == Durability::Ordered && !rows.iter().any(|row| row.partition.is_claimed()) {
            let (offsets, listeners) = state.publish(rows);
            self.added(state, bytes, false);
            for listener in listeners.iter().flat_map(|listeners| listeners.iter()) {
                listener.notify_one();
            }
            return Ok(Entered::Published(offsets));
        }
        let (answer, outcome) = oneshot::channel();
        let claims = Claims::on(&rows);
        state.requests.push(Request::Append { rows, claims, answer });
        self.added(state, bytes, true);
        Ok(Entered::Waiting(outcome))
    }

    /// Commits a transaction.
    pub(super) fn commit(&self, commit: Commit) -> Result<oneshot::Receiver<Result<Vec<Offset>, LogError>>, LogError> {
        let bytes = weight(&commit.rows);
        let mut state = self.state.lock();
        state.admit(bytes)?;
        let (answer, outcome) = oneshot::channel();
        let claims = Claims::on(&commit.rows);
        state.requests.push(Request::Commit { commit, claims, answer });
        self.added(state, bytes, true);
        Ok(outcome)
    }

    /// Asks for something rare.
    pub(super) fn ask<T>(
        &self,
        request: impl FnOnce(Answer<T>) -> Request,
    ) -> Result<oneshot::Receiver<Result<T, LogError>>, LogError> {
        let mut state = self.state.lock();
        state.admit(0)?;
        let (answer, outcome) = oneshot::channel();
        state.requests.push(request(answer));
        self.added(state, 0, true);
        Ok(outcome)
    }

    /// Refuses new requests; the writer finishes those that wait, and ends.
    pub(super) fn close(&self) {
        let mut state = self.state.lock();
        state.stop.get_or_insert(Stop::Closing);
        state.writer = Sleep::Awake;
        drop(state);
        self.wake.notify_one();
    }

    /// Refuses all requests from now on, also those that wait.
    pub(super) fn fail(&self, reason: String) {
        let mut state = self.state.lock();
        if !matches!(state.stop, Some(Stop::Failed(_))) {
            state.stop = Some(Stop::Failed(reason));
        }
        state.writer = Sleep::Awake;
        drop(state);
        self.wake.notify_one();
    }

    /// Everything that waits, in the order in which it came, once there is reason to work on it. Called by the writer
    /// thread only.
    pub(super) fn take(&self) -> Taken {
        let mut state = self.state.lock();
        loop {
            match &state.stop {
                Some(Stop::Closing) => return Taken::Last(state.drain()),
                Some(Stop::Failed(reason)) => {
                    let reason = reason.clone();
                    return Taken::Refuse(state.drain(), reason);
                }
                None if state.hurries() => return Taken::Work(state.drain()),
                None => {}
            }
            match state.since.map(|since| since + PATIENCE) {
                Some(due) if due <= Instant::now() => return Taken::Work(state.drain()),
                Some(due) => {
                    state.writer = Sleep::UntilHurry;
                    self.wake.wait_until(&mut state, due);
                }
                None => {
                    state.writer = Sleep::UntilWork;
                    self.wake.wait(&mut state);
                }
            }
            state.writer = Sleep::Awake;
        }
    }

    /// Whether nothing waits.
    pub(super) fn is_idle(&self) -> bool {
        self.state.lock().requests.is_empty()
    }

    /// Wakes the writer if the request that was just pushed is a reason to.
    fn added(&self, mut state: parking_lot::MutexGuard<'_, State>, bytes: usize, urgent: bool) {
        state.bytes += bytes;
        state.urgent |= urgent;
        if state.since.is_none() {
            state.since = Some(Instant::now());
        }
        let wake = match state.writer {
            Sleep::Awake => false,
            Sleep::UntilWork => true,
            Sleep::UntilHurry => state.hurries(),
        };
        if wake {
            state.writer = Sleep::Awake;
        }
        drop(state);
        if wake {
            self.wake.notify_one();
        }
    }
}

impl State {
    fn admit(&self, bytes: usize) -> Result<(), LogError> {
        match &self.stop {
            Some(Stop::Closing) => return Err(LogError::Fatal("the log is closed".to_owned())),
            Some(Stop::Failed(reason)) => return Err(LogError::Fatal(reason.clone())),
            None => {}
        }
        if self.requests.len() >= MOST_REQUESTS || self.bytes + bytes > MOST_BYTES {
            return Err(LogError::Transient(format!(
                "log queue is full: {} requests of {} bytes wait; retry after a pause, or append less at once",
                self.requests.len(),
                self.bytes
            )));
        }
        Ok(())
    }

    fn publish(&mut self, rows: Vec<Addressed>) -> (Vec<Offset>, Vec<Listeners>) {
        let mut listeners: Vec<Listeners> = Vec::with_capacity(1);
        let mut records: Vec<(Arc<Partition>, Record)> = Vec::with_capacity(rows.len());
        let mut offsets = Vec::with_capacity(rows.len());
        for Addressed { partition, append } in rows {
            let (record, waiting) = partition.publish(append);
            if listeners.last().is_none_or(|last| !Arc::ptr_eq(last, &waiting)) {
                listeners.push(waiting);
            }
            offsets.push(record.offset);
            records.push((partition, record));
        }
        // The lock is held until the request is in the queue: nobody who sees the records can get in front of them.
        self.requests.push(Request::Store { records });
        (offsets, listeners)
    }

    fn hurries(&self) -> bool {
        self.urgent || self.requests.len() >= HURRY_REQUESTS || self.bytes >= HURRY_BYTES
    }

    fn drain(&mut self) -> Vec<Request> {
        self.bytes = 0;
        self.since = None;
        self.urgent = false;
        mem::take(&mut self.requests)
    }
}

impl Request {
    /// Answers that nothing was done, and why.
    pub(super) fn refuse(self, reason: &str) {
        let fatal = || LogError::Fatal(reason.to_owned());
        // Whoever asked may be gone: then nobody needs the answer.
        match self {
            Self::Store { .. } => {}
            Self::Append { answer, .. } | Self::Commit { answer, .. } => drop(answer.send(Err(fatal()))),
            Self::CreateTopics { answer, .. } => drop(answer.send(Err(fatal()))),
            Self::Own { answer, .. } => drop(answer.send(Err(fatal()))),
            Self::Trim { answer, .. } => drop(answer.send(Err(fatal()))),
        }
    }
}

fn weight(rows: &[Addressed]) -> usize {
    rows.iter().map(|row| size(&row.append)).sum()
}
