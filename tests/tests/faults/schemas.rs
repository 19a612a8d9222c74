//! Row 31: a record that only a newer program can read.

use crate::embedded;
use anyhow::{Context, Result, ensure};
use log::{Append, Durability, Log, Source, sqlite::SqliteLog};
use schemas::envelope::Envelope;
use serde_json::json;
use std::path::Path;
use swarmlog_tests::{Setup, World, scenario::Run, world::eventually};
use uuid::Uuid;

/// The schema that a newer program would write next.
fn newer() -> u32 {
    schemas::locked_schemas().map(|(id, _)| id.0).max().unwrap_or_default() + 1
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_of_a_newer_schema_pauses_who_reads_it_and_nobody_else() -> Result<()> {
    let body = async |_: Run| {
        let mut world = World::start_with(Setup::without_analytics()).await?;
        let submit = json!({ "queue": "old", "kind": "none" });
        ensure!(world.client().post("/v1/commands/work.SubmitJob", &submit).await?.status == 201);
        world.settle_and_terminate().await?;
        append_newer_result(world.data()).await?;
        world.restart().await?;
        let client = world.client();
        eventually("the reader of results pauses and says why", || async {
            let health = client.get("/health").await?.body["dependencies"].to_string();
            Ok(health.contains(&format!("schema id {}", newer())) && health.contains("upgrade"))
        })
        .await?;
        let answer = client.post("/v1/commands/work.SubmitJob", &submit).await?;
        ensure!(answer.status == 201, "commands are not decided any more: {} {}", answer.status, answer.body);
        let path = format!("/v1/jobs/{}", answer.body["aggregate"]["id"].as_str().context("no id")?);
        let token = answer.header("x-consistency-token");
        let job = client.call(reqwest::Method::GET, &path, &[("x-consistency-token", token)], None).await?;
        ensure!(job.status == 200, "a reader of events stands still, too: {} {}", job.status, job.body);
        let models = client.get("/v1/projections").await?.body["items"].as_array().cloned().unwrap_or_default();
        let behind: Vec<_> = models.iter().filter(|model| model["lag"] != 0).map(|model| &model["name"]).collect();
        ensure!(behind == ["commands"], "{behind:?} stand still");
        Ok(())
    };
    embedded(31, "schema id newer than this program: that consumer pauses and says so", 1, 5).run(body).await
}

/// Appends a copy of the last result of the partition that has one, written with a newer schema.
async fn append_newer_result(data: &Path) -> Result<()> {
    let log = SqliteLog::open_default(data)?;
    for partition in 0..log.partitions() {
        let source = Source { topic: "work.results".into(), partition };
        let Some(record) = log.read(&source, 0, 100).await?.pop() else { continue };
        let mut envelope = Envelope::decode(&record.envelope)?;
        (envelope.id, envelope.command_id, envelope.idempotent) = (Uuid::now_v7(), Uuid::now_v7(), false);
        envelope.schema_id = newer().cast_signed();
        let (mut about, mut payload) = (Vec::new(), record.payload.to_vec());
        envelope.encode(&mut about)?;
        payload[1..5].copy_from_slice(&newer().to_be_bytes());
        let append = Append { source, key: record.key, envelope: about.into(), payload: payload.into(), time: record.time };
        log.append(vec![append], Durability::Durable).await?;
        return Ok(log.close().await?);
    }
    anyhow::bail!("no result")
}
