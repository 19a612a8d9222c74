//! The same program on Kafka, PostgreSQL, S3 and an engine over HTTP, each a real server of this test's own.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use anyhow::{Result, ensure};
use local::Server;
use serde_json::json;
use swarmlog_tests::{
    Client, World,
    client::number,
    load::{Load, Told, in_the_middle, told_is_true},
    oracle,
    world::eventually,
};

#[tokio::test(flavor = "multi_thread")]
async fn kills_of_the_program_and_of_its_servers_lose_and_double_nothing() -> Result<()> {
    let mut world = World::start_on_servers().await?;
    let load = Load::start(&world.client(), 8);
    in_the_middle(&load).await?;
    for _ in 0..3 {
        world.kill()?;
        world.restart().await?;
        in_the_middle(&load).await?;
    }
    for server in [Server::Kafka, Server::Postgres, Server::Engine] {
        world.servers()?.kill(server)?;
        world.servers()?.up(&[server])?;
        in_the_middle(&load).await?;
    }
    let output = world.verb(&["projections", "rebuild", "jobs"]).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    ensure!(String::from_utf8_lossy(&output.stdout).contains("identical"), "{}", String::from_utf8_lossy(&output.stdout));
    let told = load.stop().await;
    let acknowledged = told.values().filter(|t| matches!(t, Told::Acknowledged { .. })).count() as u64;
    let client = world.client();
    eventually("ClickHouse has every event once", || async {
        let row = client.sql("SELECT count() AS n, uniqExact(event_id) AS u FROM events").await?.remove(0);
        ensure!(number(&row["n"]) == number(&row["u"]), "ClickHouse holds an event twice: {row}");
        Ok(number(&row["n"]) >= acknowledged)
    })
    .await?;
    world.settle_and_terminate().await?;
    let (truth, _) = oracle::check_servers(world.servers()?.addresses()).await?;
    told_is_true(&told, &truth)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_on_servers_has_the_leaderboard_of_the_same_sweep_on_files() -> Result<()> {
    let sweep = |world: &World| -> Result<String> {
        let output = world.verb(&["sweep", "--name", "same", "--jobs", "4", "--workers", "2"]).output()?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?)
    };
    let on_servers = sweep(&World::start_on_servers().await?)?;
    let on_files = sweep(&World::start().await?)?;
    println!("{on_servers}");
    ensure!(on_servers.contains("auc") && on_servers.lines().count() > 4, "{on_servers}");
    assert_eq!(on_servers, on_files);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_away_is_named_and_work_resumes_by_itself() -> Result<()> {
    let world = World::start_on_servers().await?;
    let client = world.client();
    let is = |name: &'static str, begins: &'static str| {
        let client = client.clone();
        async move {
            let answer = client.get("/health").await?;
            Ok(answer.body["dependencies"][name].as_str().is_some_and(|status| status.starts_with(begins)))
        }
    };
    let engine = Client::new(&world.servers()?.addresses().clickhouse, "");
    for page in ["/livez", "/readyz", "/health", "/metrics"] {
        ensure!(engine.get(page).await?.status == 200, "the engine has no {page}");
    }
    for (server, name) in [(Server::Engine, "clickhouse"), (Server::S3, "s3")] {
        eventually("it is there", || is(name, "ready")).await?;
        world.servers()?.kill(server)?;
        eventually("it is named", || is(name, "degraded")).await?;
        let key = format!("without {name}");
        let answer = client.command("work.SubmitJob", &key, &json!({ "queue": "q", "kind": "none" })).await?;
        ensure!(answer.status == 201, "commands are taken without {name}: {}", answer.body);
        world.servers()?.up(&[server])?;
        eventually("it is back", || is(name, "ready")).await?;
    }
    eventually("both events are in ClickHouse", || async {
        let rows = client.sql("SELECT count() AS n FROM events").await;
        Ok(rows.is_ok_and(|rows| number(&rows[0]["n"]) == 2))
    })
    .await
}
