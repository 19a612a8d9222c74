//! A process that is killed, and one whose disk fails, in the midst of appends.
//!
//! The process is this test program again, with the name of the test that plays the victim and a directory in its
//! environment. It prints a line for every acknowledgement that it gets; the parent then opens what is left.

use super::{append, check_integrity, dense, open, source};
use crate::{Consumed, Delivery, Durability, Log, LogError, Transaction};
use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

const DIR: &str = "SWARMLOG_LOG_CRASH_DIR";
const PART: &str = "SWARMLOG_LOG_CRASH_PART";

/// Starts this program again as the victim.
fn start(mut program: Command, part: &str, dir: &Path) -> Child {
    program
        .args(["--exact", "sqlite::tests::crash::the_victim_acknowledges_until_it_dies", "--nocapture"])
        .env(DIR, dir)
        .env(PART, part)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

fn say(line: &str) {
    // One write per line: a line is there as a whole or not at all.
    std::io::stdout().write_all(format!("{line}\n").as_bytes()).unwrap();
}

/// Plays the victim when it is started as one; on its own it only shows that nobody asked it to.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_victim_acknowledges_until_it_dies() {
    let (Some(dir), Ok(part)) = (std::env::var_os(DIR).map(PathBuf::from), std::env::var(PART)) else {
        assert!(std::env::var_os(DIR).is_none() && std::env::var_os(PART).is_none(), "a victim needs both");
        return;
    };
    match part.as_str() {
        "killed" => acknowledge_for_ever(&dir).await,
        "failing" => append_until_failure(&dir).await,
        other => panic!("there is no part {other}"),
    }
}

/// Durable appends by four tasks, and a lane that decides commands in transactions.
async fn acknowledge_for_ever(dir: &Path) {
    let log = open(dir).await;
    for task in 0..4u32 {
        let log = log.clone();
        tokio::spawn(async move {
            let events = source("events", task % 2);
            for step in 0.. {
                let payload = format!("{}:{task}:{step}:{}", std::process::id(), "x".repeat(step % 700));
                let offsets = log.append(vec![append(&events, payload.clone())], Durability::Durable).await.unwrap();
                say(&format!("event {} {} {payload}", events.partition, offsets[0]));
            }
        });
    }
    let commands = source("commands", 0);
    tokio::spawn({
        let (log, commands) = (log.clone(), commands.clone());
        async move {
            loop {
                let batch = (0..3).map(|_| append(&commands, uuid::Uuid::new_v4().to_string())).collect();
                log.append(batch, Durability::Ordered).await.unwrap();
                // As fast as they become durable.
                let end = log.end(&commands).await.unwrap();
                log.wait(&commands, end, Duration::from_millis(5)).await.unwrap();
            }
        }
    });
    let mut owner = log.transactional("writer-0").await.unwrap();
    let mut consumer = log.consume("writer", &["commands"]).await.unwrap();
    loop {
        match consumer.next(5, super::LONG).await.unwrap() {
            Delivery::Assigned(_) => {
                let from = log.committed("writer", &commands).await.unwrap().unwrap_or(0);
                consumer.seek(&commands, from);
            }
            Delivery::Records(_, records) => {
                let next = records.last().unwrap().offset + 1;
                let results = records.iter().map(|record| append(&source("results", 0), record.payload.clone()));
                let consumed = vec![Consumed { group: "writer".into(), source: commands.clone(), next }];
                let offsets = owner.commit(Transaction { append: results.collect(), consumed }).await.unwrap();
                for (record, offset) in records.iter().zip(offsets) {
                    say(&format!("result 0 {offset} {}", String::from_utf8_lossy(&record.payload)));
                }
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn nothing_that_was_acknowledged_is_lost_by_ten_kills() {
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged: BTreeSet<(String, u32, u64, String)> = BTreeSet::new();
    for kill in 0..10 {
        let mut victim = start(Command::new(std::env::current_exe().unwrap()), "killed", dir.path());
        let mut lines = BufReader::new(victim.stdout.take().unwrap()).lines().map_while(Result::ok);
        // A random moment, counted in acknowledgements.
        let patience = 1 + uuid::Uuid::new_v4().as_u128() as usize % 400;
        let mut note = |line: String| {
            let words: Vec<&str> = line.split(' ').collect();
            let [topic @ ("event" | "result"), partition, offset, payload] = words[..] else { return false };
            let (partition, offset) = (partition.parse().unwrap(), offset.parse().unwrap());
            assert!(acknowledged.insert((format!("{topic}s"), partition, offset, payload.to_owned())));
            true
        };
        let heard = lines.by_ref().filter(|line| note(line.clone())).take(patience).count();
        assert_eq!(heard, patience, "the victim of kill {kill} died by itself");
        victim.kill().unwrap();
        victim.wait().unwrap();
        // What it still said before it died counts as well.
        lines.for_each(|line| {
            note(line);
        });

        let log = open(dir.path()).await;
        for (topic, partition, offset, payload) in &acknowledged {
            let found = log.read(&source(topic, *partition), *offset, 1).await.unwrap();
            let found = found.first().map(|record| (record.offset, String::from_utf8_lossy(&record.payload).into_owned()));
            assert_eq!(found, Some((*offset, payload.clone())), "after kill {kill} at {patience}");
        }
        for partition in 0..2 {
            dense(&*log, &source("events", partition)).await;
        }
        let payloads =
            async |topic| -> Vec<_> { dense(&*log, &source(topic, 0)).await.into_iter().map(|record| record.payload).collect() };
        let (commands, results) = (payloads("commands").await, payloads("results").await);
        let consumed = log.committed("writer", &source("commands", 0)).await.unwrap().unwrap_or(0);
        assert_eq!(results.len() as u64, consumed, "results and the consumed offset move together");
        assert_eq!(results[..], commands[..results.len()], "every decision has its command");
        log.close().await.unwrap();
        check_integrity(dir.path());
    }
}

/// Appends until the file may not grow any more, which SQLite sees as an I/O error in the midst of a commit.
async fn append_until_failure(dir: &Path) {
    let log = open(dir).await;
    let events = source("events", 0);
    let failure = loop {
        match log.append(vec![append(&events, vec![7; 50_000])], Durability::Durable).await {
            Ok(offsets) => say(&format!("acknowledged {}", offsets[0])),
            Err(failure) => break failure,
        }
    };
    assert!(matches!(failure, LogError::Ambiguous(_)), "nobody knows what became of it: {failure}");
    let fatal = |error: Option<LogError>| matches!(error, Some(LogError::Fatal(_)));
    for _ in 0..3 {
        assert!(fatal(log.append(vec![append(&events, "small")], Durability::Durable).await.err()));
        assert!(fatal(log.append(vec![append(&events, "small")], Durability::Ordered).await.err()));
        assert!(fatal(log.transactional("writer-0").await.err()));
    }
    assert!(fatal(log.close().await.err()));
    say("refused everything afterwards");
}

#[tokio::test]
async fn after_an_error_of_the_disk_nothing_is_acknowledged_any_more() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()).await);
    // The shell lets no file grow beyond 2,048 blocks, and an attempt is an error rather than a signal.
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap '' XFSZ; ulimit -f 2048; exec \"$0\" \"$@\""]).arg(std::env::current_exe().unwrap());
    let victim = start(shell, "failing", dir.path()).wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&victim.stdout).into_owned();
    assert!(victim.status.success() && said.contains("refused everything afterwards"), "{said}");
    let acknowledged = said.lines().filter(|line| line.contains("acknowledged ")).count();
    assert!(acknowledged > 5, "{said}");
    let log = open(dir.path()).await;
    let found = dense(&*log, &source("events", 0)).await.len();
    assert!((acknowledged..=acknowledged + 1).contains(&found), "{found} of {acknowledged}");
    log.close().await.unwrap();
    check_integrity(dir.path());
}
