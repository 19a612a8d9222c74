//! Topics: how long each keeps its records, that they exist, and that all have the same number of partitions.

use super::{
    client::{Clients, PATIENCE, retire},
    context::Context,
    error::refused,
};
use crate::{LogError, Source};
use parking_lot::RwLock;
use rdkafka::{
    admin::{AdminOptions, NewTopic, TopicReplication},
    consumer::{BaseConsumer, Consumer},
    error::KafkaError,
    metadata::MetadataTopic,
    types::{RDKafkaErrorCode as Code, RDKafkaRespErr},
};
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::{
    task::spawn_blocking,
    time::{Instant, sleep},
};

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// What a topic keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keeps {
    /// Everything, for ever.
    All,
    /// So many days.
    Days(u64),
    /// The last record of each key.
    Last,
}

/// By the name within the log. What no rule names is kept.
fn keeps(topic: &str) -> Keeps {
    match topic {
        topic if topic.starts_with("telemetry.") || topic.ends_with(".commands") => Keeps::Days(7),
        topic if topic.ends_with(".results") => Keeps::Days(8),
        topic if topic.ends_with(".snapshots") || topic == super::meta::TOPIC => Keeps::Last,
        _ => Keeps::All,
    }
}

/// The topics of a log.
pub(super) struct Topics {
    clients: Arc<Clients>,
    query: Arc<BaseConsumer<Context>>,
    partitions: u32,
    /// Names in the cluster by names in the log.
    known: RwLock<HashMap<Arc<str>, Arc<str>>>,
}

impl Topics {
    pub(super) fn new(clients: Arc<Clients>, query: Arc<BaseConsumer<Context>>) -> Self {
        Self { partitions: 0, clients, query, known: RwLock::default() }
    }

    /// These topics, with so many partitions each.
    pub(super) fn of(self, partitions: u32) -> Self {
        Self { partitions, ..self }
    }

    /// Refuses a source that does not exist.
    pub(super) async fn check(&self, source: &Source) -> Result<(), LogError> {
        self.full(source).await.map(drop)
    }

    /// The name of the source's topic in the cluster.
    pub(super) async fn full(&self, source: &Source) -> Result<Arc<str>, LogError> {
        let absent = || LogError::Absent(source.clone());
        let known = self.known.read().get(&source.topic).cloned();
        let full = match known {
            Some(full) => full,
            None => self.find(&source.topic).await?.ok_or_else(absent)?,
        };
        if source.partition < self.partitions { Ok(full) } else { Err(absent()) }
    }

    /// The name in the cluster of a topic that was checked before.
    pub(super) fn name(&self, topic: &Arc<str>) -> Arc<str> {
        let known = self.known.read().get(topic).cloned();
        known.unwrap_or_else(|| self.clients.name(topic).into())
    }

    /// Makes those that do not exist.
    pub(super) async fn create(&self, topics: &[&str]) -> Result<(), LogError> {
        let mut missing = Vec::new();
        for topic in topics {
            let known = self.known.read().contains_key(*topic);
            if !known && self.find(topic).await?.is_none() {
                missing.push(*topic);
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        self.make(&missing, self.partitions).await?;
        for topic in missing {
            self.appear(topic).await?;
        }
        Ok(())
    }

    /// Asks the brokers to make topics with so many partitions; one that exists is as good.
    pub(super) async fn make(&self, topics: &[&str], partitions: u32) -> Result<(), LogError> {
        let replication = self.clients.config.replication;
        let (most, insync) = (super::client::MAX_MESSAGE_BYTES.to_string(), if replication >= 3 { "2" } else { "1" });
        let names: Vec<_> = topics.iter().map(|topic| (self.clients.name(topic), setup(keeps(topic)))).collect();
        let new = names.iter().map(|(name, (policy, retention))| {
            let replicas = TopicReplication::Fixed(replication.into());
            NewTopic::new(name, partitions.cast_signed(), replicas)
                .set("cleanup.policy", policy)
                .set("retention.ms", retention)
                .set("message.timestamp.type", "CreateTime")
                // A clock that is ahead by hours is no reason to refuse records.
                .set("message.timestamp.after.max.ms", "9223372036854775807")
                .set("max.message.bytes", &most)
                .set("min.insync.replicas", insync)
        });
        let new: Vec<_> = new.collect();
        let admin = self.clients.admin()?;
        let options = AdminOptions::new().request_timeout(Some(PATIENCE)).operation_timeout(Some(PATIENCE));
        let outcome = admin.create_topics(&new, &options).await;
        retire(admin);
        for made in outcome.map_err(|error| refused("creation of topics", &error))? {
            if let Err((topic, code)) = made
                && code != Code::TopicAlreadyExists
            {
                return Err(refused(&format!("creation of topic {topic}"), &KafkaError::Global(code)));
            }
        }
        Ok(())
    }

    /// Waits until the brokers show a topic that was just made.
    async fn appear(&self, topic: &str) -> Result<(), LogError> {
        let end = Instant::now() + PATIENCE;
        while self.find(topic).await?.is_none() {
            if Instant::now() > end {
                return Err(LogError::Transient(format!("topic {topic} was made but does not appear")));
            }
            sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    /// The name of a topic in the cluster, if it is there and every partition has a leader.
    async fn find(&self, topic: &str) -> Result<Option<Arc<str>>, LogError> {
        let full: Arc<str> = self.clients.name(topic).into();
        let (query, name) = (self.query.clone(), full.clone());
        let look = spawn_blocking(move || {
            let metadata = query.fetch_metadata(Some(&name), PATIENCE);
            metadata.map(|metadata| metadata.topics().iter().find(|found| found.name() == &*name).and_then(partitions))
        });
        let found = look.await.map_err(|error| LogError::Transient(error.to_string()))?;
        let found = found.map_err(|error| refused("no broker told about topics", &error))?;
        let Some(partitions) = found else { return Ok(None) };
        if partitions != self.partitions {
            return Err(LogError::Fatal(format!(
                "topic {full} has {partitions} partitions and the log has {}: keys would change their places; make it anew, \
                 or give the log a prefix of its own",
                self.partitions
            )));
        }
        self.known.write().insert(topic.into(), full.clone());
        Ok(Some(full))
    }
}

/// Whether a new topic or a new leader is not known everywhere yet.
pub(super) fn is_settling(code: Code) -> bool {
    matches!(
        code,
        Code::UnknownTopicOrPartition
            | Code::UnknownTopic
            | Code::UnknownPartition
            | Code::LeaderNotAvailable
            | Code::NotLeaderForPartition
            | Code::OffsetNotAvailable
    )
}

fn setup(keeps: Keeps) -> (&'static str, String) {
    match keeps {
        Keeps::All => ("delete", "-1".to_owned()),
        Keeps::Days(days) => ("delete", (days * DAY_MS).to_string()),
        Keeps::Last => ("compact", "-1".to_owned()),
    }
}

fn partitions(topic: &MetadataTopic) -> Option<u32> {
    let led = |error: Option<RDKafkaRespErr>| error.is_none();
    let whole = led(topic.error()) && topic.partitions().iter().all(|p| led(p.error()) && p.leader() >= 0);
    (whole && !topic.partitions().is_empty()).then(|| u32::try_from(topic.partitions().len()).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_topic_keeps_follows_from_its_name() {
        for (topic, expected) in [
            ("work.commands", Keeps::Days(7)),
            ("work.results", Keeps::Days(8)),
            ("telemetry.metric", Keeps::Days(7)),
            ("work.events", Keeps::All),
            ("work.snapshots", Keeps::Last),
            ("swarmlog.meta", Keeps::Last),
            ("anything", Keeps::All),
        ] {
            assert_eq!(keeps(topic), expected, "{topic}");
        }
    }
}
