//! The consumer that feeds ClickHouse: events of every context into `events`, metrics into `run_metrics`.
//!
//! One feed per partition. It asks the table how far it has come, reads on from there, and inserts batches: one batch
//! is one block of one contiguous range of one partition inside one month, with a token that names the range. An insert
//! whose outcome nobody knows is repeated with the same bytes and the same token until it is known, so every record is
//! stored once, whatever was killed when. A record that cannot be read goes into `parked` with its bytes, before the
//! batch around it. Nothing is skipped and nothing is appended to the log.
//!
//! The tables are made where they are missing, at the start and whenever the server turns out to have lost them; then
//! they are filled again from what the server still has. It does not follow the log across a restore: a table that holds
//! another history is refused with a message.

mod batch;
mod error;
mod events;
mod feed;
mod insert;
mod meters;
mod payload;
mod points;
mod reader;
mod resume;

pub use error::ConsumerError;

use analytics::Analytics;
use feed::{Feed, Kind};
use log::{Log, Source};
use schemas::{SchemaKind, Stream};
use service::{Lifecycle, Status};
use std::{collections::BTreeSet, sync::Arc};
use tokio::task::JoinSet;

/// The topic of metrics.
const METRICS_TOPIC: &str = "telemetry.metric";

/// Feeds the analytics store until the shutdown. Without a store it says so in the health and waits for the shutdown.
pub async fn run(log: Arc<dyn Log>, analytics: Analytics, lifecycle: Lifecycle) -> Result<(), ConsumerError> {
    let shutdown = lifecycle.shutdown();
    let client = match analytics.client() {
        Ok(client) => client,
        Err(error) => {
            lifecycle.health().component("consumer.analytics").set(Status::Degraded(error.to_string()));
            tracing::warn!(error.reason = %error, "events are not fed into analytics");
            shutdown.cancelled().await;
            return Ok(());
        }
    };
    let mut feeds = JoinSet::new();
    for (topic, kind) in topics() {
        for partition in 0..log.partitions() {
            let source = Source { topic: topic.clone(), partition };
            let health = lifecycle.health().component(format!("consumer.analytics {source}"));
            let feed = Feed::new(log.clone(), analytics.clone(), client.clone(), source, kind.clone(), health, shutdown.clone());
            feeds.spawn(feed.run());
        }
    }
    let mut first = Ok(());
    while let Some(ended) = feeds.join_next().await {
        let ended = ended.unwrap_or_else(|panic| Err(ConsumerError::Fatal(panic.to_string())));
        if first.is_ok() && ended.is_err() {
            // The others finish their batch and leave.
            shutdown.cancel();
            first = ended;
        }
    }
    first
}

/// Every topic it reads.
fn topics() -> Vec<(Arc<str>, Kind)> {
    let events = schemas::SCHEMAS.iter().filter(|schema| schema.kind == SchemaKind::Event).map(|schema| schema.context);
    let contexts: BTreeSet<&'static str> = events.collect();
    let mut topics: Vec<(Arc<str>, Kind)> =
        contexts.into_iter().map(|context| (Stream::Events.topic(context).into(), Kind::Events { context })).collect();
    topics.push((METRICS_TOPIC.into(), Kind::Points));
    topics
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_context_with_events_is_fed() {
        let topics = topics();
        assert!(topics.iter().any(|(topic, kind)| &**topic == "work.events" && *kind == Kind::Events { context: "work" }));
        assert!(topics.iter().any(|(topic, kind)| &**topic == "telemetry.metric" && *kind == Kind::Points));
        assert_eq!(topics.len(), topics.iter().map(|(topic, _)| topic).collect::<BTreeSet<_>>().len());
    }
}
