//! `swarmlog verify` after real load: clean if nothing is wrong, and what was planted is found and named.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use anyhow::{Context, Result, ensure};
use objects::{Objects, S3Config};
use schemas::row::Value as Cell;
use serde_json::Value;
use stores::{GenerationState, PostgresConfig, PostgresStore, SqliteStore, Store, Write};
use swarmlog_tests::{
    World,
    load::{Load, in_the_middle},
};

/// Exit codes.
const CLEAN: Option<i32> = Some(0);
const FOUND: Option<i32> = Some(7);
const HELD: Option<i32> = Some(5);
const ABSENT: Option<i32> = Some(3);

#[tokio::test(flavor = "multi_thread")]
async fn on_files_a_loaded_and_killed_system_is_clean_and_a_changed_row_is_named() -> Result<()> {
    let mut world = World::start().await?;
    let load = Load::start(&world.client(), 8);
    in_the_middle(&load).await?;
    let (code, _, said) = world.verify().await?;
    ensure!(code == HELD && said.contains("in use"), "a folder that a server holds is not opened: {code:?} {said}");
    world.kill()?;
    world.restart().await?;
    in_the_middle(&load).await?;
    load.stop().await;
    world.settle_and_terminate().await?;

    let (code, report, said) = world.verify().await?;
    ensure!(code == CLEAN && report["clean"] == true, "{code:?} {said} {report:#}");
    ensure!(said.contains("work.events/0: "), "progress names every partition: {said}");
    ensure!(compared(&report) && report["archive"]["records"].as_u64() > Some(0), "{report:#}");
    let rows: u64 = report["clickhouse"].as_array().into_iter().flatten().filter_map(|part| part["rows"].as_u64()).sum();
    ensure!(rows > 0, "ClickHouse was looked at: {report:#}");

    let key = change_a_job(&SqliteStore::open(world.data())?).await?;
    let (code, report, said) = world.verify().await?;
    ensure!(code == FOUND && said.contains("1 errors"), "{code:?} {said}");
    let finding = &report["findings"][0];
    ensure!(finding["code"] == "row_differs" && finding["place"]["key"] == key.as_str(), "{key} is not named: {finding:#}");

    std::fs::remove_file(world.data().join("log.db"))?;
    let (code, _, said) = world.verify().await?;
    ensure!(code == ABSENT && !world.data().join("log.db").exists(), "no log is made where there is none: {code:?} {said}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn on_servers_it_is_clean_under_load_and_names_what_was_changed_in_each() -> Result<()> {
    let mut world = World::start_on_servers().await?;
    let load = Load::start(&world.client(), 4);
    for _ in 0..2 {
        in_the_middle(&load).await?;
        let (code, report, said) = world.verify().await?;
        ensure!(code == CLEAN && compared(&report), "under load: {code:?} {said} {report:#}");
        world.kill()?;
        world.restart().await?;
    }
    load.stop().await;
    world.settle_and_terminate().await?;
    let (code, report, said) = world.verify().await?;
    ensure!(code == CLEAN && compared(&report), "{code:?} {said} {report:#}");
    ensure!(report["findings"] == Value::Array(Vec::new()), "nothing is left unchecked: {report:#}");

    let addresses = world.servers()?.addresses();
    change_a_job(&PostgresStore::connect(PostgresConfig::new(&addresses.postgres)).await?).await?;
    let timeline = report["timeline"].as_str().context("a timeline")?.parse()?;
    let source = log::Source { topic: "work.events".into(), partition: 0 };
    let stray = format!("{}/stray", consumer_archive::folder(timeline, &source));
    let s3 = S3Config {
        endpoint: addresses.s3.clone(),
        bucket: addresses.credentials.bucket.clone(),
        region: "us-east-1".into(),
        access_key: addresses.credentials.access_key.clone(),
        secret_key: addresses.credentials.secret_key.clone(),
        allow_http: true,
    };
    Objects::s3(s3)?.put_if_absent(&stray, "stray".into()).await?;
    let (code, report, said) = world.verify().await?;
    let codes: Vec<_> = report["findings"].as_array().into_iter().flatten().filter_map(|f| f["code"].as_str()).collect();
    ensure!(code == FOUND && codes == ["row_differs", "archive_damaged"], "{code:?} {said} {report:#}");
    Ok(())
}

/// Whether every read model was compared with a fold.
fn compared(report: &Value) -> bool {
    let models = report["read_models"].as_array();
    models.is_some_and(|models| !models.is_empty() && models.iter().all(|model| model["compared"] == true))
}

/// Changes the queue of some job, and answers the key of its row.
async fn change_a_job(store: &dyn Store) -> Result<String> {
    let generations = store.generations("jobs").await?;
    let live = generations.iter().find(|generation| generation.state == GenerationState::Live).context("a live generation")?;
    let mut row = store.snapshot(live.id).await?.rows(1).await?.pop().context("a row")?;
    let key = match row.get(..2) {
        Some([Cell::Text(tenant), Cell::Text(id)]) => format!("{tenant}/{id}"),
        other => anyhow::bail!("not a key: {other:?}"),
    };
    let queue = row.iter_mut().find(|cell| **cell == Cell::Text("load".into())).context("its queue")?;
    *queue = Cell::Text("another".into());
    store.write(Write { generation: live.id, upserts: vec![row], ..Write::default() }).await?;
    Ok(key)
}
