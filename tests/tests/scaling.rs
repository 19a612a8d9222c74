//! From one writer process to three and back, under load on every lane.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use anyhow::{Result, ensure};
use std::time::Instant;
use swarmlog_tests::{Client, cluster::Cluster, lanes::LaneLoad, load::told_is_true, oracle, world::eventually};

#[tokio::test(flavor = "multi_thread")]
async fn three_writers_share_the_lanes_of_one_and_give_them_back_without_loss() -> Result<()> {
    let mut cluster = Cluster::start().await?;
    let gateways = [cluster.client("gateway-1")?, cluster.client("gateway-2")?];
    cluster.terminate("writer-2").await?;
    let load = LaneLoad::start(&gateways, 2);
    every_lane_goes_on(&load).await?;

    let steady = Instant::now();
    every_lane_goes_on(&load).await?;
    said("one writer", &load, steady);

    let out = Instant::now();
    cluster.restart("writer-2").await?;
    cluster.add("writer-3", &["writer"]).await?;
    for name in ["writer-1", "writer-2", "writer-3"] {
        let (writer, what) = (cluster.client(name)?, format!("{name} decides"));
        let before = decided(&writer).await?;
        eventually(&what, || async { Ok(decided(&writer).await? > before) }).await?;
    }
    every_lane_goes_on(&load).await?;
    said("out to three", &load, out);

    let back = Instant::now();
    for name in ["writer-3", "writer-2"] {
        cluster.terminate(name).await?;
        every_lane_goes_on(&load).await?;
    }
    said("back to one", &load, back);

    let told = load.finish().await?;
    gateways[0].caught_up().await?;
    for name in cluster.names().into_iter().filter(|name| !["writer-2", "writer-3"].contains(name)) {
        cluster.terminate(name).await?;
    }
    let (truth, _) = oracle::check_servers(cluster.servers().addresses()).await?;
    told_is_true(&told, &truth)?;
    ensure!(truth.results()?.len() == told.len(), "{} commands, {} results", told.len(), truth.results()?.len());
    println!("{} commands acknowledged, each decided once", told.len());
    Ok(())
}

/// Waits until every lane has acknowledged some more commands.
async fn every_lane_goes_on(load: &LaneLoad) -> Result<()> {
    let enough = load.fewest() + 50;
    eventually("every lane goes on", || async { Ok(load.fewest() >= enough) }).await
}

/// Prints how long each lane said nothing at most.
fn said(phase: &str, load: &LaneLoad, since: Instant) {
    let stalls: Vec<String> = load.stalls(since).iter().map(|stall| format!("{} ms", stall.as_millis())).collect();
    println!("{phase}: longest time without an acknowledged answer, per lane: {}", stalls.join(", "));
}

/// How many commands a writer has accepted.
async fn decided(writer: &Client) -> Result<u64> {
    let metrics = writer.text("/metrics").await?;
    let name = "swarmlog_writer_commands_total{outcome=\"accepted\"} ";
    Ok(metrics.lines().find_map(|line| line.strip_prefix(name)?.parse().ok()).unwrap_or_default())
}
