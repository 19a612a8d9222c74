//! The consumer and a server over TCP: answers that are lost, a server that is killed in mid-insert and comes back.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

#[path = "../../../infra/analytics/tests/suite/proxy.rs"]
mod proxy;
mod served;
mod world;

use analytics::Analytics;
use log::{Log, sqlite::SqliteLog};
use proxy::Proxy;
use served::{EngineProcess, be_engine_if_asked, remote};
use service::Lifecycle;
use std::{
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};
use swarmlog_consumer_analytics::{ConsumerError, run};
use tokio::task::JoinHandle;
use world::{append_events, eventually, number, source};

const PARTITIONS: u32 = 2;

#[test]
fn an_engine() {
    // A child of the tests below; by itself it does nothing.
    be_engine_if_asked();
}

fn engine(folder: &Path) -> EngineProcess {
    EngineProcess::start(&folder.join("engine"), &["--exact", "an_engine", "--nocapture"])
}

/// The consumer between a log and a server that stands behind a proxy.
struct Fed {
    log: Arc<SqliteLog>,
    analytics: Analytics,
    lifecycle: Lifecycle,
    running: JoinHandle<Result<(), ConsumerError>>,
}

impl Fed {
    async fn start(folder: &Path, server: std::net::SocketAddr) -> Self {
        let log = world::log(&folder.join("log"), PARTITIONS).await;
        let (analytics, lifecycle) = (remote(server), Lifecycle::new());
        let running = tokio::spawn(run(log.clone(), analytics.clone(), lifecycle.clone()));
        Self { log, analytics, lifecycle, running }
    }

    /// Appends events behind those that are there, to both partitions.
    async fn append(&self, count: u64) {
        for partition in 0..PARTITIONS {
            let source = source("work.events", partition);
            let end = self.log.end(&source).await.unwrap();
            append_events(&*self.log, &source, end + 1, end + count).await;
        }
    }

    /// Waits until every event is stored, and looks that none is there twice.
    async fn ends_with_all_events_once(self) {
        let mut expected = 0;
        for partition in 0..PARTITIONS {
            expected += self.log.end(&source("work.events", partition)).await.unwrap();
        }
        // Counted without FINAL: not even hidden doubles.
        eventually(&self.analytics, "SELECT count() FROM events", expected).await;
        self.lifecycle.shutdown().cancel();
        self.running.await.unwrap().unwrap();
        assert_eq!(number(&self.analytics, "SELECT count() FROM events").await, expected);
        assert_eq!(number(&self.analytics, "SELECT uniqExact(partition, position) FROM events").await, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_insert_whose_answer_was_lost_is_in_the_table_once() {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine(folder.path());
    let (proxy, address) = Proxy::start().await;
    proxy.lead_to(Some(engine.address));
    let fed = Fed::start(folder.path(), address).await;
    for _ in 0..3 {
        proxy.lose_answers(2);
        fed.append(500).await;
        let lost = async {
            while proxy.to_lose() > 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), lost).await.expect("answers are lost");
    }
    fed.ends_with_all_events_once().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_killed_in_mid_insert_loses_and_doubles_nothing() {
    const KILLS: u32 = 5;
    let folder = tempfile::tempdir().unwrap();
    let seed = u64::from(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().subsec_nanos());
    let mut random = seed | 1;
    let (proxy, address) = Proxy::start().await;
    let mut server = engine(folder.path());
    proxy.lead_to(Some(server.address));
    let fed = Fed::start(folder.path(), address).await;
    let any = async || number(&fed.analytics, "SELECT count() FROM events").await;
    for kill in 0..KILLS {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let delay = Duration::from_micros((random >> 33) % 400_000);
        let stored = any().await;
        fed.append(4000).await;
        // The moment of the kill is what varies.
        tokio::time::sleep(delay).await;
        proxy.lead_to(None);
        drop(server);
        fed.append(1000).await;
        server = engine(folder.path());
        proxy.lead_to(Some(server.address));
        println!("kill {kill}: seed {seed}, after {delay:?}; {stored} rows before, {} behind it", any().await);
    }
    fed.ends_with_all_events_once().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_lost_its_tables_is_filled_again() {
    let folder = tempfile::tempdir().unwrap();
    let (proxy, address) = Proxy::start().await;
    let first = engine(folder.path());
    proxy.lead_to(Some(first.address));
    let fed = Fed::start(folder.path(), address).await;
    let rows = "SELECT sum(ifNull(total_rows, 0)) FROM system.tables WHERE database = 'swarmlog' AND name = 'events'";
    fed.append(1000).await;
    eventually(&fed.analytics, rows, 1000 * u64::from(PARTITIONS)).await;

    fed.analytics.client().unwrap().query("DROP TABLE events SYNC").execute().await.unwrap();
    // Only one partition goes on: the other has to notice by itself that its rows are gone.
    append_events(&*fed.log, &source("work.events", 0), 1001, 1100).await;
    eventually(&fed.analytics, rows, 1100).await;
    append_events(&*fed.log, &source("work.events", 1), 1001, 1100).await;
    eventually(&fed.analytics, rows, 1100 * u64::from(PARTITIONS)).await;

    proxy.lead_to(None);
    drop(first);
    let second = engine(&folder.path().join("another"));
    proxy.lead_to(Some(second.address));
    fed.append(10).await;
    fed.ends_with_all_events_once().await;
}
