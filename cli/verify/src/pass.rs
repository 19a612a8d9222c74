//! Reads a partition once, from its first record to where it ended when the check began, and shows it to all who look.
//!
//! While one stretch is looked at, the next is read. Who looks works on blocking threads, side by side; memory is two
//! stretches and what the lookers keep.

use crate::{
    chunk::Chunk,
    error::{VerifyError, blocking, within},
    model::Model,
};
use futures::future::try_join_all;
use log::{Log, LogError, Offset, Source};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use tokio::runtime::Handle;

/// Records of a stretch.
const STRETCH: usize = 2_048;

/// How far the check is.
#[derive(Debug, Clone, Copy)]
pub struct Progress<'a> {
    /// What is done now.
    pub doing: &'a str,
    /// Records and rows gone through so far.
    pub done: u64,
    /// Records to go through; rows come on top.
    pub total: u64,
}

/// Counts what is gone through and says so.
pub(crate) struct Meter<'a> {
    pub say: &'a (dyn Fn(Progress<'_>) + Send + Sync),
    pub done: AtomicU64,
    pub total: u64,
}

impl Meter<'_> {
    pub(crate) fn advance(&self, doing: &str, by: u64) {
        let done = self.done.fetch_add(by, Ordering::Relaxed) + by;
        (self.say)(Progress { doing, done, total: self.total });
    }
}

/// Somebody who looks at a partition, stretch by stretch.
pub(crate) trait Looker: Send + 'static {
    fn look(&mut self, chunk: &Chunk) -> Result<(), VerifyError>;
}

/// A partition to read.
pub(crate) struct Pass<'a> {
    pub log: &'a dyn Log,
    pub source: Source,
    /// The first offset that is not read.
    pub until: Offset,
    pub meter: &'a Meter<'a>,
}

/// Why a partition was not read to its end: offset and reason.
pub(crate) type Torn = Option<(Offset, String)>;

impl Pass<'_> {
    /// Shows the partition to a looker and to those of the read models that its topic feeds.
    pub(crate) async fn run<L: Looker>(
        &self,
        mut looker: L,
        mut models: Vec<Model>,
    ) -> Result<(L, Vec<Model>, Torn), VerifyError> {
        let doing = self.source.to_string();
        let mut next = self.read(0).await;
        loop {
            let chunk = match next {
                Ok(Some(chunk)) => Arc::new(chunk),
                Ok(None) => return Ok((looker, models, None)),
                Err(Unread::Torn(offset, reason)) => return Ok((looker, models, Some((offset, reason)))),
                Err(Unread::Failed(error)) => return Err(error),
            };
            self.meter.advance(&doing, chunk.records.len() as u64);
            let following = self.read(chunk.next);
            let (looked, read) = tokio::join!(look(looker, models, chunk), following);
            (looker, models) = looked?;
            next = read;
        }
    }

    /// The stretch from `from` on, none at the end.
    pub(crate) async fn read(&self, from: Offset) -> Result<Option<Chunk>, Unread> {
        if from >= self.until {
            return Ok(None);
        }
        let read = async { Ok::<_, VerifyError>(self.log.read(&self.source, from, STRETCH).await) };
        let mut records = match within("reading the log", read).await? {
            Ok(records) => records,
            Err(LogError::Fatal(reason)) => return Err(Unread::Torn(from, reason)),
            Err(error) => return Err(Unread::Failed(error.into())),
        };
        records.retain(|record| record.offset < self.until);
        if records.is_empty() {
            return Ok(None);
        }
        let source = self.source.clone();
        Ok(Some(blocking(move || Ok(Chunk::decode(&source, from, records))).await?))
    }
}

/// Why a stretch cannot be had.
pub(crate) enum Unread {
    /// The log is broken at this offset.
    Torn(Offset, String),
    /// The check cannot go on.
    Failed(VerifyError),
}

impl From<VerifyError> for Unread {
    fn from(error: VerifyError) -> Self {
        Self::Failed(error)
    }
}

async fn look<L: Looker>(mut looker: L, models: Vec<Model>, chunk: Arc<Chunk>) -> Result<(L, Vec<Model>), VerifyError> {
    let shown = chunk.clone();
    let looked = blocking(move || looker.look(&shown).map(|()| looker));
    let folded = try_join_all(models.into_iter().map(|mut model| {
        let chunk = chunk.clone();
        async move {
            if !model.is_fed_by(&chunk.source.topic) {
                return Ok(model);
            }
            // Mostly folding, seldom a wait for the temporary store.
            let runtime = Handle::current();
            blocking(move || runtime.block_on(model.take(&chunk)).map(|()| model)).await
        }
    }));
    tokio::try_join!(looked, folded)
}
