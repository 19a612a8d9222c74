//! Where partitions begin and end for a reader of committed records.
//!
//! The end is the last stable offset. A commit is answered before its markers are in the partitions, so the end that the
//! broker tells may lie before records that this process was told are committed: such an end is asked for again.

use super::{
    client::PATIENCE,
    context::Context,
    error::{code, refused},
    topics::is_settling,
    wire,
};
use crate::{LogError, Offset, Source};
use parking_lot::RwLock;
use rdkafka::{
    Offset as Place, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::KafkaResult,
};
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::{
    task::spawn_blocking,
    time::{Instant, sleep},
};

/// How long markers may take.
const MARKERS: Duration = Duration::from_secs(10);

/// What a partition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bounds {
    /// The first offset that is still there.
    pub start: Offset,
    /// The next offset.
    pub end: Offset,
}

/// Asks for bounds, and remembers what was promised.
pub(super) struct Ends {
    query: Arc<BaseConsumer<Context>>,
    promised: RwLock<HashMap<Source, Offset>>,
}

impl Ends {
    pub(super) fn new(query: Arc<BaseConsumer<Context>>) -> Self {
        Self { query, promised: RwLock::default() }
    }

    /// From now on the record at `offset` is seen.
    pub(super) fn promise(&self, source: &Source, offset: Offset) {
        let mut promised = self.promised.write();
        match promised.get_mut(source) {
            Some(end) => *end = (offset + 1).max(*end),
            None => drop(promised.insert(source.clone(), offset + 1)),
        }
    }

    /// The bounds of a partition; what was promised lies within.
    pub(super) async fn bounds(&self, source: &Source, topic: Arc<str>) -> Result<Bounds, LogError> {
        let promised = self.promised.read().get(source).copied().unwrap_or(0);
        let limit = Instant::now() + MARKERS;
        loop {
            let bounds = self.ask(topic.clone(), source.partition).await?;
            if bounds.end >= promised {
                return Ok(bounds);
            }
            if Instant::now() > limit {
                return Err(LogError::Transient(format!(
                    "{source} ends at {} although {promised} was committed: another transaction holds it up",
                    bounds.end
                )));
            }
            sleep(Duration::from_millis(1)).await;
        }
    }

    async fn ask(&self, topic: Arc<str>, partition: u32) -> Result<Bounds, LogError> {
        let what = format!("no answer about the end of {topic}/{partition}");
        let ask = move |query: &BaseConsumer<Context>| query.fetch_watermarks(&topic, partition.cast_signed(), PATIENCE);
        let (start, end) = self.settled(what, ask).await?;
        Ok(Bounds { start: wire::offset(start), end: wire::offset(end) })
    }

    /// The first offset at or after which the brokers know a time of at least `milliseconds`, if there is one.
    pub(super) async fn at(&self, topic: Arc<str>, partition: u32, milliseconds: i64) -> Result<Option<Offset>, LogError> {
        let what = format!("no answer about times of {topic}/{partition}");
        let ask = move |query: &BaseConsumer<Context>| {
            let mut list = TopicPartitionList::with_capacity(1);
            list.add_partition_offset(&topic, partition.cast_signed(), Place::Offset(milliseconds.max(0)))?;
            let list = query.offsets_for_times(list, PATIENCE)?;
            let Some(found) = list.elements().into_iter().next() else { return Ok(None) };
            found.error()?;
            Ok(match found.offset() {
                Place::Offset(offset) => Some(wire::offset(offset)),
                _ => None,
            })
        };
        self.settled(what, ask).await
    }

    /// Asks where waiting harms nobody, and again while a leader is being found.
    async fn settled<T: Send + 'static>(
        &self,
        what: String,
        ask: impl Fn(&BaseConsumer<Context>) -> KafkaResult<T> + Send + 'static,
    ) -> Result<T, LogError> {
        let query = self.query.clone();
        let answer = spawn_blocking(move || {
            let limit = std::time::Instant::now() + PATIENCE;
            loop {
                match ask(&query) {
                    Err(error) if is_settling(code(&error)) && std::time::Instant::now() < limit => {
                        std::thread::sleep(Duration::from_millis(10));
                    }
                    answer => return answer.map_err(|error| refused(&what, &error)),
                }
            }
        });
        answer.await.map_err(|error| LogError::Transient(error.to_string()))?
    }
}
