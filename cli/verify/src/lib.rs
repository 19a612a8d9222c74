//! The check of a log and of everything that was made from it.
//!
//! What enters is a log, a store, and where there are any ClickHouse and an object store; what leaves is a [`Report`]: a
//! verdict per partition, read model, table and archive, and what was found, each with a stable code, a place, what was
//! expected, what was there and what to do. Every partition is read once; memory is bounded, whatever the size of the
//! log. A system may run beside it: read models are judged at the positions of one snapshot each, tables at where they
//! stood at the beginning, commands up to where the writer was. Nothing is changed, and nothing is mended.
//!
//! Not checked: that what deciders decided follows from the commands, free blobs, and the metrics' values.

mod archive;
mod census;
mod check;
mod chunk;
mod code;
mod compare;
mod ends;
mod error;
mod events;
mod exchange;
mod finding;
mod fresh;
mod judge;
mod live;
mod marks;
mod model;
mod numbering;
mod pass;
mod report;
mod tables;

pub use check::verify;
pub use code::Code;
pub use error::VerifyError;
pub use finding::{Difference, Finding, Place, Unlisted};
pub use pass::Progress;
pub use report::{ArchiveReport, PartitionReport, ReadModelReport, Report, TableReport};

use analytics::Analytics;
use log::Log;
use objects::Objects;
use std::{sync::Arc, time::Duration};
use stores::Store;

/// What is checked.
#[derive(Clone)]
pub struct Sources {
    /// The event log.
    pub log: Arc<dyn Log>,
    /// The operational store.
    pub store: Arc<dyn Store>,
    /// ClickHouse, if it is to be checked.
    pub analytics: Option<Analytics>,
    /// The object store with the archive, if it is to be checked.
    pub objects: Option<Objects>,
}

/// How it is checked.
#[derive(Debug, Clone)]
pub struct Options {
    /// So many findings of a kind are listed of each part; the others are counted.
    pub listed: u64,
    /// About so many bytes of folded rows are kept in memory, over all read models; the others go into temporary files.
    pub memory: usize,
    /// For how long an idempotency key is remembered: behind it a repeated command is decided anew.
    pub idempotency_window: Duration,
}

impl Default for Options {
    /// 20 findings, 1 GiB, and the writer's own window.
    fn default() -> Self {
        Self { listed: 20, memory: 1 << 30, idempotency_window: writer::Config::default().idempotency_window }
    }
}

impl Options {
    /// The window in microseconds.
    fn window(&self) -> i64 {
        i64::try_from(self.idempotency_window.as_micros()).unwrap_or(i64::MAX)
    }
}
