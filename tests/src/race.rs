//! Clients that race for the seqs of one aggregate.

use crate::{Answer, Client};
use anyhow::{Context, Result, ensure};
use reqwest::Method;
use serde_json::json;

/// Makes a job that a worker holds, which is then at seq 2.
pub async fn leased_job(client: &Client) -> Result<String> {
    let submitted = client.post("/v1/commands/work.SubmitJob", &json!({ "queue": "race", "kind": "none" })).await?;
    let job = submitted.body["aggregate"]["id"].as_str().context("the job was not submitted")?.to_owned();
    let lease = json!({ "job_id": job, "worker": "holder", "duration_ms": 3_600_000 });
    let leased = client.post("/v1/commands/work.LeaseJob", &lease).await?;
    ensure!(leased.status == 200 && leased.body["seq"] == 2, "{}", leased.body);
    Ok(job)
}

/// Renews the lease of a job under a condition.
pub async fn renew(client: &Client, job: &str, headers: &[(&str, &str)]) -> Result<Answer> {
    let body = json!({ "job_id": job, "fence": 1, "duration_ms": 3_600_000 });
    client.call(Method::POST, "/v1/commands/work.RenewLease", headers, Some(&body)).await
}

/// The actual seq that a mismatch says in its body and, unless there is no aggregate, as `ETag`.
pub fn actual_seq(answer: &Answer) -> Result<i64> {
    ensure!(answer.status == 412 && answer.body["code"] == "seq_mismatch", "{}: {}", answer.status, answer.body);
    let seq = answer.body["seq"].as_i64().context("a mismatch names no seq")?;
    let etag = if seq == 0 { String::new() } else { format!("\"{seq}\"") };
    ensure!(answer.header("etag") == etag, "the ETag is {}, the seq {seq}", answer.header("etag"));
    Ok(seq)
}
