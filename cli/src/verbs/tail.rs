//! `swarmlog tail`: the events of an aggregate as they come, over server-sent events.

use crate::{Done, Global, client::Client, output};
use futures::StreamExt;
use reqwest::Method;
use serde_json::Value;
use std::time::Duration;

/// Follow the events of an aggregate as they come.
#[derive(clap::Args)]
pub struct Tail {
    /// Type of the aggregate, for example job
    #[arg(value_name = "TYPE")]
    aggregate_type: String,
    /// Its identity
    id: String,
}

impl Tail {
    /// Prints events until Ctrl-C. A lost connection is taken up again behind the last event seen.
    pub async fn run(self, global: &Global) -> Done {
        let client = Client::new(global)?;
        let path = format!("/v1/aggregates/{}/{}/stream", self.aggregate_type, self.id);
        let mut last: Option<String> = None;
        loop {
            let mut request = client.request(Method::GET, &path);
            if let Some(seq) = &last {
                request = request.header("Last-Event-ID", seq);
            }
            match client.send(request).await {
                Ok(answer) => follow(global, answer, &mut last).await,
                // Only a stream that once ran is worth waiting for.
                Err(failure) if last.is_none() => return Err(failure),
                Err(_) => {}
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }
}

/// Prints the events of one connection until it ends.
async fn follow(global: &Global, answer: reqwest::Response, last: &mut Option<String>) {
    let mut chunks = answer.bytes_stream();
    let mut buffer = Vec::new();
    while let Some(Ok(chunk)) = chunks.next().await {
        buffer.extend_from_slice(&chunk);
        while let Some(end) = buffer.windows(2).position(|pair| pair == b"\n\n") {
            let block: Vec<u8> = buffer.drain(..end + 2).collect();
            for line in String::from_utf8_lossy(&block).lines() {
                if let Some(id) = line.strip_prefix("id:") {
                    *last = Some(id.trim().to_owned());
                } else if let Some(data) = line.strip_prefix("data:")
                    && let Ok(event) = serde_json::from_str::<Value>(data.trim())
                {
                    let text = |key: &str| output::text(&event[key]);
                    output::object(global.output, &event, || {
                        format!("{:>4} {} {} {}", text("seq"), text("recorded_at"), text("type"), text("payload"))
                    });
                }
            }
        }
    }
}
