//! A few jobs that live through the protocol, and the events that this must leave behind.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use swarmlog_tests::{Answer, Client};

/// An event that must be found: the fields of its payload as somebody who reads Avro sees them.
#[derive(Debug, Clone)]
pub struct Expected {
    /// Identity of the job.
    pub job: String,
    /// Full name of the record.
    pub r#type: &'static str,
    /// The payload, but for moments.
    pub payload: Value,
    /// Fields that hold a moment.
    pub moments: &'static [&'static str],
}

async fn done(answer: Result<Answer>) -> Result<Answer> {
    let answer = answer?;
    ensure!(matches!(answer.status, 200 | 201), "{}: {}", answer.status, answer.body);
    Ok(answer)
}

/// A job that is submitted: `config` as it is sent, and as its canonical text.
async fn submitted(client: &Client, queue: &str, priority: &str, config: Value, canonical: &str) -> Result<Expected> {
    let body = json!({ "queue": queue, "kind": "train.wine", "priority": priority, "config": config, "max_attempts": 3 });
    let answer = done(client.post("/v1/commands/work.SubmitJob", &body).await).await?;
    let job = answer.body["aggregate"]["id"].as_str().context("an id")?.to_owned();
    let payload = json!({
        "job_id": job, "queue": queue, "kind": "train.wine", "priority": priority, "config": canonical, "max_attempts": 3,
    });
    Ok(Expected { job, r#type: "work.JobSubmitted", payload, moments: &[] })
}

/// A job that is submitted and nothing else.
pub async fn waiting(client: &Client) -> Result<Vec<Expected>> {
    Ok(vec![submitted(client, "idle", "normal", json!({}), "{}").await?])
}

/// A job that is submitted and cancelled.
pub async fn cancelled(client: &Client) -> Result<Vec<Expected>> {
    let config = json!({ "z": [1.5, null], "a": "\u{1f41d}\n" });
    let first = submitted(client, "idle", "urgent", config, "{\"a\":\"\u{1f41d}\\n\",\"z\":[1.5,null]}").await?;
    let reason = "not wanted any more: ¡no!";
    done(client.post("/v1/commands/work.CancelJob", &json!({ "job_id": first.job, "reason": reason })).await).await?;
    let payload = json!({ "job_id": first.job, "reason": reason });
    let second = Expected { job: first.job.clone(), r#type: "work.JobCancelled", payload, moments: &[] };
    Ok(vec![first, second])
}

/// A job that a worker takes, holds, reports on and completes.
pub async fn completed(client: &Client) -> Result<Vec<Expected>> {
    let mut events = vec![submitted(client, "busy", "critical", json!({ "seed": 7 }), "{\"seed\":7}").await?];
    let job = events[0].job.clone();
    let leases = done(client.post("/v1/queues/busy/lease", &json!({ "worker": "w-1", "wait_ms": 20_000 })).await).await?;
    let lease = leases.body.pointer("/leases/0/lease_id").and_then(Value::as_str).context("a lease")?;
    let sha = "0a".repeat(32);
    let said = [
        ("renew", json!({ "duration_ms": 60_000 })),
        ("progress", json!({ "step": 1, "total_steps": 3 })),
        ("progress", json!({ "step": 5_000_000_000_i64, "message": "far" })),
        ("checkpoint", json!({ "step": 2, "uri": "blob:x", "sha256": sha, "size_bytes": 5 })),
        ("complete", json!({ "result": { "auc": 0.9 }, "result_uri": "blob:y" })),
    ];
    for (verb, body) in &said {
        done(client.post(&format!("/v1/leases/{lease}/{verb}"), body).await).await?;
    }
    let mut add = |r#type, mut payload: Value, moments| {
        payload["job_id"] = json!(job);
        payload["fence"] = json!(1);
        events.push(Expected { job: job.clone(), r#type, payload, moments });
    };
    add("work.JobLeased", json!({ "worker": "w-1", "attempt": 1 }), &["until"]);
    add("work.LeaseRenewed", json!({}), &["until"]);
    add("work.JobProgressed", json!({ "step": 1, "total_steps": 3, "message": null }), &[]);
    add("work.JobProgressed", json!({ "step": 5_000_000_000_i64, "total_steps": null, "message": "far" }), &[]);
    add("work.CheckpointRecorded", json!({ "step": 2, "uri": "blob:x", "sha256": sha, "size_bytes": 5 }), &[]);
    add("work.JobCompleted", json!({ "result": "{\"auc\":0.9}", "result_uri": "blob:y" }), &[]);
    Ok(events)
}
