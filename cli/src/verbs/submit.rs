//! `swarmlog submit`: puts a job into a queue.

use crate::{
    Done, Global,
    client::Client,
    failure::{Exit, Failure},
    output,
};
use reqwest::Method;
use serde_json::{Value, json};

/// Put a job into a queue.
#[derive(clap::Args)]
pub struct Submit {
    /// Queue
    #[arg(long, env = "SWARMLOG_QUEUE", default_value = "demo")]
    queue: String,
    /// What the worker has to do
    #[arg(long, env = "SWARMLOG_KIND", default_value = "train.wine")]
    kind: String,
    /// normal, urgent or critical
    #[arg(long, env = "SWARMLOG_PRIORITY")]
    priority: Option<String>,
    /// Settings for the worker, a JSON object
    #[arg(long, env = "SWARMLOG_JOB_CONFIG", value_name = "JSON", default_value = "{}")]
    config: String,
    /// Identity of the job, a UUID [default: made from the command]
    #[arg(long, env = "SWARMLOG_JOB_ID", value_name = "UUID")]
    job_id: Option<String>,
    /// Idempotency-Key: the same key again means the same command
    #[arg(long, env = "SWARMLOG_KEY")]
    key: Option<String>,
}

impl Submit {
    /// Submits and prints the answer.
    pub async fn run(self, global: &Global) -> Done {
        let config: Value = serde_json::from_str(&self.config)
            .map_err(|error| Failure::new(Exit::Usage, format!("--config is not JSON: {error}")))?;
        let mut body = json!({ "queue": self.queue, "kind": self.kind, "config": config });
        if let Some(priority) = self.priority {
            body["priority"] = priority.into();
        }
        if let Some(id) = self.job_id {
            body["job_id"] = id.into();
        }
        let answer = submit(&Client::new(global)?, &body, self.key.as_deref()).await?;
        output::object(global.output, &answer, || {
            let text = |value: &Value| output::text(value);
            format!("{} submitted, seq {}", text(&answer["aggregate"]["id"]), text(&answer["seq"]))
        });
        Ok(())
    }
}

/// Sends `work.SubmitJob` and waits for the answer.
pub async fn submit(client: &Client, body: &Value, key: Option<&str>) -> Done<Value> {
    let mut request = client.request(Method::POST, "/v1/commands/work.SubmitJob").json(body);
    if let Some(key) = key {
        request = request.header("Idempotency-Key", format!("\"{key}\""));
    }
    Ok(client.send(request).await?.json().await?)
}
