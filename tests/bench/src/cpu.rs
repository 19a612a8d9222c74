//! Who used the processor: the server, this program, the servers behind the server, and everybody else.
//!
//! What enters are the clocks in `/proc` at two moments; what leaves are cores kept busy in between. Kafka, PostgreSQL
//! with a process per connection, S3 and the engine are children of this program and counted with all of theirs. Time of
//! a process that ended in between is counted as everybody else's.

use anyhow::{Context, Result};
use serde::Serialize;
use std::{collections::HashMap, fs, iter, process, time::Duration};

/// Clock ticks per second of `/proc`; 100 on every Linux of our day.
const TICKS: f64 = 100.0;
/// More generations of processes than there are between this program and a child of PostgreSQL.
const GENERATIONS: usize = 16;

/// CPU time used so far, in seconds.
#[derive(Debug, Clone, Copy)]
pub struct Cpu {
    server: Option<f64>,
    backends: f64,
    generator: f64,
    all: f64,
}

/// Cores kept busy over a while: 1.0 is one whole core.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Used {
    /// By the server; none where the server is this program, whose time is all in `generator` then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<f64>,
    /// By Kafka, PostgreSQL, S3 and the engine.
    pub backends: f64,
    /// By this program.
    pub generator: f64,
    /// By everybody else.
    pub others: f64,
}

impl Cpu {
    /// Reads the clocks; `server` is a child of this program, if there is one.
    pub fn now(server: Option<u32>) -> Result<Self> {
        let processes: HashMap<u32, Process> = fs::read_dir("/proc")?
            .filter_map(|entry| {
                let pid = entry.ok()?.file_name().to_str()?.parse().ok()?;
                Some((pid, Process::read(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?))
            })
            .collect();
        let of =
            |pid: u32| processes.get(&pid).map(|process| process.seconds).with_context(|| format!("the process {pid} is gone"));
        let me = process::id();
        let backends = processes.iter().filter(|(pid, _)| Some(**pid) != server && is_below(&processes, **pid, me));
        let backends = backends.map(|(_, process)| process.seconds).sum();
        Ok(Self { server: server.map(of).transpose()?, backends, generator: of(me)?, all: of_machine()? })
    }

    /// What was used since `before`.
    pub fn since(&self, before: &Self, elapsed: Duration) -> Used {
        let seconds = elapsed.as_secs_f64().max(0.001);
        let server = self.server.zip(before.server).map(|(now, before)| now - before);
        let backends = (self.backends - before.backends).max(0.0);
        let generator = self.generator - before.generator;
        let others = (self.all - before.all - server.unwrap_or(0.0) - backends - generator).max(0.0);
        Used {
            server: server.map(|server| server / seconds),
            backends: backends / seconds,
            generator: generator / seconds,
            others: others / seconds,
        }
    }
}

#[derive(Debug, PartialEq)]
struct Process {
    parent: u32,
    seconds: f64,
}

impl Process {
    /// Fields 4, 14 and 15 of a stat file, counted from behind the name, which may hold anything.
    fn read(stat: &str) -> Option<Self> {
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks = |place: usize| fields.get(place)?.parse::<f64>().ok();
        Some(Self { parent: fields.get(1)?.parse().ok()?, seconds: (ticks(11)? + ticks(12)?) / TICKS })
    }
}

/// Whether `ancestor` started `pid`, or whoever did.
fn is_below(processes: &HashMap<u32, Process>, pid: u32, ancestor: u32) -> bool {
    let parent = |pid: &u32| processes.get(pid).map(|process| process.parent);
    iter::successors(parent(&pid), parent).take(GENERATIONS).any(|parent| parent == ancestor)
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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use std::{
        process::{Command, Stdio},
        time::Instant,
    };

    #[test]
    fn names_with_brackets_and_spaces_do_not_shift_the_fields() {
        let stat = "42 (a) b (c)) S 7 1 1 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 1 0 100 0 0";
        assert_eq!(Process::read(stat), Some(Process { parent: 7, seconds: 3.0 }));
    }

    #[test]
    fn waiting_for_the_disk_is_not_busy() {
        assert_eq!(busy("cpu  100 100 100 9000 9000 0 50 50 0 0\ncpu0 1"), Some(4.0));
    }

    #[test]
    fn grandchildren_are_below_and_strangers_are_not() {
        let process = |parent| Process { parent, seconds: 0.0 };
        let processes = HashMap::from([(10, process(1)), (20, process(10)), (30, process(20)), (40, process(1))]);
        assert_eq!([20, 30, 10, 40].map(|pid| is_below(&processes, pid, 10)), [true, true, false, false]);
    }

    #[test]
    fn a_child_counts_as_the_server_or_as_what_stands_behind_it() {
        let mut child = Command::new("sh").args(["-c", "while :; do :; done"]).stdin(Stdio::null()).spawn().unwrap();
        let start = Instant::now();
        let (server, backend) = loop {
            let (server, backend) = (Cpu::now(Some(child.id())).unwrap(), Cpu::now(None).unwrap());
            if server.server.unwrap() > 0.0 || start.elapsed() > Duration::from_secs(30) {
                break (server, backend);
            }
        };
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(server.server.unwrap() > 0.0);
        assert!(backend.server.is_none() && backend.backends >= server.server.unwrap());
    }
}
