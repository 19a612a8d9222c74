//! What the machine does besides: without it no figure means anything.

use anyhow::{Context, Result};
use serde::Serialize;
use std::{
    fs::{self, OpenOptions},
    io::Write,
    path::Path,
    process,
    time::{Duration, Instant},
};

/// How long the machine is watched before anything starts.
const WATCH: Duration = Duration::from_secs(3);
/// How many syncs are measured.
const SYNCS: usize = 200;
/// Clock ticks per second of `/proc`; 100 on every Linux of our day.
const TICKS: f64 = 100.0;

/// The machine before a benchmark.
#[derive(Debug, Clone, Serialize)]
pub struct Idle {
    /// Cores.
    pub cores: usize,
    /// Load average of the last minute.
    pub load: f64,
    /// Share of all cores that others used while this program slept, 0 to 1.
    pub others: f64,
    /// Median time to append 256 B and sync them, in microseconds.
    pub fdatasync_p50_us: u64,
    /// Whether the figures can be trusted: others used less than 5 %.
    pub is_idle: bool,
}

impl Idle {
    /// Watches the machine and measures the disk under `folder`.
    pub fn check(folder: &Path) -> Result<Self> {
        let cores = std::thread::available_parallelism()?.get();
        let (before, start) = (Cpu::now(None)?, Instant::now());
        std::thread::sleep(WATCH);
        let used = Cpu::now(None)?.since(&before, start.elapsed());
        let others = used.others / cores as f64;
        let load = fs::read_to_string("/proc/loadavg")?.split(' ').next().and_then(|load| load.parse().ok()).unwrap_or(f64::NAN);
        Ok(Self { cores, load, others, fdatasync_p50_us: sync_time(folder)?, is_idle: others < 0.05 })
    }
}

fn sync_time(folder: &Path) -> Result<u64> {
    let path = folder.join("fdatasync");
    let mut file = OpenOptions::new().create(true).append(true).open(&path)?;
    let mut times = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        let start = Instant::now();
        file.write_all(&[7; 256])?;
        file.sync_data()?;
        times.push(u64::try_from(start.elapsed().as_micros())?);
    }
    fs::remove_file(path)?;
    times.sort_unstable();
    Ok(times[SYNCS / 2])
}

/// CPU time used so far, in seconds.
#[derive(Debug, Clone, Copy)]
pub struct Cpu {
    server: f64,
    generator: f64,
    all: f64,
}

/// Cores kept busy over a while: 1.0 is one whole core.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Used {
    /// By the server.
    pub server: f64,
    /// By this program.
    pub generator: f64,
    /// By everybody else.
    pub others: f64,
}

impl Cpu {
    /// Reads the clocks of the server (if there is one), of this program and of the machine.
    pub fn now(server: Option<u32>) -> Result<Self> {
        Ok(Self { server: server.map_or(Ok(0.0), of_process)?, generator: of_process(process::id())?, all: of_machine()? })
    }

    /// What was used since `before`.
    pub fn since(&self, before: &Self, elapsed: Duration) -> Used {
        let seconds = elapsed.as_secs_f64().max(0.001);
        let (server, generator) = (self.server - before.server, self.generator - before.generator);
        let others = (self.all - before.all - server - generator).max(0.0);
        Used { server: server / seconds, generator: generator / seconds, others: others / seconds }
    }
}

fn of_process(pid: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).with_context(|| format!("the process {pid} is gone"))?;
    user_and_system(&stat).context("cannot read /proc/<pid>/stat")
}

/// Fields 14 and 15, counted from behind the name, which may hold anything.
fn user_and_system(stat: &str) -> Option<f64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let ticks: f64 = fields.next()?.parse::<f64>().ok()? + fields.next()?.parse::<f64>().ok()?;
    Some(ticks / TICKS)
}

fn of_machine() -> Result<f64> {
    busy(&fs::read_to_string("/proc/stat")?).context("cannot read /proc/stat")
}

/// Everything but idle and waiting for the disk; guests are part of user time.
fn busy(stat: &str) -> Option<f64> {
    let fields: Vec<f64> = stat.lines().next()?.split_whitespace().skip(1).filter_map(|field| field.parse().ok()).collect();
    let [user, nice, system, _idle, _iowait, irq, softirq, steal, ..] = fields[..] else { return None };
    Some((user + nice + system + irq + softirq + steal) / TICKS)
}

/// The most memory that a process has had so far, in MiB.
pub fn peak_memory_mib(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib / 1024)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn names_with_brackets_and_spaces_do_not_shift_the_fields() {
        let stat = "42 (a) b (c)) S 1 1 1 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 1 0 100 0 0";
        assert_eq!(user_and_system(stat), Some(3.0));
    }

    #[test]
    fn waiting_for_the_disk_is_not_busy() {
        assert_eq!(busy("cpu  100 100 100 9000 9000 0 50 50 0 0\ncpu0 1"), Some(4.0));
    }

    #[test]
    fn this_process_uses_time_and_memory() {
        let (before, start) = (Cpu::now(Some(process::id())).unwrap(), Instant::now());
        let mut sum = 0_u64;
        loop {
            sum = (0..100_000).fold(sum, |sum: u64, n| sum.wrapping_mul(31).wrapping_add(n));
            let used = Cpu::now(Some(process::id())).unwrap().since(&before, start.elapsed());
            if used.generator > 0.0 && used.server > 0.0 {
                break;
            }
            assert!(start.elapsed() < Duration::from_secs(30), "no time was used for {sum}");
        }
        assert!(peak_memory_mib(process::id()).unwrap() > 0);
    }
}
