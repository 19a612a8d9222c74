//! What the log says about itself, in the compacted topic `swarmlog.meta` of one partition.
//!
//! `log/<timeline>` founds the log: the first such record counts, so two programs that found it at once agree.
//! `epoch/<name>` counts the owners of a transactional name. An owner writes its number in a transaction of its own, so
//! only who is not fenced does; numbers of aborted ones are skipped, which is why they are read uncommitted.

use super::{
    appender::Appender,
    client::{Clients, PATIENCE, retire},
    context::Context,
    error::{consuming, refused},
    topics::{Topics, is_settling},
    wire::{self, Outgoing},
};
use crate::{LogError, Timeline};
use parking_lot::Mutex;
use rdkafka::{
    Message, Offset as Place, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
};
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use uuid::Uuid;

/// Name of the topic.
pub(super) const TOPIC: &str = "swarmlog.meta";
/// What this program writes and reads.
const FORMAT: u64 = 1;

/// How the log was founded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Founding {
    pub timeline: Timeline,
    pub partitions: u32,
}

/// The topic, read so far.
pub(super) struct Meta {
    topic: String,
    founding: Founding,
    tail: Mutex<Tail>,
}

struct Tail {
    /// Read to its end again and again; gone once retired.
    consumer: Option<BaseConsumer<Context>>,
    /// What comes next.
    next: u64,
    founding: Option<Founding>,
    epochs: HashMap<String, u64>,
}

impl Meta {
    /// Reads the topic; founds the log if it is new.
    pub(super) async fn open(clients: &Clients, topics: &Topics, appender: &Appender) -> Result<Self, LogError> {
        topics.make(&[TOPIC], 1).await?;
        let topic = clients.name(TOPIC);
        let mut place = TopicPartitionList::with_capacity(1);
        let consumer = clients.uncommitted_reader()?;
        let assigned = place.add_partition_offset(&topic, 0, Place::Beginning).and_then(|()| consumer.assign(&place));
        assigned.map_err(|error| refused("reader of swarmlog.meta", &error))?;
        drop(place);
        let mut tail = Tail { consumer: Some(consumer), next: 0, founding: None, epochs: HashMap::new() };
        let read = async |mut tail: Tail| {
            let topic = topic.clone();
            let read = tokio::task::spawn_blocking(move || tail.read_on(&topic).map(|()| tail)).await;
            read.map_err(|error| LogError::Transient(error.to_string()))?
        };
        tail = read(tail).await?;
        if tail.founding.is_none() {
            let value = json!({ "format": FORMAT, "partitions": clients.config.partitions }).to_string();
            let key = format!("log/{}", Uuid::now_v7());
            appender.append_plain(vec![Outgoing::plain(&topic, key, value, now())]).await?;
            tail = read(tail).await?;
        }
        let founding = tail.founding.ok_or_else(|| LogError::Fatal(format!("{topic} does not keep what is written to it")))?;
        Ok(Self { topic, founding, tail: Mutex::new(tail) })
    }

    /// How the log was founded.
    pub(super) fn founding(&self) -> Founding {
        self.founding
    }

    /// The number of the newest owner of `name`; 0 if there was none. Blocks.
    pub(super) fn epoch(&self, name: &str) -> Result<u64, LogError> {
        let mut tail = self.tail.lock();
        tail.read_on(&self.topic)?;
        Ok(tail.epochs.get(name).copied().unwrap_or(0))
    }

    /// The record that an owner writes.
    pub(super) fn owner(&self, name: &str, epoch: u64) -> Outgoing {
        Outgoing::plain(&self.topic, format!("epoch/{name}"), epoch.to_string(), now())
    }
}

impl Drop for Meta {
    fn drop(&mut self) {
        self.tail.get_mut().consumer.take().into_iter().for_each(retire);
    }
}

impl Tail {
    /// Reads to the end, as the brokers tell it now.
    fn read_on(&mut self, topic: &str) -> Result<(), LogError> {
        let Some(consumer) = self.consumer.take() else { return Err(LogError::Fatal("the log is closed".to_owned())) };
        let outcome = self.read_with(&consumer, topic);
        self.consumer = Some(consumer);
        outcome
    }

    fn read_with(&mut self, consumer: &BaseConsumer<Context>, topic: &str) -> Result<(), LogError> {
        let limit = Instant::now() + PATIENCE;
        let end = loop {
            match consumer.fetch_watermarks(topic, 0, PATIENCE) {
                Ok((_, end)) => break wire::offset(end),
                Err(error) if is_settling(super::error::code(&error)) && Instant::now() < limit => {
                    std::thread::sleep(Duration::from_millis(10));
                }
                Err(error) => return Err(refused("no broker told about the log", &error)),
            }
        };
        while self.next < end {
            match consumer.poll(Duration::from_millis(5)) {
                Some(Ok(message)) => {
                    self.next = wire::offset(message.offset()) + 1;
                    let text = |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
                    self.learn(&text(message.key()), &text(message.payload()))?;
                }
                Some(Err(error)) => consuming(&error)?,
                None => {
                    let position = consumer.position().ok();
                    let place = position.as_ref().and_then(|list| list.elements().first().map(|found| found.offset()));
                    if let Some(Place::Offset(next)) = place {
                        self.next = wire::offset(next).max(self.next);
                    }
                    if Instant::now() > limit {
                        return Err(LogError::Transient(format!("no broker sends the records of {topic}")));
                    }
                }
            }
        }
        Ok(())
    }

    fn learn(&mut self, key: &str, value: &str) -> Result<(), LogError> {
        match key.split_once('/') {
            Some(("log", timeline)) if self.founding.is_none() => self.founding = Some(founding(timeline, value)?),
            Some(("epoch", name)) => {
                let epoch = value.parse().unwrap_or(0);
                let newest = self.epochs.entry(name.to_owned()).or_default();
                *newest = epoch.max(*newest);
            }
            _ => {}
        }
        Ok(())
    }
}

fn founding(timeline: &str, value: &str) -> Result<Founding, LogError> {
    let known = |value: &Value| {
        let format = value.get("format")?.as_u64()?;
        let partitions = u32::try_from(value.get("partitions")?.as_u64()?).ok()?;
        Some((format, partitions))
    };
    let parsed = serde_json::from_str(value).ok().as_ref().and_then(known);
    match (Uuid::try_parse(timeline), parsed) {
        (Ok(timeline), Some((FORMAT, partitions))) => Ok(Founding { timeline: Timeline(timeline), partitions }),
        (Ok(_), Some((format, _))) => Err(LogError::Fatal(format!(
            "the log has format {format} and this program knows format {FORMAT}: use the newer program that made it"
        ))),
        _ => Err(LogError::Fatal(format!("record log/{timeline} of {TOPIC} is not understood: {value:?}"))),
    }
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn tail() -> Tail {
        Tail { consumer: None, next: 0, founding: None, epochs: HashMap::new() }
    }

    #[test]
    fn the_first_founding_counts() {
        let (first, second) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let mut tail = tail();
        tail.learn(&format!("log/{first}"), r#"{"format":1,"partitions":3}"#).unwrap();
        tail.learn(&format!("log/{second}"), r#"{"format":1,"partitions":9}"#).unwrap();
        assert_eq!(tail.founding, Some(Founding { timeline: Timeline(first), partitions: 3 }));
    }

    #[test]
    fn a_log_of_a_newer_program_is_refused() {
        let outcome = tail().learn(&format!("log/{}", Uuid::from_u128(1)), r#"{"format":2,"partitions":3}"#);
        assert!(matches!(outcome, Err(LogError::Fatal(why)) if why.contains("newer program")));
    }

    #[test]
    fn epochs_never_fall() {
        let mut tail = tail();
        for (value, expected) in [("2", 2), ("1", 2), ("x", 2), ("3", 3)] {
            tail.learn("epoch/writer-0", value).unwrap();
            assert_eq!(tail.epochs["writer-0"], expected);
        }
    }
}
