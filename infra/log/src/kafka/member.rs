//! A member of a consumer group.
//!
//! A partition is fetched only after its seek: librdkafka is assigned what was sought, each from where it goes on, so
//! nothing comes too early and nothing twice. A revocation is answered when the consumer is asked for what comes after
//! it: until then the partitions are still this member's, and its last transaction can end. The waits are wake-ups of the
//! library, not threads; dropping the future of a delivery loses nothing.

use super::{
    client::retire,
    error,
    rebalances::{Change, Rebalances},
    shared::{Shared, far},
    wire,
};
use crate::{Consumer, Delivery, LogError, Offset, Record, Source};
use futures::future::BoxFuture;
use parking_lot::Mutex;
use rdkafka::{
    Message, Offset as Place, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{Notify, oneshot},
    time::{Instant, timeout, timeout_at},
};

/// Events of the library may hide that more waits behind them, so waits are no longer than this.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// A delivery holds one record or about so many bytes.
const MOST_BYTES: usize = 8 << 20;
/// How long a member that leaves waits for the brokers.
const FAREWELL: Duration = Duration::from_secs(3);

/// The member, as transactions see it.
pub(super) struct Joined {
    pub consumer: BaseConsumer<Rebalances>,
    owned: Mutex<Vec<Source>>,
}

impl Joined {
    /// Whether a partition is this member's, as far as is known here.
    pub(super) fn owns(&self, source: &Source) -> bool {
        // The library knows of a loss before the consumer is asked for the news.
        !self.consumer.assignment_lost() && self.owned.lock().contains(source)
    }

    /// Whether it was dropped.
    pub(super) fn is_leaving(&self) -> bool {
        self.consumer.context().is_leaving()
    }
}

/// The consumer of the port.
pub(super) struct Member {
    shared: Arc<Shared>,
    joined: Arc<Joined>,
    ready: Arc<Notify>,
    topics: Vec<(Arc<str>, Arc<str>)>,
    owned: Vec<Owned>,
    /// Whether librdkafka must be told anew what to fetch.
    moved: bool,
    /// Whether the last revocation is not answered yet.
    owes: bool,
    /// A record that did not belong to the delivery before.
    ahead: Option<(usize, Record)>,
    /// Dropped when the group was left.
    left: Option<oneshot::Sender<()>>,
}

struct Owned {
    source: Source,
    topic: Arc<str>,
    /// What comes next; nothing comes before a seek.
    next: Option<Offset>,
    /// Whether `next` may lie before the start of the partition.
    sought: bool,
}

impl Member {
    pub(super) fn join(shared: Arc<Shared>, group: &str, topics: &[&str]) -> Result<Self, LogError> {
        let mut consumer = shared.clients.member(group, Rebalances::default())?;
        let ready = Arc::new(Notify::new());
        let wake = ready.clone();
        consumer.set_nonempty_callback(move || wake.notify_one());
        let topics: Vec<(Arc<str>, Arc<str>)> = topics
            .iter()
            .map(|topic| {
                let topic: Arc<str> = (*topic).into();
                (shared.topics.name(&topic), topic)
            })
            .collect();
        let names: Vec<&str> = topics.iter().map(|(full, _)| &**full).collect();
        consumer.subscribe(&names).map_err(|error| error::refused(&format!("group {group} cannot be joined"), &error))?;
        let joined = Arc::new(Joined { consumer, owned: Mutex::default() });
        shared.groups.join(group, &joined);
        Ok(Self { shared, joined, ready, topics, owned: Vec::new(), moved: false, owes: false, ahead: None, left: None })
    }

    async fn deliver(&mut self, max: usize, wait: Duration) -> Result<Delivery, LogError> {
        let end = far(wait);
        loop {
            if let Some(change) = self.change()? {
                return Ok(change);
            }
            self.place().await?;
            if let Some(records) = self.pull(max.max(1))? {
                return Ok(records);
            }
            if self.joined.consumer.context().has_changed() {
                continue;
            }
            let until = end.min(Instant::now() + LOOK_AGAIN);
            if timeout_at(until, self.ready.notified()).await.is_err() && Instant::now() >= end {
                return Ok(Delivery::Idle);
            }
        }
    }

    /// What changed in the assignment.
    fn change(&mut self) -> Result<Option<Delivery>, LogError> {
        if std::mem::take(&mut self.owes) {
            self.told(self.joined.consumer.unassign())?;
        }
        while let Some(change) = self.joined.consumer.context().take() {
            match change {
                Change::Assigned(places) => {
                    let owned = places.into_iter().filter_map(|(full, partition)| self.own(&full, partition));
                    let owned: Vec<Owned> = owned.collect();
                    let sources: Vec<Source> = owned.iter().map(|owned| owned.source.clone()).collect();
                    self.owned.extend(owned);
                    self.publish();
                    return Ok(Some(Delivery::Assigned(sources)));
                }
                Change::Revoked => {
                    let sources: Vec<Source> = self.owned.drain(..).map(|owned| owned.source).collect();
                    (self.ahead, self.moved) = (None, false);
                    if sources.is_empty() {
                        self.told(self.joined.consumer.unassign())?;
                    } else {
                        self.owes = true;
                        return Ok(Some(Delivery::Revoked(sources)));
                    }
                }
            }
        }
        if self.owned.len() != self.joined.owned.lock().len() {
            self.publish();
        }
        Ok(None)
    }

    /// Tells librdkafka what to fetch, if a seek changed it.
    async fn place(&mut self) -> Result<(), LogError> {
        if !self.moved {
            return Ok(());
        }
        for at in 0..self.owned.len() {
            let Some(Owned { source, next: Some(next), sought: true, .. }) = self.owned.get(at) else { continue };
            let (source, next) = (source.clone(), *next);
            let start = self.shared.bounds(&source).await?.start;
            if let Some(owned) = self.owned.get_mut(at) {
                (owned.next, owned.sought) = (Some(next.max(start)), false);
            }
        }
        let mut places = TopicPartitionList::with_capacity(self.owned.len());
        for Owned { source, topic, next, .. } in &self.owned {
            let Some(next) = next else { continue };
            let place = Place::Offset(wire::raw(*next));
            self.told(places.add_partition_offset(topic, source.partition.cast_signed(), place))?;
        }
        self.told(self.joined.consumer.assign(&places))?;
        (self.ahead, self.moved) = (None, false);
        Ok(())
    }

    /// Records of one partition that have arrived.
    fn pull(&mut self, max: usize) -> Result<Option<Delivery>, LogError> {
        let (mut records, mut bytes, mut place, mut empty) = (Vec::new(), 0, None, 0);
        if let Some((at, record)) = self.ahead.take() {
            (bytes, place) = (size(&record), Some(at));
            records.push(record);
        }
        while records.len() < max && bytes < MOST_BYTES && empty < 2 && !self.joined.consumer.context().has_changed() {
            let message = match self.joined.consumer.poll(Duration::ZERO) {
                None => {
                    empty += 1;
                    continue;
                }
                Some(Err(error)) => {
                    error::consuming(&error)?;
                    continue;
                }
                Some(Ok(message)) => message,
            };
            empty = 0;
            let Some(at) = self.find(message.topic(), message.partition(), place) else { continue };
            let record = wire::record(&message);
            if place.is_some_and(|place| place != at) {
                self.ahead = Some((at, record));
                break;
            }
            (bytes, place) = (bytes + size(&record), Some(at));
            records.push(record);
        }
        let (Some(owned), Some(last)) = (place.and_then(|at| self.owned.get_mut(at)), records.last()) else { return Ok(None) };
        owned.next = Some(last.offset + 1);
        Ok(Some(Delivery::Records(owned.source.clone(), records)))
    }

    /// Where the owned partition is that a message is of; `near` is the likely place.
    fn find(&self, topic: &str, partition: i32, near: Option<usize>) -> Option<usize> {
        let is =
            |owned: &Owned| owned.source.partition.cast_signed() == partition && *owned.topic == *topic && owned.next.is_some();
        near.filter(|at| self.owned.get(*at).is_some_and(is)).or_else(|| self.owned.iter().position(is))
    }

    fn own(&self, full: &str, partition: i32) -> Option<Owned> {
        let (full, topic) = self.topics.iter().find(|(name, _)| **name == *full)?;
        let source = Source { topic: topic.clone(), partition: partition.cast_unsigned() };
        Some(Owned { source, topic: full.clone(), next: None, sought: false })
    }

    /// Shows transactions what is owned.
    fn publish(&self) {
        *self.joined.owned.lock() = self.owned.iter().map(|owned| owned.source.clone()).collect();
    }

    fn told(&self, outcome: rdkafka::error::KafkaResult<()>) -> Result<(), LogError> {
        outcome.map_err(|error| error::refused("member of a group", &error))
    }
}

impl Consumer for Member {
    fn next(&mut self, max: usize, wait: Duration) -> BoxFuture<'_, Result<Delivery, LogError>> {
        Box::pin(self.deliver(max, wait))
    }

    fn seek(&mut self, source: &Source, from: Offset) {
        // A seek that comes after its partition was revoked has nothing to move.
        if let Some(owned) = self.owned.iter_mut().find(|owned| owned.source == *source) {
            (owned.next, owned.sought) = (Some(from), true);
            self.moved = true;
        }
    }

    fn leave(mut self: Box<Self>) -> BoxFuture<'static, ()> {
        let (left, has_left) = oneshot::channel();
        self.left = Some(left);
        drop(self);
        Box::pin(async move {
            // Nothing is ever said: either the sender is dropped, or it took too long.
            let _ = timeout(FAREWELL, has_left).await;
        })
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.joined.consumer.context().leave();
        if self.owes {
            // If it fails, the group finds out by the end of the session.
            let _ = self.joined.consumer.unassign();
        }
        // In this order: closing the consumer is what leaves the group.
        retire((self.joined.clone(), self.left.take()));
    }
}

fn size(record: &Record) -> usize {
    record.key.len() + record.envelope.len() + record.payload.len()
}
