//! A reader of one partition: a client of its own that fetches ahead, and what it fetched.
//!
//! It is never sent elsewhere: a fetch that waits for new records would hold up the next one. Polling never blocks;
//! [`Cursor::more`] says when to poll again.

use super::{client::Clients, context::Context, error, wire};
use crate::{LogError, Offset, Record};
use rdkafka::{
    Offset as Place, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::KafkaError,
};
use std::{collections::VecDeque, sync::Arc, time::Duration};
use tokio::{
    sync::Notify,
    time::{Instant, timeout_at},
};

/// Events of the library may hide that more waits behind them, so waits are no longer than this.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// A place in a partition, and what comes after it.
pub(super) struct Cursor {
    consumer: BaseConsumer<Context>,
    ready: Arc<Notify>,
    /// Records that were fetched and not handed out.
    ahead: VecDeque<Record>,
    /// Nothing between these two was skipped: a reader from any offset between them may use this cursor.
    since: Offset,
    looked: Offset,
}

impl Cursor {
    /// A cursor at `from`, which is not before the start of the partition.
    pub(super) fn open(clients: &Clients, topic: &str, partition: u32, from: Offset) -> Result<Self, LogError> {
        let mut consumer = clients.reader()?;
        let ready = Arc::new(Notify::new());
        let wake = ready.clone();
        consumer.set_nonempty_callback(move || wake.notify_one());
        let mut place = TopicPartitionList::with_capacity(1);
        let opened = place
            .add_partition_offset(topic, partition.cast_signed(), Place::Offset(wire::raw(from)))
            .and_then(|()| consumer.assign(&place));
        opened.map_err(|error| error::refused(&format!("reader of {topic}/{partition}"), &error))?;
        Ok(Self { consumer, ready, ahead: VecDeque::new(), since: from, looked: from })
    }

    /// Whether a reader from `from` gets everything that it should.
    pub(super) fn continues(&self, from: Offset) -> bool {
        (self.since..=self.looked).contains(&from)
    }

    /// Goes on at `from`, which it [`continues`](Self::continues).
    pub(super) fn skip_to(&mut self, from: Offset) {
        while self.ahead.front().is_some_and(|record| record.offset < from) {
            self.ahead.pop_front();
        }
        self.since = from;
    }

    /// How many records wait here.
    pub(super) fn len(&self) -> usize {
        self.ahead.len()
    }

    /// Takes what was fetched until `most` records wait.
    pub(super) fn pull(&mut self, most: usize) -> Result<(), LogError> {
        let mut empty = 0;
        while self.ahead.len() < most && empty < 2 {
            match self.consumer.poll(Duration::ZERO) {
                None => empty += 1,
                Some(Ok(message)) => {
                    empty = 0;
                    let record = wire::record(&message);
                    self.looked = record.offset + 1;
                    if record.offset >= self.since {
                        self.ahead.push_back(record);
                    }
                }
                Some(Err(KafkaError::PartitionEOF(_))) => {}
                Some(Err(error)) => error::consuming(&error)?,
            }
        }
        Ok(())
    }

    /// How far it has looked, control records included.
    pub(super) fn looked(&mut self) -> Offset {
        let position = self.consumer.position().ok();
        let place = position.as_ref().and_then(|list| list.elements().first().map(|element| element.offset()));
        if let Some(Place::Offset(next)) = place {
            self.looked = wire::offset(next).max(self.looked);
        }
        self.looked
    }

    /// Waits until there may be more to pull, a moment at most.
    pub(super) async fn more(&self, until: Instant) {
        let until = until.min(Instant::now() + LOOK_AGAIN);
        // Late or not, the caller pulls.
        let _ = timeout_at(until, self.ready.notified()).await;
    }

    /// Hands out at most `max` records.
    pub(super) fn hand_out(&mut self, max: usize) -> Vec<Record> {
        let records: Vec<Record> = self.ahead.drain(..max.min(self.ahead.len())).collect();
        if let Some(last) = records.last() {
            self.since = last.offset + 1;
        }
        records
    }
}
