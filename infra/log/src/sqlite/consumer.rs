//! One member of a consumer group: what it is told next.
//!
//! The order in [`Member::deliver`] matters: a failed log first, then changes of the assignment, then records, so that
//! nothing comes from a partition after its revocation was told. The wake-up keeps a permit, so what is published
//! between a look and the wait is not missed. Dropping the future of a delivery loses nothing.

use super::{
    Shared,
    groups::{Change, Membership},
    partition::{Partition, View},
    readers::Wanted,
    shared::far,
};
use crate::{Consumer, Delivery, LogError, Offset, Source};
use futures::future::BoxFuture;
use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tokio::time::{Instant, timeout_at};

/// A delivery holds one record or about so many bytes.
const MOST_BYTES: usize = 8 << 20;

/// A consumer.
pub(super) struct Member {
    shared: Arc<Shared>,
    membership: Membership,
    owned: Vec<Owned>,
    /// Partitions that it was told it loses and that are still kept from others.
    lost: Vec<Arc<Partition>>,
    /// Whether it was told for the first time what its share is.
    is_told: bool,
    /// Generation of the group at the last look that changed nothing.
    seen: u64,
    /// When to look again although nobody called.
    look_again: Option<Instant>,
    /// Place in `owned` that has its turn.
    turn: usize,
}

struct Owned {
    partition: Arc<Partition>,
    /// What comes next; nothing comes before a seek.
    next: Option<Offset>,
}

impl Member {
    pub(super) fn join(shared: Arc<Shared>, group: &str, topics: &[&str]) -> Result<Self, LogError> {
        let absent = |topic: &str| LogError::Absent(Source { topic: topic.into(), partition: 0 });
        let topics = topics.iter().map(|topic| shared.topic(topic).ok_or_else(|| absent(topic)));
        let membership = shared.groups.join(group, topics.collect::<Result<_, _>>()?);
        Ok(Self { shared, membership, owned: Vec::new(), lost: Vec::new(), is_told: false, seen: 0, look_again: None, turn: 0 })
    }

    async fn deliver(&mut self, max: usize, wait: Duration) -> Result<Delivery, LogError> {
        let end = far(wait);
        loop {
            self.shared.check()?;
            if !self.lost.is_empty() {
                self.shared.groups.let_go(&self.membership, &std::mem::take(&mut self.lost));
            }
            if let Some(change) = self.review() {
                return Ok(change);
            }
            if let Some(records) = self.records(max).await? {
                return Ok(records);
            }
            let until = self.look_again.map_or(end, |look_again| look_again.min(end));
            if timeout_at(until, self.membership.wake.notified()).await.is_err() && Instant::now() >= end {
                return Ok(Delivery::Idle);
            }
        }
    }

    fn review(&mut self) -> Option<Delivery> {
        let generation = self.membership.generation.load(Ordering::Acquire);
        if generation == self.seen && self.look_again.is_none_or(|at| Instant::now() < at) {
            return None;
        }
        let owned = self.owned.iter().map(|owned| &owned.partition);
        match self.shared.groups.review(&self.membership, owned) {
            Change::Revoked(lost) => {
                self.owned.retain(|owned| !lost.iter().any(|lost| Arc::ptr_eq(lost, &owned.partition)));
                lost.iter().for_each(|partition| partition.leave(&self.membership.wake));
                let told = Delivery::Revoked(sources(&lost));
                self.lost = lost;
                Some(told)
            }
            Change::Assigned(won) => {
                self.is_told = true;
                won.iter().for_each(|partition| partition.listen(&self.membership.wake));
                self.owned.extend(won.iter().map(|partition| Owned { partition: partition.clone(), next: None }));
                Some(Delivery::Assigned(sources(&won)))
            }
            Change::None(look_again) => {
                self.seen = generation;
                self.look_again = look_again;
                let has_nothing = !self.is_told && look_again.is_none();
                self.is_told |= has_nothing;
                has_nothing.then(|| Delivery::Assigned(Vec::new()))
            }
        }
    }

    /// Records of the first partition that has some, starting with the one whose turn it is.
    async fn records(&mut self, max: usize) -> Result<Option<Delivery>, LogError> {
        let wanted = |from| Wanted { from, max: max.max(1), most_bytes: MOST_BYTES };
        for step in 0..self.owned.len() {
            let place = (self.turn + step) % self.owned.len();
            let Some(owned) = self.owned.get_mut(place) else { continue };
            let Some(from) = owned.next else { continue };
            let records = self.shared.read(&owned.partition, wanted(from), View::Published).await?;
            if let Some(last) = records.last() {
                owned.next = Some(last.offset + 1);
                self.turn = place + 1;
                return Ok(Some(Delivery::Records(owned.partition.source.clone(), records)));
            }
        }
        Ok(None)
    }
}

impl Consumer for Member {
    fn next(&mut self, max: usize, wait: Duration) -> BoxFuture<'_, Result<Delivery, LogError>> {
        Box::pin(self.deliver(max, wait))
    }

    fn seek(&mut self, source: &Source, from: Offset) {
        // A seek that comes after its partition was revoked has nothing to move.
        if let Some(owned) = self.owned.iter_mut().find(|owned| owned.partition.source == *source) {
            owned.next = Some(from);
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.owned.iter().for_each(|owned| owned.partition.leave(&self.membership.wake));
        self.shared.groups.leave(&self.membership);
    }
}

fn sources(partitions: &[Arc<Partition>]) -> Vec<Source> {
    partitions.iter().map(|partition| partition.source.clone()).collect()
}
