//! Nothing that is changed in the archive goes unnoticed, and what is merely unfinished is finished.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use service::Status;
use std::{fs, path::PathBuf};
use support::*;
use swarmlog_consumer_archive::{ArchiveError, Roll, file_name, files, records, sidecar_name, verify};
use tempfile::TempDir;

/// Three files of one partition: positions 1 to 10, 11 to 20 and 21 to 25.
async fn archived() -> (TempDir, std::sync::Arc<Scripted>, objects::Objects) {
    let home = TempDir::new().unwrap();
    let (log, objects) = (Scripted::new(1), directory(home.path()));
    log.fill_to(0, 25);
    Running::start(&log, &objects, Roll { records: 10, bytes: 8 << 20, age: PATIENT }).stop().await;
    assert_eq!(read_back(&log, &objects, 0).await.1, [10, 10, 5]);
    (home, log, objects)
}

fn path(home: &TempDir, name: &str) -> PathBuf {
    home.path().join("objects").join(name)
}

fn second() -> String {
    file_name(TIMELINE, &source(0), 11)
}

#[tokio::test]
async fn every_flipped_bit_of_a_sealed_file_is_found_and_the_file_named() {
    let (home, _, objects) = archived().await;
    let file = path(&home, &second());
    let good = fs::read(&file).unwrap();
    let sealed = files(&objects, TIMELINE, &source(0)).await.unwrap();
    for place in (0..good.len()).step_by(7) {
        let mut bad = good.clone();
        bad[place] ^= 1 << (place % 8);
        fs::write(&file, &bad).unwrap();
        let report = verify(&objects, TIMELINE).await.unwrap();
        assert_eq!(report.flaws.len(), 1, "byte {place}: {report:?}");
        assert_eq!(report.flaws[0].file, second());
        assert!(report.flaws[0].position.is_some_and(|position| (11..=20).contains(&position)), "{report:?}");
        assert_eq!((report.files, report.ends[&source(0).to_string()]), (2, 10));
        let read = records(&objects, &sealed[1]).await;
        assert!(matches!(&read, Err(ArchiveError::Damaged(flaw)) if flaw.file == second()), "byte {place}: {read:?}");
    }
    fs::write(&file, &good).unwrap();
    assert!(verify(&objects, TIMELINE).await.unwrap().is_sound());
}

#[tokio::test]
async fn a_flipped_bit_of_a_file_without_sidecar_is_found_too() {
    let (home, log, objects) = archived().await;
    let last = file_name(TIMELINE, &source(0), 21);
    let (file, sidecar) = (path(&home, &last), path(&home, &sidecar_name(&last)));
    fs::remove_file(&sidecar).unwrap();
    let good = fs::read(&file).unwrap();
    let mut harmless = 0;
    for place in (0..good.len()).step_by(5) {
        let mut bad = good.clone();
        bad[place] ^= 1 << (place % 8);
        fs::write(&file, &bad).unwrap();
        let report = verify(&objects, TIMELINE).await.unwrap();
        if report.is_sound() {
            // A bit without meaning, such as an unused one of a zstd frame: the records are all there.
            harmless += 1;
            assert_eq!(report.records, 25);
        } else {
            assert_eq!(report.flaws[0].file, last);
        }
    }
    assert!(harmless <= 2, "{harmless} flips were not noticed");
    // The archiver refuses to seal such a file, and says why.
    let mut bad = good.clone();
    bad[good.len() - 30] ^= 1;
    fs::write(&file, &bad).unwrap();
    let archiver = Running::start(&log, &objects, Roll::default());
    eventually("it says so", || async { matches!(archiver.status(), Status::Failing(why) if why.contains(&last)) }).await;
    archiver.stop().await;
    assert!(!sidecar.exists());
}

#[tokio::test]
async fn a_truncated_file_is_found() {
    let (home, _, objects) = archived().await;
    let file = path(&home, &second());
    let good = fs::read(&file).unwrap();
    for length in (0..good.len()).step_by(11) {
        fs::write(&file, &good[..length]).unwrap();
        let report = verify(&objects, TIMELINE).await.unwrap();
        assert_eq!(report.flaws.iter().map(|flaw| flaw.file.clone()).collect::<Vec<_>>(), [second()], "{length} bytes");
    }
    // Without its sidecar as well.
    fs::remove_file(path(&home, &sidecar_name(&second()))).unwrap();
    for length in (0..good.len()).step_by(11) {
        fs::write(&file, &good[..length]).unwrap();
        let report = verify(&objects, TIMELINE).await.unwrap();
        assert_eq!(report.flaws[0].file, second(), "{length} bytes");
    }
}

#[tokio::test]
async fn missing_sidecars_are_written_at_the_next_start() {
    let (home, log, objects) = archived().await;
    let names = [1, 11, 21].map(|first| sidecar_name(&file_name(TIMELINE, &source(0), first)));
    let good = names.clone().map(|name| fs::read(path(&home, &name)).unwrap());
    for name in &names {
        fs::remove_file(path(&home, name)).unwrap();
    }
    let report = verify(&objects, TIMELINE).await.unwrap();
    assert_eq!(report.flaws.len(), 2, "the last may lack one: {report:?}");
    assert_eq!(report.unsealed, [file_name(TIMELINE, &source(0), 21)]);
    Running::start(&log, &objects, Roll::default()).stop().await;
    assert_eq!(names.map(|name| fs::read(path(&home, &name)).unwrap()), good);
    let report = verify(&objects, TIMELINE).await.unwrap();
    assert!(report.is_sound() && report.unsealed.is_empty(), "{report:?}");
}

#[tokio::test]
async fn a_missing_file_and_a_changed_sidecar_are_found() {
    let (home, log, objects) = archived().await;
    let (file, sidecar) = (path(&home, &second()), path(&home, &sidecar_name(&second())));
    let (good_file, good_sidecar) = (fs::read(&file).unwrap(), fs::read_to_string(&sidecar).unwrap());

    fs::remove_file(&file).unwrap();
    let report = verify(&objects, TIMELINE).await.unwrap();
    assert!(report.flaws.iter().any(|flaw| flaw.file == second() && flaw.position == Some(11)), "{report:?}");
    assert_eq!(report.ends[&source(0).to_string()], 10);
    assert!(matches!(files(&objects, TIMELINE, &source(0)).await, Err(ArchiveError::Damaged(_))));
    fs::write(&file, &good_file).unwrap();

    for (from, to) in
        [("\"last\": 20", "\"last\": 19"), ("\"count\": 10", "\"count\": 11"), ("\"first\": 11", "\"first\": 12"), ("{", "")]
    {
        let bad = good_sidecar.replacen(from, to, 1);
        assert_ne!(bad, good_sidecar);
        fs::write(&sidecar, bad).unwrap();
        let report = verify(&objects, TIMELINE).await.unwrap();
        assert!(!report.is_sound(), "{to}");
        assert!(report.flaws.iter().any(|flaw| flaw.file == second() || flaw.file == sidecar_name(&second())), "{report:?}");
    }
    fs::write(&sidecar, &good_sidecar).unwrap();

    // A sidecar that outlived its file is not taken for that of another.
    let last = file_name(TIMELINE, &source(0), 21);
    fs::remove_file(path(&home, &last)).unwrap();
    log.fill_to(0, 40);
    let archiver = Running::start(&log, &objects, Roll { records: 10, bytes: 8 << 20, age: PATIENT });
    eventually("it says so", || async { matches!(archiver.status(), Status::Failing(why) if why.contains("another file")) })
        .await;
    archiver.stop().await;
}

#[tokio::test]
async fn a_foreign_object_among_the_files_is_named() {
    let (home, _, objects) = archived().await;
    fs::write(path(&home, &second()).with_file_name("notes.txt"), b"hello").unwrap();
    let report = verify(&objects, TIMELINE).await.unwrap();
    assert_eq!(report.flaws.len(), 1);
    assert!(report.flaws[0].to_string().contains("notes.txt"), "{report:?}");
}

#[tokio::test]
async fn an_archive_of_nothing_is_sound() {
    let home = TempDir::new().unwrap();
    assert!(verify(&directory(home.path()), TIMELINE).await.unwrap().is_sound());
}
