//! Rows 15 and 26 to 28: disks that are full or broken, deaths in the middle of a write, two owners of one folder.

use crate::{PAUSE, embedded, servers};
use anyhow::{Context, Result, bail, ensure};
use rand::{Rng, seq::IndexedRandom};
use serde_json::json;
use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, SystemTime},
};
use swarmlog_tests::{
    BOUND, Client, Setup, Stage, World,
    load::{Load, Told, after_some, told_is_true},
    oracle,
    scenario::Run,
    world::eventually,
};
use tempfile::TempDir;

/// So long a program that ends on a full disk takes at most.
const ENDS: Duration = Duration::from_secs(10);
const FULL: &str = "disk full: writes refused, recovers by itself";

/// A small file system of its own.
struct SmallDisk {
    mounted: TempDir,
}

impl SmallDisk {
    /// Mounts one of so many MiB.
    fn mount(size: u32) -> Result<Self> {
        let mounted = TempDir::new()?;
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={size}m"), "tmpfs"]).arg(mounted.path());
        let output = mount.output().context("mount cannot be started (Debian: apt-get install mount)")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "a small file system cannot be mounted; run this as root: {said}");
        Ok(Self { mounted })
    }

    fn path(&self) -> &Path {
        self.mounted.path()
    }

    fn ballast(&self) -> PathBuf {
        self.path().join("ballast")
    }

    /// Writes until nothing more fits.
    fn fill(&self) -> Result<()> {
        let mut file = fs::File::options().create(true).append(true).open(self.ballast())?;
        for size in [1 << 16, 1 << 10, 1] {
            while file.write_all(&vec![7; size]).is_ok() {}
        }
        Ok(())
    }

    fn free(&self) -> Result<()> {
        Ok(fs::remove_file(self.ballast())?)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazy: what still has files open on it keeps it until it ends.
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

/// Waits until a command is refused, with the disk filled again whenever something was freed on it.
async fn refused(disk: &SmallDisk, client: &Client) -> Result<()> {
    let body = json!({ "queue": "full", "kind": "none" });
    eventually("commands are refused", || async {
        disk.fill()?;
        // A program that ended refuses, too.
        Ok(client.command("work.SubmitJob", "full", &body).await.map_or(true, |answer| answer.status == 503))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_on_a_full_disk_refuses_and_goes_on_once_there_is_room() -> Result<()> {
    let body = async |mut run: Run| {
        let disk = SmallDisk::mount(64)?;
        let mut world = World::start_in(TempDir::new_in(disk.path())?, Setup::without_analytics()).await?;
        let load = Load::start_on(&[world.client()], 4, 5 * PAUSE);
        for _ in 0..run.tries {
            after_some(&load, &mut run.rng).await?;
            refused(&disk, &world.client()).await?;
            disk.free()?;
            // Where consumers have seen what cannot be stored, the log ends its program; whoever looks after it starts it again.
            if let Ok(status) = world.ended(ENDS).await {
                ensure!(!status.success() && world.said().contains("full"), "it does not say why it ended: {}", world.said());
                world.restart().await?;
            }
            after_some(&load, &mut run.rng).await?;
        }
        let mut told = load.stop().await;
        told.insert("full".to_owned(), Told::Unknown);
        world.settle_and_terminate().await?;
        let (truth, _) = oracle::check(world.data()).await?;
        told_is_true(&told, &truth)
    };
    embedded(15, FULL, 2, 10).run(body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_on_a_full_disk_is_refused_for_and_work_goes_on_once_there_is_room() -> Result<()> {
    let body = async |mut run: Run| {
        let disk = SmallDisk::mount(400)?;
        let stage = Stage::start_in(disk.path().join("stage")).await?;
        let mut world = World::start_with(stage.direct()).await?;
        let load = Load::start_on(&[world.client()], 4, 5 * PAUSE);
        for _ in 0..run.tries {
            after_some(&load, &mut run.rng).await?;
            refused(&disk, &world.client()).await?;
            disk.free()?;
            // A broker whose only disk failed ends; whoever looks after it starts it again.
            if !stage.is_up() {
                stage.up().await?;
            }
            after_some(&load, &mut run.rng).await?;
        }
        let mut told = load.stop().await;
        told.insert("full".to_owned(), Told::Unknown);
        stage.compare(&told, &mut [&mut world]).await.map(drop)
    };
    servers(15, FULL, 1, 10).run(body).await
}

/// The tracer; its first arguments follow all threads and keep silent.
fn strace(arguments: &[String]) -> Result<Vec<String>> {
    let there = Command::new("strace").arg("-V").output().is_ok_and(|output| output.status.success());
    ensure!(there, "strace is missing: install it (Debian: apt-get install strace)");
    let first = ["strace", "-f", "-qq", "--seccomp-bpf"].map(str::to_owned);
    Ok(first.into_iter().chain(arguments.iter().cloned()).collect())
}

/// What a storage engine asks the kernel for.
const CALLS: [&str; 6] = ["pwrite64", "fdatasync", "write", "openat", "pread64", "fcntl"];

#[tokio::test(flavor = "multi_thread")]
async fn a_log_killed_at_any_system_call_keeps_what_was_acknowledged() -> Result<()> {
    let body = async |mut run: Run| {
        let mut world = World::start_with(Setup::without_analytics()).await?;
        let load = Load::start_on(&[world.client()], 8, PAUSE);
        after_some(&load, &mut run.rng).await?;
        for _ in 0..run.tries {
            world.kill()?;
            let call = CALLS.choose(&mut run.rng).context("no call")?;
            let number = run.rng.random_range(1..400);
            let inject = format!("inject={call}:signal=KILL:when={number}");
            let tracer = strace(&["-o".into(), "/dev/null".into(), "-e".into(), format!("trace={call}"), "-e".into(), inject])?;
            let setup = Setup::without_analytics().under(tracer);
            // It may die before it is ready. A call that does not come so often is a death at any other.
            if world.attempt_with(setup).await? && world.ended(Duration::from_secs(3)).await.is_err() {
                world.kill()?;
            }
            is_whole(world.data()).with_context(|| format!("killed at {call} number {number}"))?;
            world.restart_with(Setup::without_analytics()).await?;
            after_some(&load, &mut run.rng).await?;
        }
        let told = load.stop().await;
        world.settle_and_terminate().await?;
        let (truth, _) = oracle::check(world.data()).await?;
        told_is_true(&told, &truth)
    };
    embedded(26, "embedded log kill -9 at any system call: acknowledged records survive", 4, 200).run(body).await
}

/// SQLite finds nothing wrong with a copy of the log, so that the log itself is recovered by the program.
fn is_whole(data: &Path) -> Result<()> {
    let copy = TempDir::new()?;
    for name in ["log.db", "log.db-wal"] {
        if data.join(name).exists() {
            fs::copy(data.join(name), copy.path().join(name))?;
        }
    }
    let database = rusqlite::Connection::open(copy.path().join("log.db"))?;
    let verdict: String = database.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
    ensure!(verdict == "ok", "the log is damaged: {verdict}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_failed_fsync_nothing_is_acknowledged_and_the_process_stops() -> Result<()> {
    let body = async |mut run: Run| {
        let mut world = World::start_with(Setup::without_analytics()).await?;
        let load = Load::start_on(&[world.client()], 8, PAUSE);
        after_some(&load, &mut run.rng).await?;
        for _ in 0..run.tries {
            world.kill()?;
            let (traced, wal) = (world.data().join("traced"), world.data().canonicalize()?.join("log.db-wal"));
            let first = run.rng.random_range(20..300);
            let calls = "fsync,fdatasync";
            let tracer = strace(&[
                "-ttt".into(),
                "-o".into(),
                traced.display().to_string(),
                "-P".into(),
                wal.display().to_string(),
                "-e".into(),
                format!("trace={calls}"),
                "-e".into(),
                format!("inject={calls}:error=EIO:when={first}+"),
            ])?;
            world.attempt_with(Setup::without_analytics().under(tracer)).await?;
            let status = world.ended(BOUND).await?;
            ensure!(!status.success(), "the process ended as if nothing had happened");
            let failed = failed_at(&traced)?;
            let last = load.last_acknowledged().context("nothing was acknowledged")?;
            let after = last.duration_since(failed).unwrap_or_default();
            // An answer may be on its way when the disk fails.
            ensure!(after < Duration::from_millis(250), "a command was acknowledged {after:?} after the fsync that failed");
            world.restart_with(Setup::without_analytics()).await?;
            after_some(&load, &mut run.rng).await?;
        }
        let told = load.stop().await;
        world.settle_and_terminate().await?;
        let (truth, _) = oracle::check(world.data()).await?;
        told_is_true(&told, &truth)
    };
    embedded(27, "fsync answers EIO: no acknowledgement afterwards, the process stops", 2, 20).run(body).await
}

/// When the tracer made a call fail first.
fn failed_at(traced: &Path) -> Result<SystemTime> {
    let text = fs::read_to_string(traced)?;
    let Some(line) = text.lines().find(|line| line.contains("(INJECTED)")) else { bail!("no fsync failed: {text}") };
    let seconds = line.split_whitespace().find_map(|word| word.parse::<f64>().ok().filter(|_| word.contains('.')));
    Ok(SystemTime::UNIX_EPOCH + Duration::from_secs_f64(seconds.with_context(|| format!("no time in {line}"))?))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_is_served_by_one_server_only() -> Result<()> {
    let body = async |run: Run| {
        let world = World::start().await?;
        for _ in 0..run.tries {
            let (success, said) = world.second_opener().await?;
            ensure!(!success, "a second server opened the folder: {said}");
            ensure!(["in use", "holds", "locked"].iter().any(|word| said.contains(word)), "nobody is named: {said}");
        }
        let answer = world.client().get("/readyz").await?;
        ensure!(answer.status == 200, "the first server is not ready any more: {}", answer.status);
        Ok(())
    };
    embedded(28, "embedded store opened twice: the second is refused", 1, 10).run(body).await
}
