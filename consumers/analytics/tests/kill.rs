//! Kill -9 in mid-insert, ten times: no event lost, none doubled.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod world;

use log::Log;
use service::Lifecycle;
use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::{Duration, SystemTime},
};
use swarmlog_consumer_analytics::run;
use world::{append_events, eventually, number, source};

/// Names the folder to a child.
const FOLDER: &str = "SWARMLOG_TEST_KILL_FOLDER";
const PARTITIONS: u32 = 2;
const KILLS: u64 = 10;
/// Events that come in while a child lives, per partition.
const WAVES: u64 = 40;
const WAVE: u64 = 400;

#[test]
fn a_killed_process_loses_and_doubles_nothing() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    if let Some(folder) = std::env::var_os(FOLDER) {
        runtime.block_on(child(&PathBuf::from(folder)));
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let seed = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().subsec_nanos();
    let mut random = u64::from(seed) | 1;
    for kill in 0..KILLS {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let lines = 1 + (random >> 33) % 20;
        let delay = Duration::from_micros((random >> 20) % 60_000);
        kill_child_after(folder.path(), lines, delay);
        println!("kill {kill}: seed {seed}, {lines} waves and {delay:?}");
    }
    runtime.block_on(async {
        let log = world::log(&folder.path().join("log"), PARTITIONS).await;
        let analytics = world::analytics(&folder.path().join("analytics"));
        let mut expected = 0;
        for partition in 0..PARTITIONS {
            expected += log.end(&source("work.events", partition)).await.unwrap();
        }
        let before = number(&analytics, "SELECT count() FROM events").await;
        println!("{before} of {expected} events were stored by killed processes");
        assert!(before > 0, "the kills came before any insert");
        let lifecycle = Lifecycle::new();
        let running = tokio::spawn(run(log.clone(), analytics.clone(), lifecycle.clone()));
        // Counted without FINAL: not even hidden doubles.
        eventually(&analytics, "SELECT count() FROM events", expected).await;
        lifecycle.shutdown().cancel();
        running.await.unwrap().unwrap();
        assert_eq!(number(&analytics, "SELECT count() FROM events").await, expected);
        assert_eq!(number(&analytics, "SELECT uniqExact(partition, position) FROM events").await, expected);
        let ends = "SELECT sum(last) FROM (SELECT max(position) AS last FROM events GROUP BY partition)";
        assert_eq!(number(&analytics, ends).await, expected);
        analytics.close().await.unwrap();
        log.close().await.unwrap();
    });
}

/// Feeds the store while events come in, and says a line for each wave.
async fn child(folder: &Path) {
    let log = world::log(&folder.join("log"), PARTITIONS).await;
    let analytics = world::analytics(&folder.join("analytics"));
    let feeding = tokio::spawn(run(log.clone(), analytics, Lifecycle::new()));
    // Room for the feed on two cores.
    let mut pace = tokio::time::interval(Duration::from_millis(20));
    for _ in 0..WAVES {
        pace.tick().await;
        for partition in 0..PARTITIONS {
            let source = source("work.events", partition);
            let end = log.end(&source).await.unwrap();
            append_events(&*log, &source, end + 1, end + WAVE).await;
        }
        println!("wave");
    }
    feeding.await.unwrap().unwrap();
}

fn kill_child_after(folder: &Path, lines: u64, delay: Duration) {
    let mut child = Killed(
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "a_killed_process_loses_and_doubles_nothing", "--nocapture"])
            .env(FOLDER, folder)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let output = BufReader::new(child.0.stdout.take().unwrap());
    let (said, heard) = mpsc::channel();
    std::thread::spawn(move || {
        for line in output.lines().map_while(Result::ok).filter(|line| line.contains("wave")) {
            // The parent no longer listens once it has heard enough.
            let _ = said.send(line);
        }
    });
    for _ in 0..lines {
        heard.recv_timeout(Duration::from_secs(60)).expect("the child appends events");
    }
    // The moment of the kill is what varies.
    let moment = std::time::Instant::now() + delay;
    while heard.recv_timeout(moment.saturating_duration_since(std::time::Instant::now())).is_ok() {}
    assert!(child.0.try_wait().unwrap().is_none(), "the child ended by itself");
}

/// A process that is killed at the end of its scope.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}
