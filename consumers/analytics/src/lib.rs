//! The consumer that feeds ClickHouse: events of every context into `events`, metrics into `run_metrics`.
//!
//! One feed per partition, and every partition with one member of the group. A feed asks the table how far it has come, reads on from there, and inserts batches: one batch
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
use log::{Log, Share, Source};
use schemas::{SchemaKind, Stream};
use service::{Lifecycle, Status};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// The topic of metrics.
const METRICS_TOPIC: &str = "telemetry.metric";

/// The consumer group among whose members the partitions are shared out.
const GROUP: &str = "analytics";

/// Feeds the analytics store until the shutdown, from the partitions that the group gives to this process. Without a
/// store it says so in the health and waits for the shutdown.
pub async fn run(log: Arc<dyn Log>, analytics: Analytics, lifecycle: Lifecycle) -> Result<(), ConsumerError> {
    let health = lifecycle.health();
    let client = match analytics.client() {
        Ok(client) => client,
        Err(error) => {
            health.component("consumer.analytics").set(Status::Degraded(error.to_string()));
            tracing::warn!(error.reason = %error, "events are not fed into analytics");
            lifecycle.shutdown().cancelled().await;
            return Ok(());
        }
    };
    let kinds = topics();
    let topics: Vec<&str> = kinds.keys().map(|topic| &**topic).collect();
    let share = Share { log: log.clone(), group: GROUP, topics: &topics, lifecycle: &lifecycle };
    let feed = |source: Source, stop| {
        let component = health.component(format!("consumer.analytics {source}"));
        let kind = kinds.get(&source.topic).cloned().unwrap_or(Kind::Points);
        Feed::new(log.clone(), analytics.clone(), client.clone(), source, kind, component, stop).run()
    };
    Ok(share.run(feed).await?)
}

/// Every topic it reads.
fn topics() -> BTreeMap<Arc<str>, Kind> {
    let events = schemas::SCHEMAS.iter().filter(|schema| schema.kind == SchemaKind::Event).map(|schema| schema.context);
    let contexts: BTreeSet<&'static str> = events.collect();
    let mut topics: BTreeMap<Arc<str>, Kind> =
        contexts.into_iter().map(|context| (Stream::Events.topic(context).into(), Kind::Events { context })).collect();
    topics.insert(METRICS_TOPIC.into(), Kind::Points);
    topics
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_context_with_events_is_fed() {
        let topics = topics();
        assert_eq!(topics.get("work.events"), Some(&Kind::Events { context: "work" }));
        assert_eq!(topics.get("telemetry.metric"), Some(&Kind::Points));
    }
}
