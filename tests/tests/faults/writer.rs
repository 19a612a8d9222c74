//! Rows 5 to 10 and 16: the writer dies at its commit points, sleeps, is replaced, is slow, meets its double.

use crate::{PAUSE, embedded, servers};
use anyhow::{Result, ensure};
use log::{Append, Log, LogError, Source, Transaction};
use nix::sys::signal::Signal;
use proxy::{Act, Api, Pattern};
use rand::Rng;
use reqwest::Method;
use serde_json::json;
use std::{os::unix::process::ExitStatusExt, time::Instant};
use swarmlog_tests::{
    BOUND, Client, Setup, Stage, World,
    load::{Load, after_some, told_is_true},
    oracle,
    scenario::Run,
    world::eventually,
};
use tokio::task::JoinSet;
use uuid::Uuid;

const BEFORE_PRODUCE: &str = "writer kill -9 before produce: redelivered, one effect";
const BEFORE_COMMIT: &str = "writer kill -9 after produce, before commit: the events are invisible";
const AFTER_COMMIT: &str = "writer kill -9 after commit, before the answer: the answer is repeated";

/// How many lanes were caught up with so far.
const RECOVERED: &str = "swarmlog_writer_recovery_seconds_count";

/// How many answers were given again.
const REPEATED: &str = "swarmlog_writer_commands_total{outcome=\"repeated\"";

/// Starts the program so that it dies at its n-th passage of a place in a commit, as often as is asked for.
async fn die_at(place: &str, setup: &Setup, world: &mut World, load: &Load, run: &mut Run) -> Result<()> {
    for _ in 0..run.tries {
        world.kill()?;
        let passage = run.rng.random_range(1..100);
        let ready = world.attempt_with(setup.clone().with("FAILPOINT", format!("{place}:{passage}"))).await?;
        let status = world.ended(BOUND).await?;
        ensure!(status.signal() == Some(Signal::SIGKILL as i32), "it did not die at {place}: {status}, ready: {ready}");
        world.restart_with(setup.clone()).await?;
        after_some(load, &mut run.rng).await?;
        if place == "after-commit" {
            let client = world.client();
            eventually("an answer is repeated", || async { Ok(client.metric(REPEATED).await? > 0.0) }).await?;
        }
    }
    Ok(())
}

async fn on_files(place: &str, mut run: Run) -> Result<()> {
    let setup = Setup::without_analytics();
    let mut world = World::start_with(setup.clone()).await?;
    let load = Load::start_on(&[world.client()], 8, PAUSE);
    die_at(place, &setup, &mut world, &load, &mut run).await?;
    let told = load.stop().await;
    world.settle_and_terminate().await?;
    let (truth, _) = oracle::check(world.data()).await?;
    told_is_true(&told, &truth)
}

async fn on_kafka(place: &str, mut run: Run) -> Result<()> {
    let stage = Stage::start().await?;
    let setup = stage.direct();
    let mut world = World::start_with(setup.clone()).await?;
    let load = Load::start_on(&[world.client()], 8, PAUSE);
    die_at(place, &setup, &mut world, &load, &mut run).await?;
    stage.check(load, &mut [&mut world]).await?;
    let looker = stage.onlooker();
    let (written, committed) = (looker.written("work.results").await?, looker.committed("work.results").await?);
    let invisible = written.difference(&committed).count();
    ensure!(place != "before-commit" || invisible > 0, "nothing was written that does not count");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_writer_killed_before_it_wrote_had_in_hand_is_decided_once() -> Result<()> {
    embedded(5, BEFORE_PRODUCE, 3, 50).run(async |run| on_files("before-produce", run).await).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_writer_killed_before_it_wrote_to_kafka_had_in_hand_is_decided_once() -> Result<()> {
    servers(5, BEFORE_PRODUCE, 2, 50).run(async |run| on_kafka("before-produce", run).await).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_writer_killed_before_its_commit_wrote_is_never_seen() -> Result<()> {
    embedded(6, BEFORE_COMMIT, 3, 50).run(async |run| on_files("before-commit", run).await).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_writer_killed_before_its_commit_wrote_to_kafka_is_never_seen() -> Result<()> {
    servers(6, BEFORE_COMMIT, 2, 50).run(async |run| on_kafka("before-commit", run).await).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_that_a_writer_killed_after_its_commit_owed_is_repeated() -> Result<()> {
    embedded(7, AFTER_COMMIT, 3, 50).run(async |run| on_files("after-commit", run).await).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_that_a_writer_killed_after_its_commit_to_kafka_owed_is_repeated() -> Result<()> {
    servers(7, AFTER_COMMIT, 2, 50).run(async |run| on_kafka("after-commit", run).await).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_wakes_after_its_session_is_fenced() -> Result<()> {
    let body = async |mut run: Run| {
        let stage = Stage::start().await?;
        let mut sleeper = World::start_with(stage.by_proxy()).await?;
        let mut other = World::start_with(stage.direct()).await?;
        let load = Load::start_on(&[sleeper.client(), other.client()], 8, PAUSE);
        after_some(&load, &mut run.rng).await?;
        for _ in 0..run.tries {
            // It falls asleep in the middle of a commit, which arrives after it was replaced.
            let commit = stage.proxy.next(Pattern::request(Api::END_TXN), Act::Hold);
            commit.has_caught(1, BOUND).await?;
            let (slept, client) = (sleeper.client(), other.client());
            let known = slept.metric(RECOVERED).await?;
            sleeper.signal(Signal::SIGSTOP)?;
            let recovered = client.metric(RECOVERED).await?;
            eventually("the other takes its lanes over", || async { Ok(client.metric(RECOVERED).await? > recovered) }).await?;
            commit.release();
            sleeper.signal(Signal::SIGCONT)?;
            // It has heard that it was replaced, or was left in doubt: it trusts nothing that it knew.
            eventually("the one that slept catches up anew", || async { Ok(slept.metric(RECOVERED).await? > known) }).await?;
            after_some(&load, &mut run.rng).await?;
        }
        stage.check(load, &mut [&mut sleeper, &mut other]).await.map(drop)
    };
    servers(8, "writer stopped longer than its session: fenced, its writes never visible", 1, 20).run(body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_come_and_go_and_every_command_is_decided_once() -> Result<()> {
    let body = async |mut run: Run| {
        let stage = Stage::start().await?;
        let mut stays = World::start_with(stage.direct()).await?;
        let mut comes = World::start_with(stage.direct()).await?;
        let load = Load::start_on(&[stays.client()], 8, PAUSE);
        for attempt in 0..run.tries {
            after_some(&load, &mut run.rng).await?;
            // Every other time it leaves without a word.
            if attempt % 2 == 0 {
                ensure!(comes.terminate().await?, "SIGTERM ends badly: {}", comes.said());
            } else {
                comes.kill()?;
            }
            after_some(&load, &mut run.rng).await?;
            comes.restart().await?;
        }
        stage.check(load, &mut [&mut stays, &mut comes]).await.map(drop)
    };
    servers(9, "instances added and removed: no loss, no double", 3, 150).run(body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_was_silent_for_too_long_commits_nothing_for_what_it_lost() -> Result<()> {
    let body = async |mut run: Run| {
        let stage = Stage::start().await?;
        let mut quick = World::start_with(stage.direct()).await?;
        // Its decision takes four times as long as its group lets a member be silent.
        let slow = |passage: u32| {
            let setup = stage.direct().with("FAILPOINT", format!("before-produce:{passage}:12000"));
            Setup { kafka_settings: vec!["max.poll.interval.ms=3000"], ..setup }
        };
        let mut slow_one = World::start_with(slow(run.rng.random_range(1..20))).await?;
        let load = Load::start_on(&[quick.client()], 64, PAUSE);
        let mut pile = JoinSet::new();
        pile.spawn(pile_up(quick.client()));
        for attempt in 0..run.tries {
            if attempt > 0 {
                slow_one.kill()?;
                slow_one.restart_with(slow(run.rng.random_range(1..20))).await?;
            }
            let client = slow_one.client();
            eventually("the silent one is fenced", || async { Ok(client.metric("swarmlog_log_fenced_total").await? >= 1.0) })
                .await?;
            after_some(&load, &mut run.rng).await?;
        }
        drop(pile);
        stage.check(load, &mut [&mut quick, &mut slow_one]).await.map(drop)
    };
    servers(10, "max.poll.interval exceeded: nothing committed for lost partitions", 1, 10).run(body).await
}

/// Commands that nobody waits for, one after the other: before a lane that stands still they fill its queue, and then nobody asks
/// for more in the name of the member.
async fn pile_up(client: Client) {
    loop {
        // It is refused, for there is no such job.
        let body = json!({ "job_id": Uuid::now_v7() });
        let _ = client.call(Method::POST, "/v1/commands/work.CancelJob", &[("prefer", "respond-async")], Some(&body)).await;
        tokio::time::sleep(PAUSE).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_writers_of_one_partition_one_is_fenced() -> Result<()> {
    let body = async |mut run: Run| {
        let stage = Stage::start().await?;
        let mut world = World::start_with(stage.direct()).await?;
        let (log, load) = (stage.log().await?, Load::start_on(&[world.client()], 8, PAUSE));
        log.create_topics(&["test.aside"]).await?;
        for _ in 0..run.tries {
            after_some(&load, &mut run.rng).await?;
            // The writer takes its name back from the double, and from then on the double commits nothing.
            let mut double = log.transactional(&format!("writer-{}", run.rng.random_range(0..4))).await?;
            let end = Instant::now() + BOUND;
            loop {
                match double.commit(aside()).await {
                    Err(LogError::Fenced { .. } | LogError::Ambiguous(_)) => break,
                    Ok(_) | Err(LogError::Transient(_)) => ensure!(Instant::now() < end, "the double is not fenced"),
                    Err(error) => return Err(error.into()),
                }
            }
            after_some(&load, &mut run.rng).await?;
        }
        let fenced = world.client().metric("swarmlog_log_fenced_total").await?;
        ensure!(fenced >= 1.0, "the writer was not fenced by its double");
        stage.check(load, &mut [&mut world]).await.map(drop)
    };
    servers(16, "two writers configured for one partition: one is fenced", 2, 50).run(body).await
}

/// A transaction that no program reads.
fn aside() -> Transaction {
    let source = Source { topic: "test.aside".into(), partition: 0 };
    let text = "about it".to_owned();
    let append =
        Append { source, key: "k".into(), envelope: text.clone().into(), payload: text.into(), time: 1_700_000_000_000_000 };
    Transaction { append: vec![append], consumed: Vec::new() }
}
