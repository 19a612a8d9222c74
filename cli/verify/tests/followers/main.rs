//! What follows the log beside the read models: the archive, and ClickHouse, which is there once per process.

#![allow(clippy::unwrap_used, clippy::expect_used, dead_code, reason = "tests; not every test uses every part of the world")]

#[path = "../plants/commands.rs"]
mod commands;
#[path = "../embedded/files.rs"]
mod files;
mod tables;
#[path = "../plants/world.rs"]
mod world;

use consumer_archive::{Archiver, Roll};
use files::Files;
use log::Source;
use objects::Objects;
use service::Lifecycle;
use std::{fs, path::PathBuf, time::Duration};
use swarmlog_verify::{Options, Report, Sources, verify};
use world::codes;

/// A world whose events are archived.
struct Archived {
    files: Files,
    objects: Objects,
    folder: tempfile::TempDir,
}

impl Archived {
    async fn filled() -> Self {
        let (files, folder) = (Files::filled().await, tempfile::tempdir().unwrap());
        let objects = Objects::directory(folder.path()).unwrap();
        let life = Lifecycle::new();
        let roll = Roll { age: Duration::ZERO, ..Roll::default() };
        let archiver = Archiver { log: files.world.log.clone(), objects: objects.clone(), roll };
        life.spawn("archive", archiver.run(life.clone()));
        let archived = Self { files, objects, folder };
        let whole = async {
            while archived.verify().await.archive.is_none_or(|archive| archive.records < 60) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), whole).await.unwrap();
        life.shutdown().cancel();
        life.finished().await.unwrap();
        archived
    }

    async fn verify(&self) -> Report {
        let sources = Sources { objects: Some(self.objects.clone()), ..self.files.world.checked() };
        verify(sources, &Options::default(), &|_| {}).await.unwrap()
    }

    /// The first file of a partition.
    fn file(&self, partition: u32) -> PathBuf {
        let source = Source { topic: "work.events".into(), partition };
        self.folder.path().join(consumer_archive::file_name(self.files.world.log.timeline().0, &source, 1))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_whole_archive_is_clean() {
    let report = Archived::filled().await.verify().await;
    assert!(report.clean, "{:#?}", report.findings);
    assert_eq!(report.archive.unwrap().records, 60);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_with_another_byte_is_found() {
    let archived = Archived::filled().await;
    let mut bytes = fs::read(archived.file(1)).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(archived.file(1), bytes).unwrap();
    let report = archived.verify().await;
    assert_eq!(codes(&report), ["archive_damaged"], "{:#?}", report.findings);
    let name = archived.file(1);
    let named = report.findings[0].place.key.as_ref().unwrap();
    assert!(name.ends_with(named), "{named}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_gone_is_found() {
    let archived = Archived::filled().await;
    fs::remove_file(archived.file(0)).unwrap();
    let report = archived.verify().await;
    assert_eq!(codes(&report), ["archive_damaged"], "{:#?}", report.findings);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_has_lost_its_end_is_found_by_what_has_seen_more() {
    let Archived { files, objects, folder } = Archived::filled().await;
    let end = files.world.log.end(&files.world.sources("work.events")[0]).await.unwrap();
    let topic = "(SELECT id FROM topics WHERE name = 'work.events')";
    let files = files
        .cut(|log| {
            let id: i64 = log.query_row(topic.trim_matches(['(', ')']), [], |row| row.get(0)).unwrap();
            log.execute(&format!("DELETE FROM records_{id}_0 WHERE \"offset\" = {}", end - 1), []).unwrap();
        })
        .await;
    let report = Archived { files, objects, folder }.verify().await;
    for code in ["archive_beyond_log", "position_beyond_log"] {
        assert!(codes(&report).contains(&code), "{:#?}", report.findings);
    }
}
