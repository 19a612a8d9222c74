//! Looks into Kafka past the log: what was written and is not committed.

use anyhow::{Context, Result};
use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::KafkaError,
};
use std::{collections::BTreeSet, time::Duration};
use tokio::task::spawn_blocking;

/// Bound of a hang.
const BOUND: Duration = Duration::from_secs(30);

/// A consumer that changes nothing.
#[derive(Debug, Clone)]
pub struct Onlooker {
    brokers: String,
}

impl Onlooker {
    /// Looks at these brokers.
    pub fn new(brokers: &str) -> Self {
        Self { brokers: brokers.to_owned() }
    }

    /// The records of a topic for those who also see what was not committed: their partition and payload.
    pub async fn written(&self, topic: &'static str) -> Result<BTreeSet<(i32, i64)>> {
        self.clone().blocking(move |looker| looker.read(topic, "read_uncommitted")).await
    }

    /// The records of a topic for those who see what counts.
    pub async fn committed(&self, topic: &'static str) -> Result<BTreeSet<(i32, i64)>> {
        self.clone().blocking(move |looker| looker.read(topic, "read_committed")).await
    }

    /// Whether a partition of a topic ends for readers of committed records before its last record.
    pub async fn has_open_transaction(&self, topic: &'static str) -> Result<bool> {
        self.clone()
            .blocking(move |looker| Ok(looker.ends(topic, "read_uncommitted")? != looker.ends(topic, "read_committed")?))
            .await
    }

    async fn blocking<T: Send + 'static>(self, look: impl FnOnce(&Self) -> Result<T> + Send + 'static) -> Result<T> {
        spawn_blocking(move || look(&self)).await?
    }

    fn consumer(&self, isolation: &str) -> Result<BaseConsumer> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.brokers).set("group.id", "onlooker").set("isolation.level", isolation);
        config.set("enable.auto.commit", "false").set("enable.partition.eof", "true").set("auto.offset.reset", "earliest");
        Ok(config.create()?)
    }

    fn ends(&self, topic: &str, isolation: &str) -> Result<Vec<i64>> {
        let consumer = self.consumer(isolation)?;
        let partitions = partitions(&consumer, topic)?;
        partitions.into_iter().map(|partition| Ok(consumer.fetch_watermarks(topic, partition, BOUND)?.1)).collect()
    }

    fn read(&self, topic: &str, isolation: &str) -> Result<BTreeSet<(i32, i64)>> {
        let consumer = self.consumer(isolation)?;
        let (partitions, mut places) = (partitions(&consumer, topic)?, TopicPartitionList::new());
        for partition in &partitions {
            places.add_partition_offset(topic, *partition, Offset::Beginning)?;
        }
        consumer.assign(&places)?;
        let (mut ended, mut found) = (BTreeSet::new(), BTreeSet::new());
        while ended.len() < partitions.len() {
            match consumer.poll(BOUND).context("the broker does not send the records")? {
                Err(KafkaError::PartitionEOF(partition)) => drop(ended.insert(partition)),
                Err(error) => return Err(error.into()),
                Ok(message) => drop(found.insert((message.partition(), message.offset()))),
            }
        }
        Ok(found)
    }
}

fn partitions(consumer: &BaseConsumer, topic: &str) -> Result<Vec<i32>> {
    let metadata = consumer.fetch_metadata(Some(topic), BOUND)?;
    let topic = metadata.topics().first().context("no such topic")?;
    Ok(topic.partitions().iter().map(|partition| partition.id()).collect())
}
