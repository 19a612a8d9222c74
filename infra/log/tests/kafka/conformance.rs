//! The suite of the port.

use super::world;
use std::sync::Arc;
use swarmlog_log::{
    Log,
    conformance::Fixture,
    kafka::{KafkaConfig, KafkaLog},
    log_conformance,
};

struct OnKafka {
    config: KafkaConfig,
    log: Arc<KafkaLog>,
}

impl Fixture for OnKafka {
    async fn start() -> Self {
        let config = world::config().await;
        let log = Arc::new(KafkaLog::connect(config.clone()).await.unwrap());
        Self { config, log }
    }

    fn log(&self) -> Arc<dyn Log> {
        self.log.clone()
    }

    async fn reopen(&mut self) {
        // An existing log keeps its number of partitions.
        self.log = Arc::new(KafkaLog::connect(KafkaConfig { partitions: 9, ..self.config.clone() }).await.unwrap());
    }
}

log_conformance!(OnKafka);
