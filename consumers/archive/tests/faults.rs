//! An object store that fails, and a process that is killed.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use async_trait::async_trait;
use futures::stream::BoxStream;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions, PutOptions,
    PutPayload, PutResult, Result, memory::InMemory, path::Path,
};
use objects::Objects;
use rand::{Rng, SeedableRng, rngs::StdRng};
use service::Status;
use std::{
    env, fmt, fs,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use support::*;
use swarmlog_consumer_archive::{Roll, files, verify};
use tempfile::TempDir;

/// A store that fails before or after it has done what it was asked to.
#[derive(Debug)]
struct Flaky {
    inner: InMemory,
    random: Mutex<StdRng>,
    is_well: AtomicBool,
    failures: AtomicU64,
}

impl Flaky {
    fn fails(&self) -> bool {
        let fails = !self.is_well.load(Ordering::Relaxed) && self.random.lock().unwrap().random_bool(0.25);
        self.failures.fetch_add(u64::from(fails), Ordering::Relaxed);
        fails
    }

    fn error(&self) -> object_store::Error {
        object_store::Error::Generic { store: "flaky", source: "the line is down".into() }
    }
}

impl fmt::Display for Flaky {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("flaky")
    }
}

#[async_trait]
impl ObjectStore for Flaky {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        if self.fails() {
            return Err(self.error());
        }
        let answer = self.inner.put_opts(location, payload, options).await;
        // Done, and the answer is lost.
        if self.fails() { Err(self.error()) } else { answer }
    }

    async fn put_multipart_opts(&self, location: &Path, options: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        if self.fails() { Err(self.error()) } else { self.inner.get_opts(location, options).await }
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

#[tokio::test]
async fn a_store_that_fails_and_loses_answers_gets_every_record_once() {
    let store = Arc::new(Flaky {
        inner: InMemory::new(),
        random: Mutex::new(StdRng::seed_from_u64(22)),
        is_well: AtomicBool::new(false),
        failures: AtomicU64::new(0),
    });
    let objects = Objects::over(store.clone());
    let log = Scripted::new(1);
    log.fill_to(0, 60);
    let archiver = Running::start(&log, &objects, Roll { records: 10, bytes: 8 << 20, age: PATIENT });
    eventually("it has met failures and says so", || async {
        store.failures.load(Ordering::Relaxed) >= 3 || matches!(archiver.status(), Status::Degraded(_))
    })
    .await;
    store.is_well.store(true, Ordering::Relaxed);
    eventually("all is archived", || async { read_back(&log, &objects, 0).await.0.len() == 60 }).await;
    eventually("it is well again", || async { archiver.status() == Status::Ready }).await;
    archiver.stop().await;
    assert_eq!(read_back(&log, &objects, 0).await.1, [10; 6]);
    assert!(verify(&objects, TIMELINE).await.unwrap().is_sound());
}

const KILLS: u64 = 10;
const RECORDS: u64 = 3_000;
const CHILD: &str = "ARCHIVE_TEST_CHILD";

fn killed_log() -> Arc<Scripted> {
    let log = Scripted::new(2);
    log.fill_to(0, RECORDS);
    log.fill_to(1, RECORDS);
    log
}

/// Not a test of its own: the process that the next test kills.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    let Some(home) = env::var_os(CHILD) else { return };
    let log = killed_log();
    let _running = Running::start(&log, &directory(&PathBuf::from(home)), Roll { records: 10, bytes: 8 << 20, age: PATIENT });
    std::future::pending::<()>().await;
}

/// A process that does not outlive its test.
struct Killed(Child);

impl Killed {
    fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Killed {
    fn drop(&mut self) {
        self.kill();
    }
}

fn start_child(home: &std::path::Path) -> Killed {
    let child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture"])
        .env(CHILD, home)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    Killed(child)
}

/// What the folder of a partition has: unfinished files, files, sidecars.
fn count(home: &std::path::Path, partition: u32) -> (u64, u64, u64) {
    let folder = home.join("objects").join(swarmlog_consumer_archive::folder(TIMELINE, &source(partition)));
    let mut counts = (0, 0, 0);
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        match (name.contains('#'), name.ends_with(".avro")) {
            (true, _) => counts.0 += 1,
            (false, true) => counts.1 += 1,
            (false, false) => counts.2 += 1,
        }
    }
    counts
}

#[tokio::test]
async fn an_archiver_that_is_killed_in_mid_file_leaves_only_whole_files_that_tile() {
    let home = TempDir::new().unwrap();
    let (log, objects) = (killed_log(), directory(home.path()));
    let (mut unfinished, mut unsealed) = (0, 0);
    let mut random = StdRng::seed_from_u64(23);
    for kill in 0..KILLS {
        let before = count(home.path(), 0);
        let wanted = before.1 + random.random_range(2..15);
        let mut child = start_child(home.path());
        let until = Instant::now() + Duration::from_secs(60);
        // Kills in the middle of something new: a file that is being written, or that has no sidecar yet.
        loop {
            let now = count(home.path(), 0);
            let in_the_middle = if kill % 2 == 0 { now.0 > before.0 } else { now.1 > now.2 };
            if now.1 >= wanted && in_the_middle {
                break;
            }
            assert!(now.1 < RECORDS / 10, "the child was done before it was killed");
            assert!(Instant::now() < until, "the child does not get on: {now:?}");
        }
        child.kill();

        let after = count(home.path(), 0);
        unfinished += u64::from(after.0 > before.0);
        let report = verify(&objects, TIMELINE).await.unwrap();
        assert!(report.is_sound(), "kill {kill}: {report:?}");
        unsealed += report.unsealed.len();
        let (positions, _) = read_back(&log, &objects, 0).await;
        assert_eq!(positions, (1..=positions.len() as u64).collect::<Vec<u64>>());
    }
    println!("{KILLS} kills: {unfinished} left an unfinished file, {unsealed} files were left without sidecar");
    assert!(unfinished + unsealed as u64 > 0, "no kill came in the middle of a file");

    // Whoever comes next finishes the work.
    let archiver = Running::start(&log, &objects, Roll { records: 500, bytes: 8 << 20, age: Duration::from_millis(10) });
    for partition in [0, 1] {
        eventually("all is archived", || async {
            let archived = files(&objects, TIMELINE, &source(partition)).await.unwrap_or_default();
            archived.last().is_some_and(|file| file.sidecar.last == RECORDS)
        })
        .await;
    }
    archiver.stop().await;
    assert_eq!(read_back(&log, &objects, 0).await.0, (1..=RECORDS).collect::<Vec<u64>>());
    assert_eq!(read_back(&log, &objects, 1).await.0, (1..=RECORDS).collect::<Vec<u64>>());
    let report = verify(&objects, TIMELINE).await.unwrap();
    assert!(report.is_sound() && report.unsealed.is_empty(), "{report:?}");
}
