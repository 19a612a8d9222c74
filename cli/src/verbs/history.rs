//! `swarmlog history`: every event of an aggregate.

use crate::{Done, Global, client::Client, output};
use serde_json::Value;

/// Events asked for at once.
const PAGE: usize = 500;

/// Show every event of an aggregate.
#[derive(clap::Args)]
pub struct History {
    /// Type of the aggregate, for example job
    #[arg(value_name = "TYPE")]
    aggregate_type: String,
    /// Its identity
    id: String,
}

impl History {
    /// Prints the events, oldest first.
    pub async fn run(self, global: &Global) -> Done {
        let client = Client::new(global)?;
        let mut events: Vec<Value> = Vec::new();
        loop {
            let after = events.last().map_or(0, |event| event["seq"].as_i64().unwrap_or_default());
            let path = format!("/v1/aggregates/{}/{}/history?after_seq={after}&limit={PAGE}", self.aggregate_type, self.id);
            let mut answer = client.get(&path).await?;
            let Some(page) = answer["items"].as_array_mut() else { break };
            let count = page.len();
            events.append(page);
            if count < PAGE {
                break;
            }
        }
        output::list(
            global.output,
            &events,
            &[
                ("SEQ", |e| output::text(&e["seq"])),
                ("RECORDED AT", |e| output::text(&e["recorded_at"])),
                ("TYPE", |e| output::text(&e["type"])),
                ("ACTOR", |e| output::text(&e["actor"])),
                ("DATA", |e| output::text(&e["payload"])),
            ],
        );
        Ok(())
    }
}
