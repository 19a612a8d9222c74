//! Row 30: the clock of the machine jumps.

use crate::{PAUSE, embedded};
use anyhow::{Context, Result, ensure};
use schemas::Stream;
use std::{fs, path::PathBuf};
use swarmlog_tests::{
    Setup, World,
    load::{Load, after_some, told_is_true},
    oracle,
    scenario::Run,
};

/// The library that tells a program another time; Debian puts it into a folder named after the processor.
fn libfaketime() -> Result<PathBuf> {
    let folders = fs::read_dir("/usr/lib")?.filter_map(|entry| Some(entry.ok()?.path().join("faketime/libfaketimeMT.so.1")));
    let mut found = folders.filter(|file| file.exists());
    found.next().context("libfaketime is missing: install it (Debian: apt-get install libfaketime)")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_an_hour_changes_no_order() -> Result<()> {
    let body = async |mut run: Run| {
        let folder = tempfile::tempdir()?;
        let clock = folder.path().join("clock");
        fs::write(&clock, "+0")?;
        let setup = Setup::without_analytics()
            .with("LD_PRELOAD", libfaketime()?.display().to_string())
            .with("FAKETIME_TIMESTAMP_FILE", clock.display().to_string())
            .with("FAKETIME_NO_CACHE", "1")
            // Waits are measured by the clock that never jumps.
            .with("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        let mut world = World::start_with(setup).await?;
        let load = Load::start_on(&[world.client()], 8, PAUSE);
        for attempt in 0..run.tries {
            after_some(&load, &mut run.rng).await?;
            let jump = if attempt % 2 == 0 { "+1h" } else { "-1h" };
            // The program must never see half of it.
            fs::write(folder.path().join("next"), jump)?;
            fs::rename(folder.path().join("next"), &clock)?;
            after_some(&load, &mut run.rng).await?;
        }
        let told = load.stop().await;
        world.settle_and_terminate().await?;
        let (truth, _) = oracle::check(world.data()).await?;
        told_is_true(&told, &truth)?;
        let times = truth.entries[&Stream::Events].iter().map(|entry| entry.envelope.recorded_at);
        let (first, last) = (times.clone().min().context("no event")?, times.max().context("no event")?);
        ensure!(last - first > 3_000_000_000, "the program did not see the clock jump: {first} to {last}");
        Ok(())
    };
    embedded(30, "clock jumps of one hour: order by seq, not by time", 4, 40).run(body).await
}
