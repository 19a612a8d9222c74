//! The leaderboard of a sweep, by SQL on ClickHouse.

use crate::{Done, client::Client, output, verbs::sql};
use serde_json::Value;
use std::time::{Duration, Instant};

/// Prints the trials, best metric first, then by trial number, once `expected` results have reached ClickHouse.
pub async fn print(client: &Client, queue: &str, expected: usize, wait: Duration) -> Done {
    let end = Instant::now() + wait;
    loop {
        let answer: Value = serde_json::from_str(&sql::ask(client, &count(queue), "application/json").await?)?;
        let arrived =
            answer["data"][0]["n"].as_u64().or_else(|| answer["data"][0]["n"].as_str()?.parse().ok()).unwrap_or_default();
        if arrived >= expected as u64 || Instant::now() > end {
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    output::print(sql::ask(client, &leaderboard(queue), "text/plain").await?);
    Ok(())
}

/// Results of the queue that ClickHouse has: the completion and the metric points of the last epoch.
fn count(queue: &str) -> String {
    format!("SELECT count() AS n FROM ({})", leaderboard(queue))
}

fn leaderboard(queue: &str) -> String {
    format!(
        "WITH trials AS (SELECT aggregate_id AS job_id, JSONExtractInt(payload, 'config', 'trial') AS trial, \
         JSONExtractFloat(payload, 'config', 'alpha') AS alpha, JSONExtractFloat(payload, 'config', 'l2_ratio') AS l2_ratio \
         FROM events WHERE type = 'work.JobSubmitted' AND JSONExtractString(payload, 'queue') = '{queue}'), \
         ended AS (SELECT aggregate_id AS job_id FROM events WHERE type = 'work.JobCompleted'), \
         metrics AS (SELECT job_id, round(argMaxIf(value, step, name = 'auc'), 4) AS auc, \
         round(argMaxIf(value, step, name = 'log_loss'), 4) AS log_loss, max(step) AS epochs FROM run_metrics GROUP BY job_id) \
         SELECT trial, auc, log_loss, epochs, alpha, l2_ratio FROM trials \
         INNER JOIN ended ON ended.job_id = trials.job_id INNER JOIN metrics ON metrics.job_id = trials.job_id \
         ORDER BY auc DESC, trial ASC"
    )
}
