//! `swarmlog sql`: a question to ClickHouse.

use crate::{Done, Global, client::Client, output, output::Form};
use reqwest::{Method, header};
use serde_json::json;

/// Ask ClickHouse; the tables are events and run_metrics.
#[derive(clap::Args)]
pub struct Sql {
    /// One SELECT
    #[arg(value_name = "SELECT")]
    statement: String,
}

impl Sql {
    /// Prints what ClickHouse answers.
    pub async fn run(self, global: &Global) -> Done {
        let accept = match global.output {
            Form::Text => "text/plain",
            Form::Json => "application/json",
            Form::Jsonl => "application/jsonl",
            Form::None => "text/plain",
        };
        let text = ask(&Client::new(global)?, &self.statement, accept).await?;
        if global.output != Form::None {
            output::print(text);
        }
        Ok(())
    }
}

/// The answer to a statement in the form that `accept` names.
pub async fn ask(client: &Client, statement: &str, accept: &str) -> Done<String> {
    let request =
        client.request(Method::POST, "/v1/analytics/sql").header(header::ACCEPT, accept).json(&json!({ "sql": statement }));
    Ok(client.send(request).await?.text().await?)
}
