//! A thousand clients race for every seq of one aggregate and one wins each; and what was answered once under a key is
//! answered so ever after, by whichever writer.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use reqwest::Method;
use serde_json::{Value, json};
use std::{collections::BTreeSet, time::Duration};
use swarmlog_tests::{
    Answer, Client, World,
    cluster::Cluster,
    oracle,
    race::{Finish, Race, actual_seq, leased_job, renew},
    world::eventually,
};
use uuid::Uuid;

const CLIENTS: usize = 1_000;

#[tokio::test(flavor = "multi_thread")]
async fn of_a_thousand_clients_that_expect_the_same_one_wins_and_the_others_learn_the_seq() -> Result<()> {
    let mut world = World::start().await?;
    let client = world.client();
    let body = json!({ "job_id": Uuid::now_v7(), "queue": "race", "kind": "none" });
    let submit = || client.call(Method::POST, "/v1/commands/work.SubmitJob", &[("if-none-match", "*")], Some(&body));
    one_wins(1, 201, &try_join_all((0..CLIENTS).map(|_| submit())).await?)?;

    let job = leased_job(&client).await?;
    for seq in 2..5 {
        let expected = format!("\"{seq}\"");
        let headers = [("if-match", expected.as_str())];
        one_wins(seq + 1, 200, &try_join_all((0..CLIENTS).map(|_| renew(&client, &job, &headers))).await?)?;
    }
    let all = try_join_all((0..CLIENTS).map(|_| renew(&client, &job, &[("if-match", "*")]))).await?;
    let seqs: BTreeSet<i64> = all.iter().filter(|a| a.status == 200).filter_map(|a| a.body["seq"].as_i64()).collect();
    assert_eq!(seqs, (6..6 + CLIENTS as i64).collect(), "an aggregate that is there is all that * asks for");
    assert_eq!(actual_seq(&renew(&client, &job, &[("if-none-match", "*")]).await?)?, 5 + CLIENTS as i64);
    let absent = Uuid::now_v7().to_string();
    assert_eq!(actual_seq(&renew(&client, &absent, &[("if-match", "*")]).await?)?, 0);
    assert_eq!(actual_seq(&renew(&client, &absent, &[("if-match", "\"1\"")]).await?)?, 0);

    world.settle_and_terminate().await?;
    let (_, verdict) = oracle::check(world.data()).await?;
    assert_eq!(verdict.events, 1 + 2 + 3 + CLIENTS, "whoever lost left no event");
    Ok(())
}

/// One answer is the winner's, and all others say that the aggregate stands where it brought it.
fn one_wins(seq: i64, status: u16, answers: &[Answer]) -> Result<()> {
    let (winners, losers): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == status);
    ensure!(winners.len() == 1, "seq {seq} has {} winners", winners.len());
    ensure!(winners[0].body["seq"] == seq && winners[0].header("etag") == format!("\"{seq}\""), "{}", winners[0].body);
    for loser in losers {
        ensure!(actual_seq(loser)? == seq, "a loser is told another seq than {seq}: {}", loser.body);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_seq_has_one_winner_while_parts_come_and_go() -> Result<()> {
    let mut cluster = Cluster::start().await?;
    let gateways = [cluster.client("gateway-1")?, cluster.client("gateway-2")?];
    let job = leased_job(&gateways[0]).await?;
    let race = Race::start(&gateways, &job, CLIENTS);
    goes_on(&race).await?;
    for part in ["writer-1", "writer-2", "gateway-2"] {
        cluster.kill(part)?;
        goes_on(&race).await?;
        cluster.restart(part).await?;
    }
    for writer in ["writer-1", "writer-2"] {
        cluster.terminate(writer).await?;
        goes_on(&race).await?;
        cluster.restart(writer).await?;
    }
    let Finish { winners, lost, repeated } = race.finish().await?;
    println!("{CLIENTS} clients, {} seqs won, {lost} attempts lost, {repeated} repeated", winners.len());
    ensure!(lost > winners.len() && repeated > 0, "the race was no race");

    let [first, last] = [winners.keys().next(), winners.keys().next_back()].map(|seq| seq.copied().unwrap_or_default());
    ensure!(first == 3 && winners.len() as i64 == last - 2, "seqs {first} to {last} have {} winners", winners.len());
    gateways[0].caught_up().await?;
    let history = history(&gateways[0], &job).await?;
    ensure!(history.len() as i64 == last, "{} events, seq {last}", history.len());
    for (seq, command) in &winners {
        ensure!(history[*seq as usize - 1] == *command, "seq {seq}: {command} was told that it won");
    }
    for name in cluster.names() {
        cluster.terminate(name).await?;
    }
    oracle::check_servers(cluster.servers().addresses()).await?;
    Ok(())
}

/// Waits until some more seqs are won.
async fn goes_on(race: &Race) -> Result<()> {
    let enough = race.seq() + 3;
    eventually("the race goes on", || async { race.check().map(|()| race.seq() >= enough) }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_key_has_its_answer_whichever_writer_and_gateway_is_asked() -> Result<()> {
    let mut cluster = Cluster::start().await?;
    let gateways = [cluster.client("gateway-1")?, cluster.client("gateway-2")?];
    let answered = Answered::of_each_status(&gateways[0]).await?;
    for part in ["writer-1", "writer-2", "gateway-2"] {
        cluster.kill(part)?;
        answered.is_repeated_by(&gateways[0]).await?;
        cluster.restart(part).await?;
    }
    answered.is_repeated_by(&gateways[1]).await
}

/// The commands that caused the events of a job, in their order.
async fn history(client: &Client, job: &str) -> Result<Vec<String>> {
    let mut commands = Vec::new();
    loop {
        let path = format!("/v1/aggregates/job/{job}/history?after_seq={}&limit=500", commands.len());
        let page = client.get(&path).await?;
        let items = page.body["items"].as_array().with_context(|| page.body.to_string())?;
        commands.extend(items.iter().filter_map(|event| event["command_id"].as_str().map(str::to_owned)));
        if page.body["next_after_seq"].is_null() {
            return Ok(commands);
        }
    }
}

/// A command with a key, and what it was answered.
struct Keyed {
    name: &'static str,
    key: String,
    headers: Vec<(&'static str, String)>,
    body: Value,
    status: u16,
    said: Value,
}

/// Commands of every definite answer, on aggregates of several lanes.
struct Answered(Vec<Keyed>);

impl Answered {
    async fn of_each_status(client: &Client) -> Result<Self> {
        let mut all = Vec::new();
        for round in 0..6 {
            let (job, absent) = (Uuid::now_v7(), Uuid::now_v7());
            let submit = json!({ "job_id": job, "queue": "keys", "kind": "none" });
            for (place, (status, name, expected, body)) in [
                (201, "work.SubmitJob", None, submit.clone()),
                (409, "work.SubmitJob", None, submit),
                (412, "work.CancelJob", Some("\"7\""), json!({ "job_id": job })),
                (200, "work.CancelJob", Some("\"1\""), json!({ "job_id": job })),
                (404, "work.CancelJob", None, json!({ "job_id": absent })),
            ]
            .into_iter()
            .enumerate()
            {
                let key = format!("\"keyed-{round}-{place}\"");
                let mut headers = vec![("idempotency-key", key.clone())];
                headers.extend(expected.map(|expected| ("if-match", expected.to_owned())));
                let mut keyed = Keyed { name, key, headers, body, status, said: Value::Null };
                let answer = keyed.send(client, &keyed.body).await?;
                ensure!(answer.status == status, "{name}: {} instead of {status}: {}", answer.status, answer.body);
                keyed.said = stored(answer.body);
                all.push(keyed);
            }
        }
        Ok(Self(all))
    }

    /// Each is answered as before, also where the rules would now say otherwise; another body is refused.
    async fn is_repeated_by(&self, client: &Client) -> Result<()> {
        for keyed in &self.0 {
            let again = keyed.decided(client, &keyed.body).await?;
            let (status, said) = (again.status, stored(again.body));
            ensure!((status, &said) == (keyed.status, &keyed.said), "{}: {status} {said}, not {}", keyed.key, keyed.said);
            let mut other = keyed.body.clone();
            other[if keyed.name == "work.SubmitJob" { "kind" } else { "reason" }] = json!("other");
            let refused = keyed.decided(client, &other).await?;
            ensure!(refused.status == 422 && refused.body["code"] == "idempotency_key_reused", "{}", refused.body);
        }
        Ok(())
    }
}

impl Keyed {
    async fn send(&self, client: &Client, body: &Value) -> Result<Answer> {
        let headers: Vec<_> = self.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        client.call(Method::POST, &format!("/v1/commands/{}", self.name), &headers, Some(body)).await
    }

    /// Sends it until it is decided.
    async fn decided(&self, client: &Client, body: &Value) -> Result<Answer> {
        for _ in 0..20 {
            if let Ok(answer) = self.send(client, body).await
                && !matches!(answer.status, 202 | 503)
            {
                return Ok(answer);
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        anyhow::bail!("{} is not decided", self.key)
    }
}

/// What is stored of an answer: all but the trace of the request.
fn stored(mut body: Value) -> Value {
    if let Some(members) = body.as_object_mut() {
        members.remove("trace_id");
    }
    body
}
