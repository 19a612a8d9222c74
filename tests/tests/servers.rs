//! The same program on Kafka, PostgreSQL and S3, each a real server of this test's own.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use anyhow::{Result, ensure};
use local::Server;
use std::time::Duration;
use swarmlog_tests::{
    World,
    client::number,
    load::{Load, Told, in_the_middle, told_is_true},
    oracle,
    world::eventually,
};

const BOUND: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread")]
async fn kills_of_the_program_the_broker_and_the_database_lose_and_double_nothing() -> Result<()> {
    let mut world = World::start_on_servers().await?;
    let load = Load::start(&world.client(), 8);
    in_the_middle(&load).await?;
    for _ in 0..3 {
        world.kill()?;
        world.restart().await?;
        in_the_middle(&load).await?;
    }
    for server in [Server::Kafka, Server::Postgres] {
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
    eventually("ClickHouse has every event once", BOUND, || async {
        let row = client.sql("SELECT count() AS n, uniqExact(event_id) AS u FROM events").await?.remove(0);
        ensure!(number(&row["n"]) == number(&row["u"]), "ClickHouse holds an event twice: {row}");
        Ok(number(&row["n"]) >= acknowledged)
    })
    .await?;
    world.settle_and_terminate().await?;
    let (truth, _) = oracle::check_servers(world.servers()?.addresses()).await?;
    told_is_true(&told, &truth)
}
