//! The log on Apache Kafka: the guarantees of the port by transactions of the broker.
//!
//! [`Durability::Durable`] and [`Durability::Ordered`] are the same here: acknowledged by every in-sync replica (with one
//! broker that is its page cache). An owner is a transactional producer, so fencing is the broker's; readers and
//! consumers see committed records only. Offsets have holes (control and aborted records), and what this process has
//! committed is visible to its own calls at once. An append of several records is not atomic: if a part of it is lost
//! with the broker, the answer is `Ambiguous`. Times are raised by the process that writes, so the times of a partition
//! that several processes append to, as gateways do to commands, are as good as their clocks.

mod appender;
mod client;
#[cfg(test)]
mod codes;
mod context;
mod cursor;
mod cursors;
mod ends;
mod error;
mod groups;
mod member;
mod meta;
mod owner;
mod pace;
mod producer;
mod rebalances;
mod search;
mod settings;
mod shared;
mod times;
mod topics;
mod wire;

pub use settings::KafkaConfig;

use crate::{Append, Consumer, Durability, Log, LogError, Offset, Record, Source, Timeline, Transactional};
use appender::Appender;
use client::Clients;
use cursors::Cursors;
use ends::Ends;
use futures::future::BoxFuture;
use groups::Groups;
use member::Member;
use meta::Meta;
use owner::Owner;
use shared::Shared;
use std::{sync::Arc, time::Duration};
use topics::Topics;

/// An event log on a Kafka cluster.
pub struct KafkaLog {
    shared: Arc<Shared>,
}

impl KafkaLog {
    /// Connects to the log that `config` names, or founds it there: a new log gets a timeline and the number of
    /// partitions asked for, an existing one keeps its own.
    pub async fn connect(config: KafkaConfig) -> Result<Self, LogError> {
        config.validate()?;
        let clients = Arc::new(Clients::new(config));
        let query = Arc::new(clients.query()?);
        let appender = Appender::new(clients.clone())?;
        let topics = Topics::new(clients.clone(), query.clone());
        let meta = Meta::open(&clients, &topics, &appender).await?;
        let partitions = meta.founding().partitions;
        let shared = Shared {
            topics: topics.of(partitions),
            meta: Arc::new(meta),
            ends: Ends::new(query),
            cursors: Cursors::default(),
            groups: Arc::new(Groups::new(clients.clone())),
            appender,
            clients,
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Whether there is a log where `config` says; founds none.
    pub async fn is_founded(config: KafkaConfig) -> Result<bool, LogError> {
        config.validate()?;
        let clients = Arc::new(Clients::new(config));
        let query = Arc::new(clients.query()?);
        let meta = Source { topic: meta::TOPIC.into(), partition: 0 };
        match Topics::new(clients, query).of(1).check(&meta).await {
            Ok(()) => Ok(true),
            Err(LogError::Absent(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl Log for KafkaLog {
    fn timeline(&self) -> Timeline {
        self.shared.meta.founding().timeline
    }

    fn partitions(&self) -> u32 {
        self.shared.meta.founding().partitions
    }

    fn create_topics<'a>(&'a self, topics: &'a [&'a str]) -> BoxFuture<'a, Result<(), LogError>> {
        Box::pin(self.shared.topics.create(topics))
    }

    fn append(&self, records: Vec<Append>, _: Durability) -> BoxFuture<'_, Result<Vec<Offset>, LogError>> {
        Box::pin(self.shared.append(records))
    }

    fn transactional<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Box<dyn Transactional>, LogError>> {
        Box::pin(async move { Ok(Box::new(Owner::take(self.shared.clone(), name).await?) as Box<dyn Transactional>) })
    }

    fn read<'a>(&'a self, source: &'a Source, from: Offset, max: usize) -> BoxFuture<'a, Result<Vec<Record>, LogError>> {
        Box::pin(async move {
            self.shared.topics.check(source).await?;
            self.shared.read(source, from, max).await
        })
    }

    fn follow<'a>(&'a self, source: &'a Source, from: Offset, max: usize) -> BoxFuture<'a, Result<Vec<Record>, LogError>> {
        Box::pin(async move {
            self.shared.topics.check(source).await?;
            self.shared.follow(source, from, max).await
        })
    }

    fn end<'a>(&'a self, source: &'a Source) -> BoxFuture<'a, Result<Offset, LogError>> {
        Box::pin(async move {
            self.shared.topics.check(source).await?;
            Ok(self.shared.bounds(source).await?.end)
        })
    }

    fn offset_at<'a>(&'a self, source: &'a Source, time: i64) -> BoxFuture<'a, Result<Offset, LogError>> {
        Box::pin(async move {
            self.shared.topics.check(source).await?;
            search::offset_at(&self.shared, source, time).await
        })
    }

    fn wait<'a>(&'a self, source: &'a Source, from: Offset, wait: Duration) -> BoxFuture<'a, Result<bool, LogError>> {
        Box::pin(async move {
            self.shared.topics.check(source).await?;
            self.shared.wait(source, from, wait).await
        })
    }

    fn committed<'a>(&'a self, group: &'a str, source: &'a Source) -> BoxFuture<'a, Result<Option<Offset>, LogError>> {
        Box::pin(async move {
            self.shared.topics.check(source).await?;
            self.shared.groups.committed(group, source).await
        })
    }

    fn consume<'a>(&'a self, group: &'a str, topics: &'a [&'a str]) -> BoxFuture<'a, Result<Box<dyn Consumer>, LogError>> {
        Box::pin(async move {
            for topic in topics {
                self.shared.topics.check(&Source { topic: (*topic).into(), partition: 0 }).await?;
            }
            Ok(Box::new(Member::join(self.shared.clone(), group, topics)?) as Box<dyn Consumer>)
        })
    }
}
