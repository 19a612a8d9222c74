//! `make faults`: makes every fault as often as the table says, one scenario after another, and shows what came of it.
//!
//! The table goes to stderr, the same as JSON to stdout. A promise that was not kept, or a row of which nothing was heard,
//! makes the program fail, once everything has run.

use anyhow::{Context, Result, ensure};
use std::{
    env,
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};
use swarmlog_tests::scenario::{LENGTH, MARK, Outcome};

/// The rows that are shown here, 0 for kills at random; the others belong to the consumers.
const ROWS: [u8; 22] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 26, 27, 28, 30, 31];
/// What cargo is told to test, and which tests of it.
const TARGETS: [(&[&str], &str); 2] =
    [(&["-p", "swarmlog-tests", "--test", "faults"], ""), (&["-p", "swarmlog-log", "--lib"], "kafka::codes")];

fn main() -> Result<()> {
    let mut outcomes = Vec::new();
    for (target, tests) in TARGETS {
        outcomes.extend(run(target, tests)?);
    }
    outcomes.sort_by_key(|outcome| outcome.row);
    eprintln!("\n{}", table(&outcomes));
    println!("{}", serde_json::to_string_pretty(&outcomes)?);
    let silent: Vec<_> = ROWS.iter().filter(|row| !outcomes.iter().any(|outcome| outcome.row == **row)).collect();
    ensure!(silent.is_empty(), "nothing was heard of rows {silent:?}");
    ensure!(outcomes.iter().all(|outcome| outcome.failure.is_none()), "a promise was not kept");
    Ok(())
}

/// Runs tests one after the other; answers what the scenarios among them said.
fn run(target: &[&str], tests: &str) -> Result<Vec<Outcome>> {
    let mut command = Command::new(env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()));
    command.args(["test", "--locked"]).args(target).args(["--", "--nocapture", "--test-threads=1"]);
    command.args(Some(tests).filter(|tests| !tests.is_empty()));
    if env::var_os(LENGTH).is_none() {
        command.env(LENGTH, "long");
    }
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context("cargo cannot be started")?;
    let mut outcomes = Vec::new();
    for line in BufReader::new(child.stdout.take().context("no stdout")?).lines() {
        let line = line?;
        eprintln!("{line}");
        // The name of the test may stand before it.
        if let Some((_, json)) = line.split_once(MARK) {
            outcomes.push(serde_json::from_str(json)?);
        }
    }
    // What failed has said so.
    child.wait()?;
    Ok(outcomes)
}

fn table(outcomes: &[Outcome]) -> String {
    let mut text = format!("{:>3}  {:<8}  {:>5}  {:>8}  {:<20}  promise: result\n", "row", "where", "tries", "seconds", "seed");
    for Outcome { row, place, tries, seconds, seed, promise, failure } in outcomes {
        let result = failure.as_deref().map_or("kept".to_owned(), |why| format!("BROKEN, {why}"));
        text += &format!("{row:>3}  {place:<8}  {tries:>5}  {seconds:>8.1}  {seed:<20}  {promise}: {result}\n");
    }
    text
}
