//! The consumer between a real log and a real store. The store is there once per process, so this is one story.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod world;

use analytics::Analytics;
use bytes::Bytes;
use log::{Append, Durability, Log};
use service::{Lifecycle, Status};
use std::{sync::Arc, time::Duration};
use swarmlog_consumer_analytics::{ConsumerError, run};
use tokio::task::JoinHandle;
use world::{append_events, envelope, event, eventually, number, points, source};

struct Running {
    lifecycle: Lifecycle,
    task: JoinHandle<Result<(), ConsumerError>>,
}

impl Running {
    fn start(log: Arc<dyn Log>, analytics: &Analytics) -> Self {
        let lifecycle = Lifecycle::new();
        let task = tokio::spawn(run(log, analytics.clone(), lifecycle.clone()));
        Self { lifecycle, task }
    }

    async fn stop(self) -> Result<(), ConsumerError> {
        self.lifecycle.shutdown().cancel();
        tokio::time::timeout(Duration::from_secs(60), self.task).await.expect("it leaves in time").unwrap()
    }

    /// Waits until a component of that name says something that contains `word`.
    async fn says(&self, component: &str, word: &str) {
        let waited = tokio::time::timeout(Duration::from_secs(60), async {
            while !self.status(component).is_some_and(|status| status.to_string().contains(word)) {
                tokio::task::yield_now().await;
            }
        });
        assert!(waited.await.is_ok(), "{component} says {:?}", self.status(component));
    }

    fn status(&self, component: &str) -> Option<Status> {
        self.lifecycle.health().statuses().into_iter().find(|(name, _)| name == component).map(|(_, status)| status)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_record_is_stored_once_whatever_happens() {
    let folder = tempfile::tempdir().unwrap();
    let log = world::log(&folder.path().join("log"), 2).await;
    let analytics = world::analytics(&folder.path().join("analytics"));
    let timeline = log.timeline().0;
    let (first, second, metrics) = (source("work.events", 0), source("work.events", 1), source("telemetry.metric", 0));
    let all = "SELECT count() FROM events";

    // Behind by more than a batch, then live.
    append_events(&*log, &first, 1, 60_000).await;
    append_events(&*log, &second, 1, 10).await;
    let running = Running::start(log.clone(), &analytics);
    eventually(&analytics, all, 60_010).await;
    append_events(&*log, &second, 11, 20).await;
    eventually(&analytics, all, 60_020).await;
    assert_eq!(number(&analytics, "SELECT uniqExact(topic, partition, position) FROM events").await, 60_020);
    let json = "SELECT count() FROM events WHERE JSONExtractFloat(payload, 'config', 'lr') = 0.1 AND type = 'work.JobSubmitted' \
                AND JSONExtractString(payload, 'priority') = 'urgent' AND aggregate_id = concat('job-', toString(position % 100))";
    assert_eq!(number(&analytics, json).await, 60_020);
    running.says("consumer.analytics work.events/0", "ready").await;

    // Metrics: the same batch again counts once, and an empty one does no harm.
    let batches = [points(timeline, &metrics, 1, 100), points(timeline, &metrics, 2, 50), points(timeline, &metrics, 3, 0)];
    log.append(batches.to_vec(), Durability::Durable).await.unwrap();
    eventually(&analytics, "SELECT count() FROM run_metrics FINAL", 150).await;
    log.append(vec![points(timeline, &metrics, 1, 100), points(timeline, &metrics, 4, 1)], Durability::Durable).await.unwrap();
    eventually(&analytics, "SELECT count() FROM run_metrics FINAL", 151).await;
    eventually(&analytics, "SELECT max(offset) FROM run_metrics", 4).await;
    running.stop().await.unwrap();

    // A restart goes on where the tables end.
    append_events(&*log, &first, 60_001, 60_005).await;
    log.append(vec![points(timeline, &metrics, 5, 2)], Durability::Durable).await.unwrap();
    let running = Running::start(log.clone(), &analytics);
    eventually(&analytics, all, 60_025).await;
    eventually(&analytics, "SELECT count() FROM run_metrics FINAL", 153).await;

    // Records that cannot be read are parked with their bytes, and those around them are stored.
    let mut broken_payload = event(timeline, &second, 21);
    broken_payload.payload = Bytes::from_static(b"\0\0\0\0\x01nonsense");
    let mut broken_envelope = event(timeline, &second, 23);
    broken_envelope.envelope = Bytes::from_static(b"nonsense");
    let mut broken_points = points(timeline, &metrics, 6, 1);
    broken_points.payload = Bytes::from_static(b"x");
    let records =
        vec![broken_payload, event(timeline, &second, 22), broken_envelope, event(timeline, &second, 24), broken_points];
    log.append(records, Durability::Durable).await.unwrap();
    eventually(&analytics, all, 60_027).await;
    eventually(&analytics, "SELECT count() FROM parked FINAL", 3).await;
    let kept = "SELECT count() FROM parked FINAL WHERE topic = 'work.events' AND partition = 1 \
                AND (position = 21 AND payload = '00000000016e6f6e73656e7365' OR position = 23 AND envelope = '6e6f6e73656e7365')";
    assert_eq!(number(&analytics, kept).await, 2);

    // A record of a newer schema is no damage: the feed waits for a newer program, the others go on.
    let mut newer = event(timeline, &second, 25);
    newer.payload = Bytes::from_static(b"\0\0\x0f\xff\xffwhat is to come");
    log.append(vec![newer], Durability::Durable).await.unwrap();
    running.says("consumer.analytics work.events/1", "paused").await;
    append_events(&*log, &first, 60_006, 60_006).await;
    eventually(&analytics, all, 60_028).await;

    // The store goes away and comes back: the health says so, and nothing is lost.
    let client = analytics.client().unwrap();
    client.query("RENAME TABLE events TO elsewhere").execute().await.unwrap();
    append_events(&*log, &first, 60_007, 60_500).await;
    running.says("consumer.analytics work.events/0", "failing").await;
    client.query("RENAME TABLE elsewhere TO events").execute().await.unwrap();
    eventually(&analytics, all, 60_522).await;
    running.says("consumer.analytics work.events/0", "ready").await;
    running.stop().await.unwrap();
    assert_eq!(number(&analytics, "SELECT uniqExact(topic, partition, position) FROM events").await, 60_522);

    // A hole in the positions stops the consumer with a message.
    append_events(&*log, &first, 60_502, 60_502).await;
    let hole = tokio::time::timeout(Duration::from_secs(60), run(log.clone(), analytics.clone(), Lifecycle::new())).await;
    let hole = hole.expect("it stops").expect_err("a hole");
    assert!(matches!(hole, ConsumerError::Hole { expected: 60_501, found: 60_502, .. }), "{hole}");

    // Another log does not match the table.
    let other = world::log(&folder.path().join("other"), 2).await;
    let short = run(other.clone(), analytics.clone(), Lifecycle::new()).await.expect_err("a shorter history");
    assert!(matches!(short, ConsumerError::Foreign { .. }), "{short}");
    let mut foreign: Vec<Append> = Vec::new();
    for position in 1..=60_500 {
        let mut envelope = envelope(timeline, position, "work.JobSubmitted", schemas::SchemaId(1));
        envelope.id = uuid::Uuid::from_u128(position.into());
        foreign.push(world::append(&first, &envelope, Vec::new()));
    }
    other.append(foreign, Durability::Durable).await.unwrap();
    append_events(&*other, &second, 1, 24).await;
    let foreign = run(other.clone(), analytics.clone(), Lifecycle::new()).await.expect_err("another history");
    assert!(foreign.to_string().contains("another history"), "{foreign}");

    analytics.close().await.unwrap();
    log.close().await.unwrap();
}

#[tokio::test]
async fn without_a_store_the_consumer_says_so_and_waits() {
    let folder = tempfile::tempdir().unwrap();
    let log = world::log(folder.path(), 1).await;
    let running = Running::start(log, &Analytics::absent("there is no library".to_owned()));
    running.says("consumer.analytics", "degraded: analytics is not available: there is no library").await;
    assert!(running.lifecycle.health().is_ready());
    running.stop().await.unwrap();
}
