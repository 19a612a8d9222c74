//! ClickHouse against the log. The engine is there once per process, so this is one story.

use super::{
    commands::{job, record},
    files::Files,
    world::{World, codes},
};
use analytics::{Analytics, find_library};
use log::{Append, Source};
use schemas::{
    Message,
    envelope::Envelope,
    telemetry::{MetricPoint, MetricPoints},
};
use service::Lifecycle;
use std::time::Duration;
use swarmlog_verify::{Options, Report, Sources, verify};
use uuid::Uuid;

/// The story's ClickHouse.
struct Tables(Analytics);

impl Tables {
    async fn run(&self, sql: &str) {
        self.0.client().unwrap().query(sql).execute().await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    async fn number(&self, select: &str) -> u64 {
        self.0.client().unwrap().query(select).fetch_one().await.unwrap()
    }

    /// Feeds what the log has, until the tables have so many events, and the points at this offset.
    async fn feed(&self, world: &World, events: u64, offset: u64) {
        let life = Lifecycle::new();
        life.spawn("analytics", consumer_analytics::run(world.log.clone(), self.0.clone(), life.clone()));
        let fed = async {
            let (all, last) = ("SELECT count() FROM events", "SELECT max(offset) FROM run_metrics");
            while (self.number(all).await, self.number(last).await) != (events, offset) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), fed).await.expect("the tables are fed in time");
        life.shutdown().cancel();
        life.finished().await.unwrap();
    }

    async fn verify(&self, world: &World) -> Report {
        let sources = Sources { analytics: Some(self.0.clone()), ..world.checked() };
        verify(sources, &Options::default(), &|_| {}).await.unwrap()
    }

    /// Does something to the tables, and looks what is found.
    async fn found(&self, world: &World, sql: &str) -> Vec<&'static str> {
        self.run(sql).await;
        let report = self.verify(world).await;
        assert_eq!(report.clean, report.findings.iter().all(|finding| finding.code.is_note()));
        codes(&report)
    }
}

fn batch(world: &World, number: u128, count: i64) -> Append {
    let point = |step| MetricPoint { job_id: job(1), name: "loss".into(), step, value: 0.5, at: 1_700_000_000_000_000 + step };
    let batch =
        MetricPoints { source: "worker".into(), batch_id: Uuid::from_u128(number), points: (0..count).map(point).collect() };
    let mut payload = Vec::new();
    batch.encode(&mut payload).unwrap();
    let envelope = Envelope {
        id: Uuid::from_u128(number),
        tenant: "default".into(),
        aggregate_type: "metrics".into(),
        aggregate_id: "worker".into(),
        seq: 0,
        position: 0,
        timeline: world.log.timeline().0,
        r#type: batch.name().into(),
        schema_id: batch.schema_id().0 as i32,
        command_id: Uuid::nil(),
        causation_id: Uuid::nil(),
        correlation_id: Uuid::nil(),
        traceparent: None,
        actor: "worker".into(),
        occurred_at: None,
        recorded_at: writer::system_clock(),
        expected_seq: -2,
        idempotent: false,
        body_hash: None,
    };
    record(Source { topic: "telemetry.metric".into(), partition: 1 }, &envelope, payload)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_difference_between_clickhouse_and_the_log_is_found() {
    let (files, folder) = (Files::filled().await, tempfile::tempdir().unwrap());
    let world = &files.world;
    let tables = Tables(Analytics::embedded(&find_library(), folder.path()).unwrap());
    // A batch that is reported again counts once.
    for number in [1, 2, 1] {
        world.append(batch(world, number, 10)).await;
    }
    tables.feed(world, 60, 2).await;
    let report = tables.verify(world).await;
    assert!(report.clean, "{:#?}", report.findings);
    let rows = |table| report.clickhouse.iter().filter(|part| part.table == table).map(|part| part.rows).sum::<u64>();
    assert_eq!((rows("events"), rows("run_metrics")), (60, 20));

    tables.run("SYSTEM STOP MERGES events").await;
    let twice = "INSERT INTO events SELECT * FROM events WHERE partition = 0 AND position = 1";
    assert_eq!(tables.found(world, twice).await, ["clickhouse_doubled"]);
    tables.run("SYSTEM START MERGES events").await;
    tables.run("OPTIMIZE TABLE events FINAL").await;

    let another = "INSERT INTO events SELECT * REPLACE (toUUID('01980000-0000-7000-8000-000000000001') AS event_id) \
        FROM events WHERE partition = 0 AND position = 2";
    assert_eq!(tables.found(world, another).await, ["clickhouse_differs", "clickhouse_doubled"]);
    let missing = "ALTER TABLE events DELETE WHERE partition = 0 AND position = 2 SETTINGS mutations_sync = 2";
    assert_eq!(tables.found(world, missing).await, ["clickhouse_missing"]);
    let extra = "INSERT INTO events SELECT * REPLACE (toUInt64(999) AS position) \
        FROM (SELECT * FROM events WHERE partition = 1 AND position = 1)";
    assert_eq!(tables.found(world, extra).await, ["clickhouse_extra", "clickhouse_missing"]);
    let point = "ALTER TABLE run_metrics DELETE WHERE step = 3 AND batch_id = toUUID('00000000-0000-0000-0000-000000000002') \
        SETTINGS mutations_sync = 2";
    assert_eq!(tables.found(world, point).await, ["clickhouse_extra", "clickhouse_missing", "metrics_differ"]);
    tables.0.close().await.unwrap();
}
