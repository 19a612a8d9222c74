//! Several consumers of one log that feed one store. The store is there once per process, so this is one story.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod world;

use analytics::Analytics;
use log::{Log, conformance::Heedless};
use service::Lifecycle;
use std::{sync::Arc, time::Duration};
use swarmlog_consumer_analytics::{ConsumerError, run};
use tokio::task::JoinHandle;
use world::{append_events, eventually, number, source};

const PARTITIONS: u32 = 4;
const ALL: &str = "SELECT count() FROM events";
const VISIBLE: &str = "SELECT count() FROM events FINAL";
/// What is missing before the last of each partition.
const HOLES: &str =
    "SELECT toUInt64(sum(missing)) FROM (SELECT max(position) - uniqExact(position) AS missing FROM events GROUP BY partition)";

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

    /// How many feeds of events it has.
    fn feeds(&self) -> usize {
        let statuses = self.lifecycle.health().statuses();
        statuses.iter().filter(|(name, _)| name.starts_with("consumer.analytics work.events/")).count()
    }

    async fn stop(self) {
        self.lifecycle.shutdown().cancel();
        tokio::time::timeout(Duration::from_secs(60), self.task).await.expect("it leaves in time").unwrap().unwrap();
    }
}

async fn shares(both: [&Running; 2]) {
    let shared = tokio::time::timeout(Duration::from_secs(60), async {
        while both.map(Running::feeds) != [2, 2] {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    assert!(shared.await.is_ok(), "{:?}", both.map(Running::feeds));
}

/// Appends some events to each partition; answers how many there are now.
async fn wave(log: &dyn Log, each: u64) -> u64 {
    let mut all = 0;
    for partition in 0..PARTITIONS {
        let source = source("work.events", partition);
        let end = log.end(&source).await.unwrap();
        append_events(log, &source, end + 1, end + each).await;
        all += end + each;
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn consumers_share_the_partitions_and_every_event_is_there_once_whoever_comes_and_goes() {
    let folder = tempfile::tempdir().unwrap();
    let log = world::log(&folder.path().join("log"), PARTITIONS).await;
    let analytics = world::analytics(&folder.path().join("analytics"));

    // One alone, then two, then the other alone: nothing is stored twice, not even where it would not be seen.
    let first = Running::start(log.clone(), &analytics);
    let mut all = wave(&*log, 500).await;
    eventually(&analytics, ALL, all).await;
    let second = Running::start(log.clone(), &analytics);
    for _ in 0..20 {
        all = wave(&*log, 100).await;
        tokio::task::yield_now().await;
    }
    shares([&first, &second]).await;
    eventually(&analytics, ALL, all).await;
    first.stop().await;
    all = wave(&*log, 500).await;
    eventually(&analytics, ALL, all).await;

    // One that is dropped in the middle of its inserts: what it had sent may arrive while the other takes over.
    let third = Running::start(log.clone(), &analytics);
    shares([&second, &third]).await;
    for _ in 0..20 {
        all = wave(&*log, 500).await;
        tokio::task::yield_now().await;
    }
    second.task.abort();
    eventually(&analytics, VISIBLE, all).await;
    third.stop().await;

    // Two that both believe to have everything, as when one of them was stopped and comes back.
    let heedless: Arc<dyn Log> = Arc::new(Heedless(log.clone()));
    let (one, other) = (Running::start(heedless.clone(), &analytics), Running::start(heedless, &analytics));
    // Waves that come at another pace than the feeds insert, so that these cut their ranges where they like.
    let mut pace = tokio::time::interval(Duration::from_millis(15));
    for number_of_wave in 0..150 {
        pace.tick().await;
        all = wave(&*log, 1 + number_of_wave % 7).await;
        assert_eq!(number(&analytics, HOLES).await, 0);
    }
    eventually(&analytics, VISIBLE, all).await;
    assert_eq!([&one, &other].map(Running::feeds), [PARTITIONS as usize; 2]);
    one.stop().await;
    other.stop().await;
    assert_eq!((number(&analytics, VISIBLE).await, number(&analytics, HOLES).await), (all, 0));
    println!("{} rows are stored of {all} events", number(&analytics, ALL).await);

    analytics.close().await.unwrap();
    log.close().await.unwrap();
}
