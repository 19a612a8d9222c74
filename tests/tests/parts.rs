//! Every part as processes of their own, two of each, on real servers: killed in turn in the middle of a sweep.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use anyhow::{Result, ensure};
use local::Server;
use log::{
    Log,
    kafka::{KafkaConfig, KafkaLog},
};
use objects::{Objects, S3Config};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use swarmlog_tests::{
    Client,
    client::number,
    cluster::Cluster,
    load::{Load, Told, in_the_middle, told_is_true},
    oracle,
    world::eventually,
};

const JOBS: usize = 6;

#[tokio::test(flavor = "multi_thread")]
async fn kills_of_every_part_and_server_in_a_sweep_lose_and_double_nothing() -> Result<()> {
    let mut cluster = Cluster::start().await?;
    let (one, two) = (cluster.client("gateway-1")?, cluster.client("gateway-2")?);
    let mut sweep = BTreeMap::new();
    for trial in 0..JOBS {
        let config = json!({ "seed": trial, "alpha": 0.05, "epochs": 5, "epoch_ms": 200 });
        let body = json!({ "queue": "wine", "kind": "train.wine", "config": config });
        let answer = one.command("work.SubmitJob", &format!("trial-{trial}"), &body).await?;
        ensure!(answer.status == 201, "{}", answer.body);
        sweep.insert(format!("trial-{trial}"), Told::acknowledged(&answer.body));
    }
    let mut workers = Vec::new();
    for name in ["gateway-1", "gateway-2"] {
        workers.push(cluster.verb(name, &["worker", "--queue", "wine", "--name", name])?.spawn()?);
    }
    let load = Load::start(&two, 4);
    for name in cluster.names() {
        in_the_middle(&load).await?;
        cluster.kill(name)?;
        if !name.starts_with("gateway") {
            // The other one takes the work over before this one is back.
            taken_over(&cluster, name).await?;
            in_the_middle(&load).await?;
        }
        cluster.restart(name).await?;
    }
    for name in ["operational-1", "operational-2", "archive-1"] {
        in_the_middle(&load).await?;
        cluster.terminate(name).await?;
        taken_over(&cluster, name).await?;
        cluster.restart(name).await?;
    }
    for server in [Server::Kafka, Server::Postgres, Server::Engine] {
        in_the_middle(&load).await?;
        cluster.servers().kill(server)?;
        cluster.servers().up(&[server])?;
    }
    in_the_middle(&load).await?;
    eventually("every job completes", || async { Ok(completed(&one).await? == JOBS) }).await?;
    for mut worker in workers {
        worker.kill()?;
        worker.wait()?;
    }
    let mut told = load.stop().await;
    told.extend(sweep);
    two.caught_up().await?;
    eventually("every read model has one owner, and both have some", || async {
        let [mut all, others] = [read_models(&cluster, "operational-1").await?, read_models(&cluster, "operational-2").await?];
        let is_shared = !all.is_empty() && !others.is_empty();
        all.extend(others);
        all.sort_unstable();
        Ok(is_shared && all == every_read_model())
    })
    .await?;
    let acknowledged = told.values().filter(|told| matches!(told, Told::Acknowledged { .. })).count() as u64;
    eventually("ClickHouse has every event once", || analytics_are_whole(&two, acknowledged)).await?;
    for name in cluster.names() {
        cluster.terminate(name).await?;
    }
    let (truth, verdict) = oracle::check_servers(cluster.servers().addresses()).await?;
    told_is_true(&told, &truth)?;
    archive_is_whole(cluster.servers().addresses(), verdict.events).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_waits_for_a_server_that_is_away_at_its_start_and_names_it() -> Result<()> {
    let mut cluster = Cluster::start().await?;
    cluster.kill("gateway-1")?;
    cluster.servers().kill(Server::Postgres)?;
    let client = cluster.client("gateway-1")?;
    let mut gateway = cluster.launch("gateway-1")?;
    eventually("the gateway says what it waits for", || async {
        let Ok(answer) = client.get("/health").await else { return Ok(false) };
        let postgres = answer.body["dependencies"]["postgres"].as_str().unwrap_or_default();
        Ok(answer.status == 503 && postgres.starts_with("failing"))
    })
    .await?;
    let early = client.command("work.SubmitJob", "early", &json!({ "queue": "q", "kind": "none" })).await?;
    ensure!(early.status == 503 && early.body["code"] == "starting", "{}: {}", early.status, early.body);
    cluster.servers().up(&[Server::Postgres])?;
    eventually("the gateway works once the database is back", || async {
        let answer = client.command("work.SubmitJob", "early", &json!({ "queue": "q", "kind": "none" })).await;
        Ok(answer.is_ok_and(|answer| answer.status == 201 || answer.status == 200))
    })
    .await?;
    gateway.kill()?;
    gateway.wait()?;
    Ok(())
}

/// Waits until the other operational consumer has every read model that the one which ended had.
async fn taken_over(cluster: &Cluster, ended: &str) -> Result<()> {
    let other = match ended {
        "operational-1" => "operational-2",
        "operational-2" => "operational-1",
        _ => return Ok(()),
    };
    let what = format!("{other} takes over from {ended}");
    eventually(&what, || async { Ok(read_models(cluster, other).await? == every_read_model()) }).await
}

/// The read models that a part keeps, as far as it says that they follow the log.
async fn read_models(cluster: &Cluster, part: &str) -> Result<Vec<String>> {
    let Ok(answer) = cluster.client(part)?.get("/health").await else { return Ok(Vec::new()) };
    let components = answer.body["dependencies"].as_object().cloned().unwrap_or_default();
    let names = components.into_iter().filter(|(_, status)| status == "ready").map(|(name, _)| name);
    Ok(names.filter_map(|name| name.strip_prefix("projection ").map(str::to_owned)).collect())
}

fn every_read_model() -> Vec<String> {
    let mut names: Vec<String> = projections::all().iter().map(|projection| projection.name().to_owned()).collect();
    names.sort_unstable();
    names
}

/// Every event stands in the archive once, in files that tile.
async fn archive_is_whole(addresses: &local::Addresses, events: usize) -> Result<()> {
    let timeline = KafkaLog::connect(KafkaConfig::new(&addresses.kafka)).await?.timeline();
    let objects = Objects::s3(S3Config {
        endpoint: addresses.s3.clone(),
        bucket: addresses.credentials.bucket.clone(),
        region: "us-east-1".to_owned(),
        access_key: addresses.credentials.access_key.clone(),
        secret_key: addresses.credentials.secret_key.clone(),
        allow_http: true,
    })?;
    let report = consumer_archive::verify(&objects, timeline.0).await?;
    ensure!(report.is_sound() && report.records == events as u64, "{events} events in the log, in the archive {report:?}");
    Ok(())
}

async fn jobs(client: &Client) -> Result<Vec<Value>> {
    match client.get("/v1/jobs?queue=wine&limit=100").await {
        Ok(answer) => Ok(answer.body["items"].as_array().cloned().unwrap_or_default()),
        Err(_) => Ok(Vec::new()),
    }
}

async fn completed(client: &Client) -> Result<usize> {
    Ok(jobs(client).await?.iter().filter(|job| job["status"] == "completed").count())
}

async fn analytics_are_whole(client: &Client, acknowledged: u64) -> Result<bool> {
    // A server that came back a moment ago may not answer yet.
    let Ok(rows) = client.sql("SELECT count() AS n, uniqExact(event_id) AS u FROM events").await else { return Ok(false) };
    let row = &rows[0];
    ensure!(number(&row["n"]) == number(&row["u"]), "ClickHouse holds an event twice: {row}");
    Ok(number(&row["n"]) >= acknowledged)
}
