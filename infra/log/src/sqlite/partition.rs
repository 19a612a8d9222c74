//! One partition in memory: its tail, how far it is committed, who waits for it.
//!
//! Two ends are kept apart. `published` is what consumers see: it includes records appended with
//! [`Durability::Ordered`](crate::Durability::Ordered) that no transaction has stored yet. `committed` is what readers
//! see. An append takes its offset either at once, from the published end, or from the writer thread; while the
//! writer has any of the latter in its hands the partition is *claimed*, and nobody takes an offset at once.

use super::{file, insert::Inserts, readers::Wanted, tail::Tail};
use crate::{Append, Offset, Record, Source, meters};
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio::sync::{Notify, watch};

/// The partitions of a topic.
pub(super) type Partitions = Arc<[Arc<Partition>]>;

/// Who is to be woken after a partition grew.
pub(super) type Listeners = Arc<[Arc<Notify>]>;

/// Where the file says that a partition stands.
pub(super) struct Standing {
    pub end: Offset,
    pub last_time: i64,
    pub consumed: HashMap<Arc<str>, Offset>,
}

/// A partition.
pub(super) struct Partition {
    /// Dense over all partitions of the log.
    pub id: usize,
    pub source: Source,
    pub topic: i64,
    pub table: String,
    pub inserts: Inserts,
    pub records_total: metrics::Counter,
    claims: AtomicUsize,
    state: Mutex<State>,
    committed: watch::Sender<Offset>,
}

struct State {
    tail: Tail,
    committed: Offset,
    last_time: i64,
    consumed: HashMap<Arc<str>, Offset>,
    listeners: Listeners,
}

/// Which end a look at the partition goes up to.
#[derive(Clone, Copy)]
pub(super) enum View {
    Committed,
    Published,
}

/// Where records are.
pub(super) enum Span {
    /// There are none yet.
    Nothing,
    /// In memory.
    Here(Vec<Record>),
    /// In the file, before this offset.
    Older(Offset),
}

impl Partition {
    pub(super) fn new(source: Source, topic: i64, partitions: u32, standing: Standing) -> Self {
        let table = file::table(topic, source.partition);
        Self {
            id: (topic as usize) * partitions as usize + source.partition as usize,
            topic,
            inserts: Inserts::into_table(&table),
            table,
            records_total: meters::records_of(&source.topic),
            source,
            claims: AtomicUsize::new(0),
            committed: watch::Sender::new(standing.end),
            state: Mutex::new(State {
                tail: Tail::new(standing.end),
                committed: standing.end,
                last_time: standing.last_time,
                consumed: standing.consumed,
                listeners: Arc::new([]),
            }),
        }
    }

    /// Whether the writer has appends in its hands that have no offset yet. Only sure under the queue's lock.
    pub(super) fn is_claimed(&self) -> bool {
        self.claims.load(Ordering::Acquire) > 0
    }

    /// Gives the record its offset and shows it to consumers. The caller holds the queue's lock and has seen that the
    /// partition is not claimed.
    pub(super) fn publish(&self, append: Append) -> (Record, Listeners) {
        let mut state = self.state.lock();
        let record = place(append, state.tail.end(), state.last_time);
        state.last_time = record.time;
        state.tail.push(record.clone());
        (record, state.listeners.clone())
    }

    /// End and last time of what is published.
    pub(super) fn edge(&self) -> (Offset, i64) {
        let state = self.state.lock();
        (state.tail.end(), state.last_time)
    }

    /// Shows committed records to everybody: `late` are those that were not published yet.
    pub(super) fn settle(&self, late: impl IntoIterator<Item = Record>, committed: Offset) -> Listeners {
        let mut state = self.state.lock();
        let mut grown = false;
        for record in late {
            grown = true;
            state.last_time = record.time;
            state.tail.push(record);
        }
        state.committed = committed;
        state.tail.trim(committed);
        let listeners = if grown { state.listeners.clone() } else { Arc::new([]) };
        drop(state);
        self.committed.send_replace(committed);
        listeners
    }

    /// Says where the wanted records are.
    pub(super) fn look(&self, Wanted { from, max, most_bytes }: Wanted, view: View) -> Span {
        let state = self.state.lock();
        let until = match view {
            View::Committed => state.committed,
            View::Published => state.tail.end(),
        };
        if from >= until {
            Span::Nothing
        } else if from >= state.tail.first() {
            Span::Here(state.tail.range(from, until, max, most_bytes))
        } else {
            Span::Older(state.committed)
        }
    }

    /// The first committed offset whose time is at least `time`; otherwise the offset before which the file can tell.
    pub(super) fn offset_at(&self, time: i64) -> Result<Offset, Offset> {
        let state = self.state.lock();
        state.tail.offset_at(time, state.committed).ok_or_else(|| state.tail.first().min(state.committed))
    }

    /// The committed end.
    pub(super) fn end(&self) -> Offset {
        self.state.lock().committed
    }

    /// Follows the committed end.
    pub(super) fn follow(&self) -> watch::Receiver<Offset> {
        self.committed.subscribe()
    }

    /// Wakes all who follow the partition, although it did not grow.
    pub(super) fn rouse(&self) {
        self.committed.send_modify(|_| {});
    }

    /// The offset that `group` committed.
    pub(super) fn consumed(&self, group: &str) -> Option<Offset> {
        self.state.lock().consumed.get(group).copied()
    }

    /// Remembers the offset that `group` committed.
    pub(super) fn set_consumed(&self, group: &Arc<str>, next: Offset) {
        self.state.lock().consumed.insert(group.clone(), next);
    }

    /// Wakes `listener` from now on whenever something is published.
    pub(super) fn listen(&self, listener: &Arc<Notify>) {
        let mut state = self.state.lock();
        state.listeners = state.listeners.iter().chain([listener]).cloned().collect();
    }

    /// Wakes `listener` no longer.
    pub(super) fn leave(&self, listener: &Arc<Notify>) {
        let mut state = self.state.lock();
        state.listeners = state.listeners.iter().filter(|other| !Arc::ptr_eq(other, listener)).cloned().collect();
    }
}

/// A record at its place; its time is raised so that it never runs backwards.
pub(super) fn place(append: Append, offset: Offset, last_time: i64) -> Record {
    let Append { source: _, key, envelope, payload, time } = append;
    Record { offset, time: time.max(last_time), key, envelope, payload }
}

/// Bytes that an append will take.
pub(super) fn size(append: &Append) -> usize {
    size_of::<Record>() + append.key.len() + append.envelope.len() + append.payload.len()
}

/// An append whose partition is known.
pub(super) struct Addressed {
    pub partition: Arc<Partition>,
    pub append: Append,
}

/// Partitions whose next offsets only the writer may give away. Made under the queue's lock, given back when dropped.
#[derive(Default)]
pub(super) struct Claims(Vec<Arc<Partition>>);

impl Claims {
    pub(super) fn on(rows: &[Addressed]) -> Self {
        let mut claimed: Vec<Arc<Partition>> = Vec::new();
        for row in rows {
            if claimed.last().is_none_or(|last| !Arc::ptr_eq(last, &row.partition)) {
                row.partition.claims.fetch_add(1, Ordering::AcqRel);
                claimed.push(row.partition.clone());
            }
        }
        Self(claimed)
    }
}

impl Drop for Claims {
    fn drop(&mut self) {
        for partition in &self.0 {
            partition.claims.fetch_sub(1, Ordering::AcqRel);
        }
    }
}
