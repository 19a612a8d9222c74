//! What a Kafka log is told: where the brokers are, what librdkafka is told verbatim, and the shape of a new log.

use crate::LogError;
use std::collections::BTreeMap;

/// Settings that the guarantees of the log rest on.
const OURS: [&str; 16] = [
    "acks",
    "auto.offset.reset",
    "bootstrap.servers",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.idempotence",
    "enable.partition.eof",
    "group.id",
    "group.protocol",
    "isolation.level",
    "max.in.flight",
    "max.in.flight.requests.per.connection",
    "metadata.broker.list",
    "partition.assignment.strategy",
    "request.required.acks",
    "transactional.id",
];

/// Where a Kafka log is, and how to make it if it is new.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KafkaConfig {
    /// `host:port` of some brokers, separated by commas.
    pub bootstrap: String,
    /// Settings of librdkafka, passed on verbatim: SASL, TLS, timeouts.
    pub settings: BTreeMap<String, String>,
    /// Partitions of every topic of a new log; an existing log keeps its own number.
    pub partitions: u32,
    /// Replicas of every partition of a new topic. From three on, two must have a record before it is acknowledged.
    pub replication: u16,
    /// Comes before the name of every topic, group and transactional id, so that several logs can share a cluster.
    pub prefix: String,
}

impl KafkaConfig {
    /// A log of four partitions with one replica, without a prefix.
    pub fn new(bootstrap: impl Into<String>) -> Self {
        Self { bootstrap: bootstrap.into(), settings: BTreeMap::new(), partitions: 4, replication: 1, prefix: String::new() }
    }

    /// Refuses what can never work. What librdkafka does not know, it refuses itself.
    pub(super) fn validate(&self) -> Result<(), LogError> {
        let fatal = |why: String| Err(LogError::Fatal(why));
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if let Some(name) = OURS.iter().find(|name| self.settings.contains_key(**name)) {
            return fatal(format!("kafka.{name} cannot be set: the guarantees of the log rest on it; remove it"));
        }
        if self.partitions == 0 || self.partitions > 1024 || self.replication == 0 || self.replication > 1024 {
            let Self { partitions, replication, .. } = self;
            return fatal(format!("a log has 1 to 1024 partitions and replicas, not {partitions} and {replication}"));
        }
        if self.prefix.len() > 100 || !self.prefix.chars().all(is_name) {
            return fatal(format!("prefix {:?} is no part of a topic's name: use a-z, 0-9, '.', '_' and '-'", self.prefix));
        }
        Ok(())
    }
}
