//! Rebuilds and sweeps of real jobs go on, whatever dies in their middle.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use anyhow::{Context, Result, ensure};
use serde_json::json;
use std::process::Child;
use swarmlog_tests::{
    World,
    client::number,
    load::{Load, in_the_middle, told_is_true},
    oracle,
    world::eventually,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_under_load_ends_in_identical_rows_whatever_is_killed() -> Result<()> {
    let mut world = World::start().await?;
    let load = Load::start(&world.client(), 4);
    in_the_middle(&load).await?;
    let output = world.verb(&["projections", "rebuild", "jobs"]);
    let said = run(output).await?;
    ensure!(said.contains("identical"), "{said}");
    world.client().post("/v1/projections/history/rebuild", &json!({})).await?;
    world.kill()?;
    world.restart().await?;
    let client = world.client();
    eventually("the rebuild goes on after a kill", || async {
        let status = client.get("/v1/projections/history").await?;
        let generations = status.body["generations"].as_array().cloned().unwrap_or_default();
        Ok(generations.iter().all(|g| g["state"] != "building"))
    })
    .await?;
    let told = load.stop().await;
    world.settle_and_terminate().await?;
    let (truth, _) = oracle::check(world.data()).await?;
    told_is_true(&told, &truth)
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_kills_of_workers_and_ten_of_the_server_in_a_sweep_complete_every_job() -> Result<()> {
    let mut world = World::start().await?;
    let client = world.client();
    for trial in 0..6 {
        let config = json!({ "seed": trial, "alpha": 0.05, "epochs": 5, "epoch_ms": 200 });
        let body = json!({ "queue": "wine", "kind": "train.wine", "config": config });
        let answer = client.command("work.SubmitJob", &format!("trial-{trial}"), &body).await?;
        ensure!(answer.status == 201, "{}", answer.body);
    }
    let mut workers: Vec<Child> = (0..2).map(|n| worker(&world, n)).collect::<Result<_>>()?;
    for kill in 0..10_usize {
        let before = checkpoints(&client).await?;
        eventually("a checkpoint is recorded", || async {
            Ok(completed(&client).await? == 6 || checkpoints(&client).await? > before)
        })
        .await?;
        let victim = kill % 2;
        workers[victim].kill()?;
        workers[victim].wait()?;
        workers[victim] = worker(&world, kill + 2)?;
        world.kill()?;
        world.restart().await?;
    }
    eventually("every job completes", || async { Ok(completed(&client).await? == 6) }).await?;
    for mut worker in workers {
        worker.kill()?;
        worker.wait()?;
    }
    let points = "SELECT count() AS n, uniqExact(job_id, name, step) AS u FROM run_metrics WHERE name = 'auc'";
    eventually("every point is in ClickHouse once", || async {
        let row = client.sql(points).await?.remove(0);
        Ok(number(&row["u"]) == 30)
    })
    .await?;
    world.settle_and_terminate().await?;
    oracle::check(world.data()).await?;
    Ok(())
}

fn worker(world: &World, number: usize) -> Result<Child> {
    world.verb(&["worker", "--queue", "wine", "--name", &format!("w{number}")]).spawn().context("cannot start a worker")
}

async fn jobs(client: &swarmlog_tests::Client) -> Result<Vec<serde_json::Value>> {
    match client.get("/v1/jobs?queue=wine&limit=100").await {
        Ok(answer) => Ok(answer.body["items"].as_array().cloned().unwrap_or_default()),
        Err(_) => Ok(Vec::new()),
    }
}

async fn completed(client: &swarmlog_tests::Client) -> Result<usize> {
    Ok(jobs(client).await?.iter().filter(|job| job["status"] == "completed").count())
}

async fn checkpoints(client: &swarmlog_tests::Client) -> Result<i64> {
    Ok(jobs(client).await?.iter().filter_map(|job| job["checkpoint_step"].as_i64()).sum())
}

async fn run(mut command: std::process::Command) -> Result<String> {
    let output = tokio::task::spawn_blocking(move || command.output()).await??;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
