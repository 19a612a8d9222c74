//! The worker against a server that keeps the rules and misbehaves on demand.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use serde_json::{Value, json};
use std::{net::TcpListener, time::Duration};
use support::*;
use swarmlog_worker::{Config, Summary, WorkerError};

/// A job without pauses.
fn quick(seed: u64) -> Value {
    json!({ "seed": seed, "epoch_ms": 0 })
}

#[tokio::test]
async fn a_job_is_trained_reported_and_completed() {
    let stub = Stub::default();
    let address = stub.serve("127.0.0.1:0").await;
    let id = stub.submit("train.wine", json!({ "seed": 3, "epoch_ms": 0, "sweep": "first", "trial": 7 }));
    assert_eq!(work_off(address).await, Summary { completed: 1, ..Summary::default() });

    let job = stub.job(id);
    assert_eq!(job.status, "completed");
    assert_eq!(job.steps, (1..=10).collect::<Vec<u64>>());
    assert_eq!(job.checkpoints, job.steps);
    assert!(job.result["auc"].as_f64().unwrap() > 0.8, "{}", job.result);
    for (field, value) in [("seed", json!(3)), ("epochs", json!(10)), ("trial", json!(7)), ("train_rows", json!(1_280))] {
        assert_eq!(job.result[field], value);
    }
    let known = stub.known();
    assert!(known.blobs.contains_key(job.result_uri.unwrap().strip_prefix("blob:").unwrap()));
    assert_eq!((known.batches.len(), known.batch_posts), (10, 10));
    let mut points: Vec<(String, u64)> = Vec::new();
    for point in known.batches.values().flat_map(|batch| batch["points"].as_array().unwrap()) {
        assert_eq!(point["job_id"], json!(id));
        assert!(is_time(point["at"].as_str().unwrap()) && point["value"].is_f64());
        points.push((point["name"].as_str().unwrap().to_owned(), point["step"].as_u64().unwrap()));
    }
    points.sort();
    let expected = ["accuracy", "auc", "log_loss"].iter().flat_map(|name| (1..=10).map(|step| ((*name).to_owned(), step)));
    assert_eq!(points, expected.collect::<Vec<_>>());
}

/// `2026-11-21T02:00:00.000000Z`
fn is_time(text: &str) -> bool {
    let form: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    form == "0000-00-00T00:00:00.000000Z"
}

#[tokio::test]
async fn the_job_of_a_killed_worker_ends_with_the_same_model() {
    let stub = Stub::default();
    let address = stub.serve("127.0.0.1:0").await;
    let straight = stub.submit("train.wine", quick(11));
    work_off(address).await;
    let model = stub.job(straight).result_uri.unwrap();

    let id = stub.submit("train.wine", json!({ "seed": 11, "epoch_ms": 20 }));
    let mut killed = 0;
    while stub.job(id).status != "completed" {
        let before = stub.job(id).checkpoints.len();
        let worker = Working::start(config(address));
        eventually("two more checkpoints", || async {
            let job = stub.job(id);
            job.checkpoints.len() >= before + 2 || job.status == "completed"
        })
        .await;
        worker.task.abort();
        assert!(worker.task.await.unwrap_err().is_cancelled());
        killed += 1;
        // Its lease runs out.
        let mut known = stub.known();
        let job = known.jobs.get_mut(&id).unwrap();
        if job.status != "completed" {
            job.status = "queued";
        }
    }
    assert!(killed >= 4, "{killed}");
    assert_eq!(stub.job(id).checkpoints, (1..=10).collect::<Vec<u64>>());
    assert_eq!(stub.job(id).result_uri, Some(model), "the model differs from that of an uninterrupted training");
    assert_eq!(stub.known().batches.len(), 20, "a step counted twice or not at all");
}

#[tokio::test]
async fn a_shutdown_hands_the_job_back_with_its_checkpoint() {
    let stub = Stub::default();
    let address = stub.serve("127.0.0.1:0").await;
    let id = stub.submit("train.wine", json!({ "epoch_ms": 60_000 }));
    let worker = Working::start(config(address));
    eventually("an epoch is done", || async { stub.job(id).steps == [1] }).await;
    assert_eq!(worker.stop().await, Summary { handed_back: 1, ..Summary::default() });
    let job = stub.job(id);
    assert_eq!((job.status, &job.checkpoints[..]), ("queued", &[1][..]));
    assert_eq!(job.error.unwrap().0, "transient");
}

#[tokio::test]
async fn an_idle_worker_ends_at_the_shutdown() {
    let stub = Stub::default();
    let worker = Working::start(config(stub.serve("127.0.0.1:0").await));
    assert_eq!(worker.stop().await, Summary::default());
}

#[tokio::test]
async fn a_cancelled_job_is_dropped_at_once_and_the_next_one_taken() {
    let stub = Stub::default();
    let address = stub.serve("127.0.0.1:0").await;
    let endless = stub.submit("train.wine", json!({ "epoch_ms": 60_000 }));
    let next = stub.submit("train.wine", quick(1));
    let worker = Working::start(Config { lease: Duration::from_millis(90), ..config(address) });
    eventually("the first is renewed", || async { stub.job(endless).renewals >= 3 && stub.job(endless).steps == [1] }).await;
    stub.known().jobs.get_mut(&endless).unwrap().status = "cancelled";
    eventually("the next is completed", || async { stub.job(next).status == "completed" }).await;
    let summary = worker.stop().await;
    assert_eq!((summary.lost, summary.completed), (1, 1));
    assert_eq!(stub.job(endless).steps, [1]);
}

#[tokio::test]
async fn a_lease_that_went_to_another_worker_is_dropped() {
    let stub = Stub::default();
    let address = stub.serve("127.0.0.1:0").await;
    let id = stub.submit("train.wine", json!({ "epoch_ms": 50 }));
    let worker = Working::start(config(address));
    eventually("it works", || async { !stub.job(id).steps.is_empty() }).await;
    stub.known().jobs.get_mut(&id).unwrap().fence += 1;
    // The refusal of a word tells, long before the first renewal.
    let next = stub.submit("train.wine", quick(1));
    eventually("the next is completed", || async { stub.job(next).status == "completed" }).await;
    assert_eq!(worker.stop().await, Summary { completed: 1, lost: 1, ..Summary::default() });
    assert_eq!(stub.job(id).status, "running");
}

#[tokio::test]
async fn a_completion_whose_answer_was_lost_is_recognised() {
    let stub = Stub::default();
    let address = stub.serve("127.0.0.1:0").await;
    let id = stub.submit("train.wine", quick(1));
    stub.known().lose_answer_of = vec!["checkpoint", "progress", "complete"];
    assert_eq!(work_off(address).await, Summary { completed: 1, ..Summary::default() });
    let known = stub.known();
    assert!(known.lose_answer_of.is_empty());
    assert_eq!(known.jobs[&id].attempts, 1);
    // Both tries were the same command.
    let key = format!("\"{id}.1.complete\"");
    assert_eq!(known.keys, [key.clone(), key]);
}

#[tokio::test]
async fn a_view_that_is_older_than_the_refusal_is_looked_at_again() {
    let stub = Stub::default();
    let address = stub.serve("127.0.0.1:0").await;
    stub.submit("train.wine", quick(1));
    stub.known().lose_answer_of = vec!["complete"];
    stub.known().old_views = 3;
    assert_eq!(work_off(address).await, Summary { completed: 1, ..Summary::default() });
    assert_eq!(stub.known().old_views, 0);
}

#[tokio::test]
async fn a_completion_that_was_not_ours_is_not_claimed() {
    let stub = Stub::default();
    let address = stub.serve("127.0.0.1:0").await;
    stub.submit("train.wine", quick(1));
    // The server never carried the first word out, and another worker has the job since.
    stub.known().lose_answer_of = vec!["complete"];
    stub.known().after_loss = Some(|job| {
        job.status = "running";
        job.fence += 1;
    });
    assert_eq!(work_off(address).await, Summary { lost: 1, ..Summary::default() });
}

#[tokio::test]
async fn a_busy_server_is_asked_again() {
    let stub = Stub::default();
    let address = stub.serve("127.0.0.1:0").await;
    let id = stub.submit("train.wine", quick(1));
    stub.known().refusals = [503, 500, 429, 202, 408].into();
    assert_eq!(work_off(address).await, Summary { completed: 1, ..Summary::default() });
    assert_eq!(stub.job(id).attempts, 1);
}

#[tokio::test]
async fn a_server_that_is_away_is_waited_for() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let worker = Working::start(config(address));
    // The connection is refused at once, so the worker has met it by the time that another request has.
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
    let stub = Stub::default();
    let id = stub.submit("train.wine", quick(1));
    stub.serve(&address.to_string()).await;
    eventually("the job is done", || async { stub.job(id).status == "completed" }).await;
    assert_eq!(worker.stop().await.completed, 1);
}

#[tokio::test]
async fn a_worker_without_a_good_token_ends_and_says_why() {
    let stub = Stub::default();
    let address = stub.serve("127.0.0.1:0").await;
    for token in [None, Some("guess".to_owned())] {
        let refused = Working::start(Config { token, ..config(address) }).end().await.unwrap_err();
        assert!(matches!(&refused, WorkerError::Unauthorized { status: 401, .. }), "{refused}");
        assert!(refused.to_string().contains("--token"));
    }
}

#[tokio::test]
async fn what_the_worker_cannot_do_fails_for_good_with_a_reason() {
    let stub = Stub::default();
    let address = stub.serve("127.0.0.1:0").await;
    let strange = stub.submit("train.mnist", json!({}));
    let wrong = stub.submit("train.wine", json!({ "alpha": -1 }));
    let unknown = stub.submit("train.wine", json!({ "gpu": true }));
    assert_eq!(work_off(address).await, Summary { failed: 3, ..Summary::default() });
    for (id, word) in [(strange, "train.mnist"), (wrong, "alpha"), (unknown, "gpu")] {
        let job = stub.job(id);
        let (class, message) = job.error.unwrap();
        assert!(job.status == "failed" && class == "permanent" && message.contains(word), "{message}");
    }
}

#[tokio::test]
async fn a_checkpoint_that_is_gone_or_damaged_costs_time_but_not_the_job() {
    let stub = Stub::default();
    let address = stub.serve("127.0.0.1:0").await;
    let straight = stub.submit("train.wine", quick(4));
    work_off(address).await;
    let model = stub.job(straight).result_uri;
    for damage in ["gone", "damaged"] {
        let id = stub.submit("train.wine", json!({ "seed": 4, "epoch_ms": 10 }));
        let worker = Working::start(config(address));
        eventually("some epochs are done", || async { stub.job(id).checkpoints.len() >= 3 }).await;
        worker.stop().await;
        {
            let mut known = stub.known();
            let sha256 = known.jobs[&id].checkpoint.as_ref().unwrap()["sha256"].as_str().unwrap().to_owned();
            match damage {
                "gone" => drop(known.blobs.remove(&sha256)),
                _ => drop(known.blobs.insert(sha256, "nonsense".into())),
            }
        }
        assert_eq!(work_off(address).await.completed, 1, "{damage}");
        assert_eq!(stub.job(id).result_uri, model, "{damage}");
    }
}
