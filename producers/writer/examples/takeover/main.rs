//! How long a writer's lanes are without an owner when it dies: `cargo run --release -p swarmlog-writer --example
//! takeover [--kafka HOST:PORT] [--aggregates N] [--history N] [--clients N] [--seconds N]`.
//!
//! A child process hosts the writer (on the embedded log it holds the file, so it also sends the commands). It fills the
//! log through the writer, is killed with SIGKILL when its snapshots have settled, and another child takes over. First with
//! many aggregates of one event, then with many more events of one aggregate. Prints the load of the machine, the rates at
//! which commands went in, and the times; other work on the same cores changes every figure. On Kafka: `make up` first.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a measurement")]

mod child;
mod load;
#[path = "../../tests/support/mod.rs"]
#[allow(unreachable_pub, missing_docs, reason = "shared with the tests, which need more of it")]
mod support;

use std::{
    io::{BufRead, BufReader, Lines, Write},
    process::{Child, ChildStdout, Command, Stdio},
    time::Instant,
};

/// What is measured, and where.
struct Plan {
    /// A folder, or `kafka HOST:PORT PREFIX`.
    place: String,
    aggregates: u64,
    history: u64,
    clients: u64,
    seconds: u64,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [child, place] = &arguments[..]
        && child == "child"
    {
        return child::main(place);
    }
    let value = |name: &str| arguments.iter().position(|a| a == name).and_then(|at| arguments.get(at + 1)).cloned();
    let number = |name, default| value(name).map_or(default, |value| value.parse().expect("a number"));
    let folder = tempfile::tempdir().unwrap();
    let place = match value("--kafka") {
        Some(brokers) => format!("kafka {brokers} t{}.", std::process::id()),
        None => folder.path().display().to_string(),
    };
    let plan = Plan {
        place,
        aggregates: number("--aggregates", 1_000_000),
        history: number("--history", 1_000_000),
        clients: number("--clients", 64),
        seconds: number("--seconds", 10),
    };
    println!("load before: {}", load::average());
    plan.measure();
    println!("load after: {}", load::average());
}

impl Plan {
    fn measure(&self) {
        let mut writer = Host::start(&self.place, Instant::now());
        writer.does(&format!("calls {} {}", self.clients, self.seconds));
        writer.does(&format!("submit {}", self.aggregates));
        writer.does("settle");
        for _ in 0..2 {
            writer = writer.dies(&self.place);
            writer.does("memory");
        }
        writer.does(&format!("history {}", self.history));
        writer.does("settle");
        writer.dies(&self.place).does("memory");
    }
}

/// The process of a writer.
struct Host {
    process: Child,
    said: Lines<BufReader<ChildStdout>>,
}

impl Host {
    /// Starts one and waits for its first answer.
    fn start(place: &str, since: Instant) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["child", place])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut host = Self { process, said };
        println!("{}; {:.2} s since its predecessor died", host.hears(), since.elapsed().as_secs_f64());
        host
    }

    fn hears(&mut self) -> String {
        self.said.next().expect("the child lives").unwrap()
    }

    /// Has the child do something and prints what it says about it.
    fn does(&mut self, what: &str) {
        writeln!(self.process.stdin.as_mut().unwrap(), "{what}").unwrap();
        println!("{what}: {}", self.hears());
    }

    /// `kill -9`, and a successor.
    fn dies(mut self, place: &str) -> Self {
        self.process.kill().unwrap();
        let since = Instant::now();
        self.process.wait().unwrap();
        Self::start(place, since)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // It may be dead already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
