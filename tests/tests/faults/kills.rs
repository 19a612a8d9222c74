//! Kills of anything at any moment, many in a row; afterwards `swarmlog verify` finds nothing.
//!
//! No row of the table: it is what all rows together promise.

use crate::{PAUSE, embedded, servers};
use anyhow::{Context, Result, ensure};
use local::Server;
use rand::{Rng, seq::IndexedRandom};
use serde_json::Value;
use swarmlog_tests::{
    World,
    cluster::Cluster,
    load::{Load, after_some, told_is_true},
    oracle,
    scenario::Run,
    world::eventually,
};

const KILLED: &str = "random kills under load: everything acknowledged is there once, and verify is clean";

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_again_and_again_is_clean() -> Result<()> {
    let body = async |mut run: Run| {
        let mut world = World::start().await?;
        let load = Load::start_on(&[world.client()], 8, PAUSE);
        for _ in 0..run.tries {
            after_some(&load, &mut run.rng).await?;
            world.kill()?;
            world.restart().await?;
        }
        after_some(&load, &mut run.rng).await?;
        let told = load.stop().await;
        world.settle_and_terminate().await?;
        is_clean(world.verify().await?)?;
        told_is_true(&told, &oracle::check(world.data()).await?.0)
    };
    embedded(0, KILLED, 3, 500).run(body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_and_servers_that_are_killed_again_and_again_are_clean() -> Result<()> {
    let body = async |mut run: Run| {
        let mut cluster = Cluster::start().await?;
        let gateways = [cluster.client("gateway-1")?, cluster.client("gateway-2")?];
        let load = Load::start_on(&gateways, 8, PAUSE);
        let (parts, others) = (cluster.names(), [Server::Kafka, Server::Postgres, Server::Engine]);
        for _ in 0..run.tries {
            after_some(&load, &mut run.rng).await?;
            // A server dies less often than a part.
            if run.rng.random_ratio(1, 10) {
                let server = *others.choose(&mut run.rng).expect("there are some");
                cluster.servers().kill(server)?;
                cluster.servers().up(&[server])?;
            } else {
                let part = parts.choose(&mut run.rng).expect("there are some");
                cluster.kill(part)?;
                after_some(&load, &mut run.rng).await?;
                cluster.restart(part).await?;
            }
        }
        after_some(&load, &mut run.rng).await?;
        let told = load.stop().await;
        eventually("no read model lags", || async {
            let answer = gateways[0].get("/v1/projections").await?;
            let items = answer.body["items"].as_array().context("no read models")?;
            Ok(items.iter().all(|projection| projection["lag"] == 0))
        })
        .await?;
        is_clean(cluster.verify().await?)?;
        for name in cluster.names() {
            cluster.terminate(name).await?;
        }
        let (truth, _) = oracle::check_servers(cluster.servers().addresses()).await?;
        told_is_true(&told, &truth)
    };
    servers(0, KILLED, 3, 500).run(body).await
}

/// What `swarmlog verify` says of a sound system: nothing found, every read model compared.
fn is_clean((code, report, said): (Option<i32>, Value, String)) -> Result<()> {
    let compared = report["read_models"].as_array().is_some_and(|models| models.iter().all(|model| model["compared"] == true));
    ensure!(code == Some(0) && report["findings"] == Value::Array(Vec::new()) && compared, "{code:?} {said} {report:#}");
    println!("verify: {code:?}, {}", said.lines().last().unwrap_or_default());
    Ok(())
}
