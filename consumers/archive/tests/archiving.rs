//! The archive holds exactly what the log holds, whatever happens to its writer.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use log::{Append, Durability, Log, sqlite::SqliteLog};
use rand::{Rng, SeedableRng, rngs::StdRng};
use service::Status;
use std::{sync::Arc, time::Duration};
use support::*;
use swarmlog_consumer_archive::{Archiver, Roll, file_name, files, records, run, sidecar_name, verify};
use tempfile::TempDir;

fn roll(records: usize) -> Roll {
    Roll { records, bytes: 8 << 20, age: PATIENT }
}

#[tokio::test]
async fn a_shutdown_writes_what_waits_and_a_start_goes_on() {
    let home = TempDir::new().unwrap();
    let (log, objects) = (Scripted::new(2), directory(home.path()));
    log.fill_to(0, 25);
    log.fill_to(1, 3);
    for upto in [25, 26, 40] {
        log.fill_to(0, upto);
        Running::start(&log, &objects, roll(10)).stop().await;
    }
    let (positions, sizes) = read_back(&log, &objects, 0).await;
    assert_eq!(positions, (1..=40).collect::<Vec<u64>>());
    assert_eq!(sizes, [10, 10, 5, 1, 10, 4]);
    assert_eq!(read_back(&log, &objects, 1).await, (vec![1, 2, 3], vec![3]));

    let report = verify(&objects, TIMELINE).await.unwrap();
    assert!(report.is_sound(), "{report:?}");
    assert_eq!((report.files, report.records), (7, 43));
    assert_eq!(report.ends[&source(0).to_string()], 40);
}

#[tokio::test]
async fn files_tile_across_restarts_at_random_points() {
    let mut random = StdRng::seed_from_u64(24);
    for round in 0..8 {
        let home = TempDir::new().unwrap();
        let (log, objects) = (Scripted::new(2), directory(home.path()));
        let mut end = 0;
        for _ in 0..6 {
            let archiver = Running::start(&log, &objects, roll(random.random_range(1..20)));
            end += random.random_range(0..60);
            log.fill_to(0, end);
            log.fill_to(1, end / 3);
            // Sometimes at once, sometimes after a part or all of it.
            let wanted = random.random_range(0..=end);
            eventually("a part is archived or waits", || async {
                let archived = files(&objects, TIMELINE, &source(0)).await.unwrap_or_default();
                archived.last().map_or(0, |file| file.sidecar.last) + 20 >= wanted
            })
            .await;
            archiver.stop().await;
        }
        Running::start(&log, &objects, roll(7)).stop().await;
        let (positions, _) = read_back(&log, &objects, 0).await;
        assert_eq!(positions, (1..=end).collect::<Vec<u64>>(), "round {round}");
        assert!(verify(&objects, TIMELINE).await.unwrap().is_sound());
    }
}

#[tokio::test]
async fn a_file_is_closed_by_size_and_by_age_too() {
    let home = TempDir::new().unwrap();
    let (log, objects) = (Scripted::new(1), directory(home.path()));
    log.fill_to(0, 10);
    let by_size = Running::start(&log, &objects, Roll { records: 1_000, bytes: 1, age: PATIENT });
    eventually("ten files", || async { files(&objects, TIMELINE, &source(0)).await.unwrap().len() == 10 }).await;
    by_size.stop().await;
    let by_age = Running::start(&log, &objects, Roll { records: 1_000, bytes: 8 << 20, age: Duration::from_millis(50) });
    log.fill_to(0, 13);
    eventually("all of it", || async { read_back(&log, &objects, 0).await.0.len() == 13 }).await;
    by_age.stop().await;
}

#[tokio::test]
async fn the_default_archiver_runs_until_the_shutdown() {
    let home = TempDir::new().unwrap();
    let (log, objects) = (Scripted::new(4), directory(home.path()));
    log.fill_to(3, 2_500);
    let lifecycle = service::Lifecycle::new();
    lifecycle.spawn("archive", run(log.clone(), objects.clone(), lifecycle.clone()));
    eventually("it is ready", || async { lifecycle.health().is_ready() && !lifecycle.health().statuses().is_empty() }).await;
    assert_eq!(lifecycle.finished().await, Ok(()));
    // Three reads of the log, one file.
    assert_eq!(read_back(&log, &objects, 3).await.1, [2_500]);
}

#[tokio::test]
async fn unreadable_records_are_kept_whether_the_writer_numbered_them_or_not() {
    let home = TempDir::new().unwrap();
    let (log, objects) = (Scripted::new(1), directory(home.path()));
    log.push(0, garbage()); // slipped in before the first
    log.push(0, numbered(0, 1));
    log.push(0, garbage()); // 2, damaged
    log.push(0, numbered(0, 3));
    log.push(0, garbage()); // slipped in
    log.push(0, garbage());
    log.push(0, numbered(0, 4));
    log.push(0, garbage()); // waits for the next
    let archiver = Running::start(&log, &objects, roll(3));
    eventually("the first file", || async { !files(&objects, TIMELINE, &source(0)).await.unwrap().is_empty() }).await;
    archiver.stop().await;
    assert_eq!(read_back(&log, &objects, 0).await.0, [0, 1, 2, 3, 3, 3, 4]);
    log.push(0, numbered(0, 6));
    let archiver = Running::start(&log, &objects, roll(2));
    eventually("the last file", || async { read_back(&log, &objects, 0).await.0.len() == 9 }).await;
    archiver.stop().await;
    assert_eq!(read_back(&log, &objects, 0).await.0, [0, 1, 2, 3, 3, 3, 4, 5, 6]);
    assert!(verify(&objects, TIMELINE).await.unwrap().is_sound());
}

#[tokio::test]
async fn a_hole_or_a_double_is_never_archived_and_is_said() {
    for (next, word) in [(12, "missing"), (10, "again")] {
        let home = TempDir::new().unwrap();
        let (log, objects) = (Scripted::new(2), directory(home.path()));
        log.fill_to(0, 10);
        log.push(0, numbered(0, next));
        log.fill_to(1, 5);
        let archiver = Running::start(&log, &objects, roll(5));
        eventually("it says so", || async { matches!(archiver.status(), Status::Failing(why) if why.contains(word)) }).await;
        eventually("the other goes on", || async { files(&objects, TIMELINE, &source(1)).await.unwrap().len() == 1 }).await;
        archiver.stop().await;
        assert_eq!(read_back(&log, &objects, 0).await.0, (1..=10).collect::<Vec<u64>>());
    }
}

#[tokio::test]
async fn two_archivers_of_one_log_make_one_archive() {
    let home = TempDir::new().unwrap();
    let (log, objects) = (Scripted::new(1), directory(home.path()));
    let (one, two) = (Running::start(&log, &objects, roll(7)), Running::start(&log, &objects, roll(11)));
    for end in (20..=400).step_by(20) {
        log.fill_to(0, end);
        eventually("it is archived", || async {
            let archived = files(&objects, TIMELINE, &source(0)).await.unwrap_or_default();
            archived.last().map_or(0, |file| file.sidecar.last) + 11 > end
        })
        .await;
    }
    one.stop().await;
    two.stop().await;
    let (positions, _) = read_back(&log, &objects, 0).await;
    assert_eq!(positions, (1..=400).collect::<Vec<u64>>());
    assert!(verify(&objects, TIMELINE).await.unwrap().is_sound());
}

#[tokio::test]
async fn another_log_of_the_same_timeline_is_noticed() {
    let home = TempDir::new().unwrap();
    let (log, other, objects) = (Scripted::new(1), Scripted::new(1), directory(home.path()));
    let ours = Running::start(&log, &objects, roll(20));
    eventually("ours follows", || async { ours.status() == Status::Ready }).await;
    log.fill_to(0, 10);
    other.fill_to(0, 15);
    other.rewrite(0, |records| records[12].payload = "something else".into());
    Running::start(&other, &objects, roll(20)).stop().await;
    // Ours has enough for a file now, and finds another one in its place.
    log.fill_to(0, 20);
    eventually("ours says so", || async { matches!(ours.status(), Status::Failing(why) if why.contains("position 13")) }).await;
    ours.stop().await;
    assert_eq!(files(&objects, TIMELINE, &source(0)).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_log_that_was_taken_back_is_not_archived_under_the_same_timeline() {
    let home = TempDir::new().unwrap();
    let (log, objects) = (Scripted::new(1), directory(home.path()));
    log.fill_to(0, 30);
    Running::start(&log, &objects, roll(10)).stop().await;
    log.rewrite(0, |records| records.truncate(25));
    let archiver = Running::start(&log, &objects, roll(10));
    eventually("it says so", || async { matches!(archiver.status(), Status::Failing(why) if why.contains("timeline")) }).await;
    archiver.stop().await;
}

#[tokio::test]
async fn changed_offsets_are_found_by_position() {
    let home = TempDir::new().unwrap();
    let (log, objects) = (Scripted::new(1), directory(home.path()));
    log.fill_to(0, 30);
    Running::start(&log, &objects, roll(10)).stop().await;
    // The same records in a log that was filled anew.
    log.rewrite(0, |records| records.iter_mut().for_each(|record| record.offset += 1_000_001));
    log.fill_to(0, 35);
    let archiver = Running::start(&log, &objects, roll(5));
    eventually("the rest is archived", || async {
        files(&objects, TIMELINE, &source(0)).await.unwrap().last().map(|file| file.sidecar.last) == Some(35)
    })
    .await;
    archiver.stop().await;
    assert!(verify(&objects, TIMELINE).await.unwrap().is_sound());
}

#[tokio::test]
async fn any_avro_reader_reads_the_files() {
    let home = TempDir::new().unwrap();
    let (log, objects) = (Scripted::new(1), directory(home.path()));
    log.fill_to(0, 3_000);
    Archiver { log: log.clone(), objects: objects.clone(), roll: roll(3_000) }.once(&objects).await;
    let file = objects.get(&file_name(TIMELINE, &source(0), 1)).await.unwrap().unwrap();
    let reader = apache_avro::Reader::new(&file[..]).unwrap();
    assert_eq!(reader.user_metadata()["swarmlog.topic"], TOPIC.as_bytes());
    let mut count = 0;
    for (value, original) in reader.zip(log.of(0)) {
        let apache_avro::types::Value::Record(fields) = value.unwrap() else { panic!("not a record") };
        let expected = [
            ("position", apache_avro::types::Value::Long(count + 1)),
            ("offset", apache_avro::types::Value::Long(original.offset as i64)),
            ("time", apache_avro::types::Value::TimestampMicros(original.time)),
            ("key", apache_avro::types::Value::Bytes(original.key.to_vec())),
            ("envelope", apache_avro::types::Value::Bytes(original.envelope.to_vec())),
            ("payload", apache_avro::types::Value::Bytes(original.payload.to_vec())),
        ];
        assert_eq!(fields, expected.map(|(name, value)| (name.to_owned(), value)));
        count += 1;
    }
    assert_eq!(count, 3_000);
    assert!(objects.get(&sidecar_name(&file_name(TIMELINE, &source(0), 1))).await.unwrap().is_some());
}

trait Once {
    async fn once(self, objects: &objects::Objects);
}

impl Once for Archiver {
    /// Runs until there is a file.
    async fn once(self, objects: &objects::Objects) {
        let lifecycle = service::Lifecycle::new();
        let task = tokio::spawn(self.run(lifecycle.clone()));
        eventually("a file", || async { !files(objects, TIMELINE, &source(0)).await.unwrap().is_empty() }).await;
        lifecycle.shutdown().cancel();
        task.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn the_same_records_make_the_same_bytes() {
    let (one, two) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let log = Scripted::new(1);
    log.fill_to(0, 50);
    let mut files = Vec::new();
    for home in [one, two] {
        let objects = directory(home.path());
        Archiver { log: Arc::clone(&log) as _, objects: objects.clone(), roll: roll(50) }.once(&objects).await;
        files.push(objects.get(&file_name(TIMELINE, &source(0), 1)).await.unwrap().unwrap());
    }
    assert_eq!(files[0], files[1]);
}

#[tokio::test]
async fn the_embedded_log_is_archived_across_restarts() {
    let home = TempDir::new().unwrap();
    let objects = directory(home.path());
    let mut expected = Vec::new();
    let mut timeline = None;
    for round in 0..3 {
        let log = Arc::new(SqliteLog::open(home.path(), 2).unwrap());
        timeline = Some(log.timeline().0);
        log.create_topics(&[TOPIC]).await.unwrap();
        let appends = (round * 30 + 1..=round * 30 + 30).map(|position| {
            let (envelope, payload) = numbered(1, position);
            Append { source: source(1), key: "default/job/1".into(), envelope, payload, time: position as i64 }
        });
        log.append(appends.collect(), Durability::Durable).await.unwrap();
        let lifecycle = service::Lifecycle::new();
        let archiver = Archiver { log: log.clone(), objects: objects.clone(), roll: roll(20) };
        lifecycle.spawn("archive", archiver.run(lifecycle.clone()));
        eventually("it is ready", || async { lifecycle.health().statuses().iter().any(|(_, status)| *status == Status::Ready) })
            .await;
        assert_eq!(lifecycle.finished().await, Ok(()));
        expected = log.read(&source(1), 0, 1_000).await.unwrap();
    }
    let timeline = timeline.unwrap();
    assert!(verify(&objects, timeline).await.unwrap().is_sound());
    let mut archived = Vec::new();
    for file in files(&objects, timeline, &source(1)).await.unwrap() {
        archived.extend(records(&objects, &file).await.unwrap());
    }
    assert_eq!(archived.iter().map(|record| record.position).collect::<Vec<_>>(), (1..=90).collect::<Vec<_>>());
    let parts = archived.into_iter().map(|a| (a.offset, a.time, a.key, a.envelope, a.payload));
    assert!(parts.eq(expected.into_iter().map(|r| (r.offset, r.time, r.key, r.envelope, r.payload))));
}
