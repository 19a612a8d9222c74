//! What the machine does besides: without it no figure means anything.

use crate::cpu::Cpu;
use anyhow::Result;
use serde::Serialize;
use std::{
    fs::{self, OpenOptions},
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    time::{Duration, Instant},
};

/// How long the machine is watched before anything starts.
const WATCH: Duration = Duration::from_secs(3);
/// How many syncs are measured, and how many round trips.
const SYNCS: usize = 200;
const TRIPS: usize = 2_000;

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
    /// Median time of a byte to another thread by a loopback connection and back, in microseconds.
    pub loopback_p50_us: u64,
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
        let (fdatasync_p50_us, loopback_p50_us) = (sync_time(folder)?, loopback_time()?);
        Ok(Self { cores, load, others, fdatasync_p50_us, loopback_p50_us, is_idle: others < 0.05 })
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

/// The floor of every request to a server.
fn loopback_time() -> Result<u64> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut stream = TcpStream::connect(listener.local_addr()?)?;
    let (mut echo, _) = listener.accept()?;
    for socket in [&stream, &echo] {
        socket.set_nodelay(true)?;
    }
    let other = std::thread::spawn(move || {
        let mut byte = [0];
        while echo.read_exact(&mut byte).is_ok() && echo.write_all(&byte).is_ok() {}
    });
    let mut times = Vec::with_capacity(TRIPS);
    for _ in 0..TRIPS {
        let start = Instant::now();
        stream.write_all(&[7])?;
        stream.read_exact(&mut [0])?;
        times.push(u64::try_from(start.elapsed().as_micros())?);
    }
    drop(stream);
    // It ends with the connection.
    let _ = other.join();
    times.sort_unstable();
    Ok(times[TRIPS / 2])
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
    fn a_round_trip_takes_time() {
        assert!(loopback_time().unwrap() > 0);
    }

    #[test]
    fn this_process_uses_memory() {
        assert!(peak_memory_mib(std::process::id()).is_some_and(|peak| peak > 0));
    }
}
