//! The clients of librdkafka that the log is made of, and how each is set up.
//!
//! What the user set comes after our defaults and before what the guarantees rest on. Every wait has an end: requests
//! after ten seconds, a transaction at the broker before the session of the member that does the work.

use super::{context::Context, error::refused, settings::KafkaConfig};
use crate::LogError;
use rdkafka::{
    ClientConfig,
    admin::AdminClient,
    config::{FromClientConfigAndContext, RDKafkaLogLevel},
    consumer::{BaseConsumer, ConsumerContext},
    producer::{BaseProducer, ProducerContext, ThreadedProducer},
};
use std::{thread, time::Duration};

/// The largest record, as bytes of a batch: twice what the codec allows.
pub(super) const MAX_MESSAGE_BYTES: usize = 8 << 20;
/// How long a question to the brokers may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// Makes clients.
pub(super) struct Clients {
    pub config: KafkaConfig,
}

impl Clients {
    pub(super) fn new(config: KafkaConfig) -> Self {
        Self { config }
    }

    /// The name in the cluster of a topic, group or transactional id.
    pub(super) fn name(&self, name: &str) -> String {
        format!("{}{name}", self.config.prefix)
    }

    /// A consumer that only asks: metadata, ends, times.
    pub(super) fn query(&self) -> Result<BaseConsumer<Context>, LogError> {
        self.outsider("query")
    }

    /// A consumer of `group` that never joins it.
    pub(super) fn outsider(&self, group: &str) -> Result<BaseConsumer<Context>, LogError> {
        self.make(self.consumer(group), Context::default())
    }

    /// A consumer that is told what to read.
    pub(super) fn reader(&self) -> Result<BaseConsumer<Context>, LogError> {
        let mut config = self.consumer("reader");
        // A reader that waits at the end of a quiet partition asks its broker as seldom as this.
        self.default(&mut config, "fetch.wait.max.ms", "2000");
        self.make(config, Context::default())
    }

    /// A reader that sees what was not committed, too.
    pub(super) fn uncommitted_reader(&self) -> Result<BaseConsumer<Context>, LogError> {
        let mut config = self.consumer("reader");
        config.set("isolation.level", "read_uncommitted").set("fetch.wait.max.ms", "10");
        self.make(config, Context::default())
    }

    /// A member of `group`.
    pub(super) fn member<C: ConsumerContext>(&self, group: &str, context: C) -> Result<BaseConsumer<C>, LogError> {
        let mut config = self.consumer(group);
        // A seek takes effect when the fetch under way has returned.
        self.default(&mut config, "fetch.wait.max.ms", "100");
        config.set("partition.assignment.strategy", "range");
        self.make(config, context)
    }

    /// A producer for appends outside transactions.
    pub(super) fn appender<C: ProducerContext + 'static>(&self, context: C) -> Result<ThreadedProducer<C>, LogError> {
        let mut config = self.producer();
        self.default_unless(&mut config, "message.timeout.ms", "delivery.timeout.ms", "10000");
        // While a request is under way the next appends gather: batches grow with the load and nothing waits for company.
        self.default_unless(&mut config, "max.in.flight.requests.per.connection", "max.in.flight", "1");
        self.make(config, context)
    }

    /// How long an append may take until it is given up.
    pub(super) fn append_limit(&self) -> Duration {
        let settings = &self.config.settings;
        let set = settings.get("message.timeout.ms").or(settings.get("delivery.timeout.ms"));
        Duration::from_millis(set.and_then(|ms| ms.parse().ok()).unwrap_or(10_000)) + PATIENCE
    }

    /// A transactional producer.
    pub(super) fn transactional<C: ProducerContext>(&self, name: &str, context: C) -> Result<BaseProducer<C>, LogError> {
        let mut config = self.producer();
        let limit = self.config.settings.get("transaction.timeout.ms").map_or("2500", String::as_str);
        config.set("transaction.timeout.ms", limit);
        // librdkafka wants neither to be longer.
        self.default_unless(&mut config, "message.timeout.ms", "delivery.timeout.ms", limit);
        self.default(&mut config, "socket.timeout.ms", limit);
        // Only the log tells of a lost connection.
        config.set("log.connection.close", "true");
        config.set_log_level(RDKafkaLogLevel::Info);
        config.set("transactional.id", self.name(name));
        self.make(config, context)
    }

    /// A transaction that took less has no request that went without an answer for as long as it may.
    pub(super) fn in_time(&self) -> Duration {
        let settings = &self.config.settings;
        let set = settings.get("socket.timeout.ms").or(settings.get("transaction.timeout.ms"));
        Duration::from_millis(set.and_then(|ms| ms.parse().ok()).unwrap_or(2500)) / 2
    }

    /// A client that creates topics.
    pub(super) fn admin(&self) -> Result<AdminClient<Context>, LogError> {
        self.make(self.base(), Context::default())
    }

    fn base(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("client.id", "swarmlog");
        config.set("reconnect.backoff.max.ms", "1000");
        config.set("socket.timeout.ms", "10000");
        config.set("log.connection.close", "false");
        for (name, value) in &self.config.settings {
            config.set(name, value);
        }
        config.set("bootstrap.servers", &self.config.bootstrap);
        config
    }

    fn consumer(&self, group: &str) -> ClientConfig {
        let mut config = self.base();
        self.default(&mut config, "queued.max.messages.kbytes", "8192");
        self.default(&mut config, "fetch.queue.backoff.ms", "5");
        self.default(&mut config, "session.timeout.ms", "3000");
        self.default(&mut config, "heartbeat.interval.ms", "500");
        config.set("group.id", self.name(group));
        config.set("isolation.level", "read_committed");
        config.set("enable.auto.commit", "false");
        config.set("enable.auto.offset.store", "false");
        // A reader that falls out of the log must hear of it, not jump.
        config.set("auto.offset.reset", "error");
        config
    }

    fn producer(&self) -> ClientConfig {
        let mut config = self.base();
        self.default(&mut config, "linger.ms", "0");
        self.default(&mut config, "retry.backoff.ms", "20");
        self.default(&mut config, "message.max.bytes", &MAX_MESSAGE_BYTES.to_string());
        config.set("enable.idempotence", "true");
        config.set("acks", "all");
        config
    }

    fn default(&self, config: &mut ClientConfig, name: &str, value: &str) {
        self.default_unless(config, name, name, value);
    }

    /// Sets `name` unless the user has set it, or its other name.
    fn default_unless(&self, config: &mut ClientConfig, name: &str, alias: &str, value: &str) {
        if ![name, alias].iter().any(|name| self.config.settings.contains_key(*name)) {
            config.set(name, value);
        }
    }

    fn make<C, T: FromClientConfigAndContext<C>>(&self, config: ClientConfig, context: C) -> Result<T, LogError>
    where
        C: rdkafka::ClientContext,
    {
        T::from_config_and_context(&config, context).map_err(|error| refused("client of Kafka", &error))
    }
}

/// Drops a client where it blocks nobody: it may wait for brokers.
pub(super) fn retire<T: Send + 'static>(client: T) {
    // Without a thread the closure is dropped here, and the client with it.
    let _ = thread::Builder::new().name("kafka-retire".to_owned()).spawn(move || drop(client));
}
