//! Rows 1 to 4: the gateway dies, loses its broker, misses results, is told to leave.

use crate::{PAUSE, embedded, servers};
use anyhow::{Result, ensure};
use futures::future::try_join_all;
use proxy::{Act, Api, Pattern};
use reqwest::Method;
use schemas::{Entry, Stream};
use serde_json::json;
use std::{collections::BTreeMap, time::Duration};
use swarmlog_tests::{
    Answer, Client, Setup, Stage, World,
    client::number,
    load::{Load, Told, after_some, told_is_true},
    oracle::{self, Truth},
    scenario::Run,
    world::eventually,
};

const KILLED: &str = "gateway kill -9 in mid-request: a retry with the same key has one effect";

#[tokio::test(flavor = "multi_thread")]
async fn a_server_killed_in_mid_request_has_done_it_once_or_not_at_all() -> Result<()> {
    let body = async |mut run: Run| {
        let mut world = World::start().await?;
        let load = Load::start_on(&[world.client()], 8, PAUSE);
        for _ in 0..run.tries {
            after_some(&load, &mut run.rng).await?;
            world.kill()?;
            world.restart().await?;
        }
        after_some(&load, &mut run.rng).await?;
        ensure!(!load.broken().is_empty(), "no kill came in the middle of a request");
        let told = load.stop().await;
        let acknowledged = told.values().filter(|t| matches!(t, Told::Acknowledged { .. })).count() as u64;
        let in_clickhouse = events_in_clickhouse(&world, acknowledged).await?;
        world.settle_and_terminate().await?;
        let (truth, verdict) = oracle::check(world.data()).await?;
        ensure!(in_clickhouse == verdict.events as u64, "{in_clickhouse} events in ClickHouse, {} in the log", verdict.events);
        told_is_true(&told, &truth)
    };
    embedded(1, KILLED, 5, 200).run(body).await
}

/// Waits until ClickHouse has so many events, each once; answers how many there are.
async fn events_in_clickhouse(world: &World, at_least: u64) -> Result<u64> {
    let client = world.client();
    eventually("ClickHouse has every event", || async {
        let row = client.sql("SELECT count() AS n, uniqExact(event_id) AS u FROM events").await?.remove(0);
        ensure!(number(&row["n"]) == number(&row["u"]), "ClickHouse holds an event twice: {row}");
        Ok(number(&row["n"]) >= at_least)
    })
    .await?;
    Ok(number(&client.sql("SELECT count() AS n FROM events").await?[0]["n"]))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_killed_beside_another_has_done_it_once_or_not_at_all() -> Result<()> {
    let body = async |mut run: Run| {
        let stage = Stage::start().await?;
        let mut one = World::start_with(stage.direct()).await?;
        let mut two = World::start_with(stage.direct()).await?;
        // A repeat goes to the other gateway.
        let load = Load::start_on(&[one.client(), two.client()], 8, PAUSE);
        for attempt in 0..run.tries {
            after_some(&load, &mut run.rng).await?;
            let victim = if attempt % 2 == 0 { &mut one } else { &mut two };
            victim.kill()?;
            after_some(&load, &mut run.rng).await?;
            victim.restart().await?;
        }
        ensure!(!load.broken().is_empty(), "no kill came in the middle of a request");
        stage.check(load, &mut [&mut one, &mut two]).await.map(drop)
    };
    servers(1, KILLED, 2, 200).run(body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_broker_commands_are_refused_and_memory_stays() -> Result<()> {
    let body = async |mut run: Run| {
        // A try is ten seconds without a broker.
        let away = Duration::from_secs(10) * run.tries;
        let stage = Stage::start().await?;
        let mut world = World::start_with(stage.direct()).await?;
        let (client, load) = (world.client(), Load::start_on(&[world.client()], 64, PAUSE));
        after_some(&load, &mut run.rng).await?;
        let before = world.memory()?;
        stage.kill().await?;
        let end = tokio::time::Instant::now() + away;
        let submit = json!({ "queue": "away", "kind": "none" });
        eventually("commands are refused, and the answer says when to come back", || async {
            let answer = client.command("work.SubmitJob", "away", &submit).await?;
            Ok(answer.status == 503 && answer.header("retry-after").parse::<u64>().is_ok())
        })
        .await?;
        tokio::time::sleep_until(end).await;
        let grown = world.memory()?.saturating_sub(before) >> 20;
        ensure!(grown < 200, "the memory grew by {grown} MiB while the broker was away");
        let live = client.get("/livez").await?;
        ensure!(live.status == 200, "the program is not alive: {}", live.status);
        stage.up().await?;
        after_some(&load, &mut run.rng).await?;
        let mut told = load.stop().await;
        told.insert("away".to_owned(), Told::Unknown);
        stage.compare(&told, &mut [&mut world]).await.map(drop)
    };
    servers(2, "broker down, gateway up: 503 and Retry-After, memory bounded, goes on by itself", 1, 6).run(body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_result_is_a_202_and_never_a_false_answer() -> Result<()> {
    let body = async |run: Run| {
        let stage = Stage::start().await?;
        let mut deaf = World::start_with(stage.by_proxy()).await?;
        let mut other = World::start_with(stage.direct()).await?;
        let (here, there) = (deaf.client(), other.client());
        let load = Load::start_on(std::slice::from_ref(&there), 2, PAUSE);
        let mut told = BTreeMap::new();
        for attempt in 0..run.tries {
            let (lost, allowed) = if attempt % 2 == 0 {
                // Its writer cannot commit, so results are late; those of the other's lanes are not.
                (vec![Pattern::request(Api::END_TXN), Pattern::request(Api::INIT_PRODUCER_ID)], [201, 202])
            } else {
                // Nothing that is read from the log arrives, so not even what is on record is known.
                (vec![Pattern::response(Api::FETCH)], [202, 503])
            };
            let lost: Vec<_> = lost.into_iter().map(|pattern| stage.proxy.every(pattern, Act::Hold)).collect();
            let keys: Vec<String> = (0..16).map(|number| format!("late-{attempt}-{number}")).collect();
            let answers = try_join_all(keys.iter().map(|key| impatient(&here, key))).await?;
            let mut status_urls = Vec::new();
            for (key, answer) in keys.iter().zip(answers) {
                ensure!(allowed.contains(&answer.status), "without its result: {} {}", answer.status, answer.body);
                status_urls.extend(answer.body["status_url"].as_str().map(str::to_owned));
                told.insert(key.clone(), if answer.status == 201 { Told::acknowledged(&answer.body) } else { Told::Unknown });
            }
            ensure!(attempt % 2 == 1 || !status_urls.is_empty(), "no result was late");
            let early = done(&here, &status_urls).await?;
            ensure!(early.is_empty(), "{early:?} are done where their results did not arrive");
            lost.into_iter().for_each(proxy::Trap::release);
            eventually("their status is told once the results arrive", || async {
                Ok(done(&here, &status_urls).await?.len() == status_urls.len())
            })
            .await?;
        }
        told.extend(load.stop().await);
        stage.compare(&told, &mut [&mut deaf, &mut other]).await.map(drop)
    };
    servers(3, "result lost or late: 202 with a status URL, never a false success or failure", 2, 20).run(body).await
}

/// A command whose sender waits three seconds.
async fn impatient(client: &Client, key: &str) -> Result<Answer> {
    let key = format!("\"{key}\"");
    let headers = [("idempotency-key", key.as_str()), ("prefer", "wait=3")];
    let body = json!({ "queue": "late", "kind": "none" });
    client.call(Method::POST, "/v1/commands/work.SubmitJob", &headers, Some(&body)).await
}

/// Which of the commands are decided, as far as this gateway knows.
async fn done(client: &Client, urls: &[String]) -> Result<Vec<String>> {
    let mut done = Vec::new();
    for url in urls {
        let answer = client.get(url).await?;
        ensure!(matches!(answer.status, 200 | 404), "{url}: {} {}", answer.status, answer.body);
        if answer.body["state"] == "done" {
            done.push(url.clone());
        }
    }
    Ok(done)
}

const RESTARTED: &str = "SIGTERM to any part: work in flight is answered, none lost";

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_restart_under_load_answers_what_is_in_hand() -> Result<()> {
    let body = async |mut run: Run| {
        let mut world = World::start_with(Setup::without_analytics()).await?;
        let load = Load::start_on(&[world.client()], 8, PAUSE);
        for _ in 0..run.tries {
            after_some(&load, &mut run.rng).await?;
            ensure!(world.terminate().await?, "SIGTERM under load ends badly: {}", world.said());
            world.restart().await?;
        }
        let broken = load.broken();
        let told = load.stop().await;
        world.settle_and_terminate().await?;
        let (truth, _) = oracle::check(world.data()).await?;
        told_is_true(&told, &truth)?;
        what_was_taken_was_answered(&broken, &told, &truth)
    };
    embedded(4, RESTARTED, 3, 50).run(body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_restart_of_two_gateways_and_writers_answers_what_is_in_hand() -> Result<()> {
    let body = async |mut run: Run| {
        let stage = Stage::start().await?;
        let mut one = World::start_with(stage.direct()).await?;
        let mut two = World::start_with(stage.direct()).await?;
        let load = Load::start_on(&[one.client(), two.client()], 8, PAUSE);
        for attempt in 0..run.tries {
            after_some(&load, &mut run.rng).await?;
            let leaving = if attempt % 2 == 0 { &mut one } else { &mut two };
            ensure!(leaving.terminate().await?, "SIGTERM under load ends badly: {}", leaving.said());
            after_some(&load, &mut run.rng).await?;
            leaving.restart().await?;
        }
        let (broken, told) = (load.broken(), load.stop().await);
        let truth = stage.compare(&told, &mut [&mut one, &mut two]).await?;
        what_was_taken_was_answered(&broken, &told, &truth)
    };
    servers(4, RESTARTED, 2, 50).run(body).await
}

/// A request may meet a connection that is being closed; then it was not taken, and there is only its repeat on record.
fn what_was_taken_was_answered(broken: &[(String, String)], told: &BTreeMap<String, Told>, truth: &Truth) -> Result<()> {
    for (key, why) in broken {
        let Some(Told::Acknowledged { command_id, .. }) = told.get(key) else { continue };
        let of_it = |entry: &&Entry| entry.envelope.command_id == *command_id;
        let count = truth.entries[&Stream::Commands].iter().filter(of_it).count();
        ensure!(count == 1, "{key} was taken and not answered ({why}): it is on record {count} times");
    }
    Ok(())
}
