//! What the parts of the log share, and reading.

use super::{
    appender::Appender,
    client::{Clients, PATIENCE},
    cursor::Cursor,
    cursors::{Cursors, Lease},
    ends::{Bounds, Ends},
    groups::Groups,
    meta::Meta,
    topics::Topics,
};
use crate::{Append, LogError, Offset, Record, Source};
use std::{sync::Arc, time::Duration};
use tokio::{
    task::{spawn_blocking, yield_now},
    time::{Instant, sleep_until},
};

/// How often a wait beyond the end asks for the end.
const ASK_AGAIN: Duration = Duration::from_millis(20);

/// So many records are taken before others get their turn.
const AT_ONCE: usize = 4096;

/// The log as its parts see it.
pub(super) struct Shared {
    pub clients: Arc<Clients>,
    pub topics: Topics,
    pub meta: Arc<Meta>,
    pub ends: Ends,
    pub cursors: Cursors,
    pub groups: Arc<Groups>,
    pub appender: Appender,
}

impl Shared {
    /// What a partition holds.
    pub(super) async fn bounds(&self, source: &Source) -> Result<Bounds, LogError> {
        self.ends.bounds(source, self.topics.name(&source.topic)).await
    }

    /// Committed records from `from` on; fewer than `max` only at the end.
    pub(super) async fn read(&self, source: &Source, from: Offset, max: usize) -> Result<Vec<Record>, LogError> {
        let mut found = self.cursors.find(source, from);
        if let Some(lease) = &mut found
            && lease.pull(max).is_ok()
            && lease.len() >= max
        {
            return Ok(lease.hand_out(max));
        }
        let Bounds { start, end } = self.bounds(source).await?;
        if from >= end || start >= end || max == 0 {
            return Ok(Vec::new());
        }
        let mut lease = match found {
            Some(lease) => lease,
            None => self.open(source, from.max(start)).await?,
        };
        match gather(&mut lease, source, max, end).await {
            Ok(()) => Ok(lease.hand_out(max)),
            Err(error) => {
                self.cursors.discard(lease);
                Err(error)
            }
        }
    }

    /// Committed records from `from` on that were fetched already, if somebody reads there; else a [`read`](Self::read).
    pub(super) async fn follow(&self, source: &Source, from: Offset, max: usize) -> Result<Vec<Record>, LogError> {
        let Some(mut lease) = self.cursors.find(source, from) else { return self.read(source, from, max).await };
        if let Err(error) = lease.pull(max) {
            self.cursors.discard(lease);
            return Err(error);
        }
        Ok(lease.hand_out(max))
    }

    /// Whether there is a committed record at or beyond `from`, now or within `wait`.
    pub(super) async fn wait(&self, source: &Source, from: Offset, wait: Duration) -> Result<bool, LogError> {
        let limit = far(wait);
        let mut lease = match self.cursors.find(source, from) {
            Some(lease) => lease,
            None => loop {
                let Bounds { start, end } = self.bounds(source).await?;
                if from <= end {
                    break self.open(source, from.max(start)).await?;
                }
                if Instant::now() >= limit {
                    return Ok(false);
                }
                sleep_until(limit.min(Instant::now() + ASK_AGAIN)).await;
            },
        };
        loop {
            if let Err(error) = lease.pull(1) {
                self.cursors.discard(lease);
                return Err(error);
            }
            if lease.len() > 0 {
                return Ok(true);
            }
            if Instant::now() >= limit {
                lease.looked();
                return Ok(false);
            }
            lease.more(limit).await;
        }
    }

    /// Appends records outside transactions.
    pub(super) async fn append(&self, records: Vec<Append>) -> Result<Vec<Offset>, LogError> {
        let mut names = Vec::with_capacity(records.len());
        for record in &records {
            names.push(self.topics.full(&record.source).await?);
        }
        for record in &records {
            if !self.appender.knows(&record.source) {
                let time = self.last_time(&record.source).await?;
                self.appender.learn(&record.source, time);
            }
        }
        let sources: Vec<Source> = records.iter().map(|record| record.source.clone()).collect();
        let offsets = self.appender.append(names.into_iter().zip(records).collect()).await?;
        for (source, offset) in sources.iter().zip(&offsets) {
            self.ends.promise(source, *offset);
        }
        Ok(offsets)
    }

    /// The time of the last committed record of a source; the least there is if it has none.
    pub(super) async fn last_time(&self, source: &Source) -> Result<i64, LogError> {
        let Bounds { start, end } = self.bounds(source).await?;
        let (mut back, mut from) = (2, end);
        while from > start {
            // At the end there may be records of aborted transactions, and markers.
            from = end.saturating_sub(back).max(start);
            if let Some(last) = self.read(source, from, usize::MAX).await?.last() {
                return Ok(last.time);
            }
            back *= 8;
        }
        Ok(i64::MIN)
    }

    async fn open(&self, source: &Source, from: Offset) -> Result<Lease, LogError> {
        let (clients, topic) = (self.clients.clone(), self.topics.name(&source.topic));
        let partition = source.partition;
        let opened = spawn_blocking(move || Cursor::open(&clients, &topic, partition, from)).await;
        let cursor = opened.map_err(|error| LogError::Transient(error.to_string()))??;
        Ok(self.cursors.add(source.clone(), cursor).await)
    }
}

/// Pulls until `max` records wait or everything before `end` was looked at.
async fn gather(cursor: &mut Cursor, source: &Source, max: usize, end: Offset) -> Result<(), LogError> {
    let mut limit = Instant::now() + PATIENCE;
    loop {
        let before = cursor.len();
        cursor.pull(max.min(before + AT_ONCE))?;
        if cursor.len() >= max {
            return Ok(());
        }
        if cursor.len() > before {
            limit = Instant::now() + PATIENCE;
            yield_now().await;
        } else if cursor.looked() >= end {
            return Ok(());
        } else if Instant::now() >= limit {
            return Err(LogError::Transient(format!("no broker sends the records of {source}")));
        } else {
            cursor.more(limit).await;
        }
    }
}

/// The moment after `wait`; a day at most, since an instant has an end.
pub(super) fn far(wait: Duration) -> Instant {
    Instant::now() + wait.min(Duration::from_secs(24 * 60 * 60))
}
