//! `swarmlog projections`: lists the read models and rebuilds one from the log.

use crate::{
    Done, Global,
    client::Client,
    failure::{Exit, Failure},
    output,
};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// List read models, or rebuild one from the log.
#[derive(clap::Args)]
pub struct Projections {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    /// Every read model with its generation and how far it is
    List,
    /// Fill a new generation from the log, compare it with the live one, and switch
    Rebuild {
        /// Name of the read model
        name: String,
    },
}

impl Projections {
    /// Runs the action.
    pub async fn run(self, global: &Global) -> Done {
        let client = Client::new(global)?;
        match self.action {
            Action::List => list(global, &client).await,
            Action::Rebuild { name } => rebuild(global, &client, &name).await,
        }
    }
}

async fn list(global: &Global, client: &Client) -> Done {
    let answer = client.get("/v1/projections").await?;
    let mut items = Vec::new();
    for projection in answer["items"].as_array().into_iter().flatten() {
        for generation in projection["generations"].as_array().into_iter().flatten() {
            let mut item = generation.clone();
            item["name"] = projection["name"].clone();
            item["parked"] = projection["parked"].clone();
            items.push(item);
        }
    }
    output::list(
        global.output,
        &items,
        &[
            ("NAME", |p| output::text(&p["name"])),
            ("VERSION", |p| output::text(&p["version"])),
            ("GENERATION", |p| output::text(&p["generation"])),
            ("STATE", |p| output::text(&p["state"])),
            ("RECORDS", |p| output::text(&p["records_done"])),
            ("LAG", |p| output::text(&p["lag"])),
            ("PARKED", |p| output::text(&p["parked"])),
            ("NOTE", |p| output::text(&p["note"])),
        ],
    );
    Ok(())
}

/// Starts a rebuild and follows it until the switch.
async fn rebuild(global: &Global, client: &Client, name: &str) -> Done {
    let started = Instant::now();
    let accepted = client.post(&format!("/v1/projections/{name}/rebuild"), &json!({})).await?;
    let generation = accepted["generation"].clone();
    let bar = ProgressBar::new(0);
    bar.set_style(ProgressStyle::with_template("{bar:30} {human_pos}/{human_len} records  {per_sec}  ETA {eta}")?);
    loop {
        let status = client.get(&format!("/v1/projections/{name}")).await?;
        let found = status["generations"].as_array().and_then(|all| all.iter().find(|g| g["generation"] == generation)).cloned();
        let Some(found) = found else {
            return Err(Failure::new(
                Exit::Failed,
                format!("generation {generation} of {name} is gone: see the log of the server"),
            ));
        };
        bar.set_length(found["records_total"].as_u64().unwrap_or_default());
        bar.set_position(found["records_done"].as_u64().unwrap_or_default());
        if found["state"] == "live" {
            bar.finish_and_clear();
            finished(global, name, &found, started.elapsed());
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn finished(global: &Global, name: &str, generation: &Value, took: Duration) {
    output::object(global.output, generation, || {
        let records = generation["records_done"].as_u64().unwrap_or_default();
        let seconds = took.as_secs_f64();
        format!(
            "{name} rebuilt as generation {}: {records} records in {seconds:.1} s ({:.0}/s), {}",
            generation["generation"],
            records as f64 / seconds.max(0.001),
            output::text(&generation["note"])
        )
    });
}
