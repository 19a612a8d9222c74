//! The worker protocol.

use crate::world::{World, id, job, problem};
use serde_json::{Value, json};
use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

async fn lease(world: &World, queue: &str, body: Value) -> Vec<Value> {
    let answer = world.post(&format!("/v1/queues/{queue}/lease"), &body).send().await.unwrap();
    assert_eq!(answer.status(), 200, "{:?}", answer.text().await);
    answer.json::<Value>().await.unwrap()["leases"].as_array().unwrap().clone()
}

async fn say(world: &World, lease: &Value, verb: &str, body: Value) -> Value {
    let path = format!("/v1/leases/{}/{verb}", lease["lease_id"].as_str().unwrap());
    let answer = world.post(&path, &body).send().await.unwrap();
    assert_eq!(answer.status(), 200, "{verb}: {:?}", answer.text().await);
    answer.json().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_leased_worked_on_and_completed() {
    let world = World::start().await;
    let said = world.submit("gpu").await;
    let leases = lease(&world, "gpu", json!({ "worker": "w1", "wait_ms": 10_000 })).await;
    let [granted] = &leases[..] else { panic!("{leases:?}") };
    assert_eq!(granted["job_id"], id(&said));
    assert_eq!(granted["lease_id"], format!("{}.1", id(&said)));
    assert_eq!((&granted["kind"], &granted["queue"]), (&json!("train.wine"), &json!("gpu")));
    assert_eq!((&granted["attempt"], &granted["max_attempts"]), (&json!(1), &json!(10)));
    assert_eq!((&granted["config"], &granted["checkpoint"]), (&json!({ "epochs": 3 }), &Value::Null));
    assert!(granted["until"].as_str().unwrap().ends_with('Z'));

    let renewed = say(&world, granted, "renew", json!({ "duration_ms": 60_000 })).await;
    assert_eq!((&renewed["ok"], &renewed["cancel"], &renewed["lost"]), (&json!(true), &json!(false), &json!(false)));
    assert!(renewed["until"].as_str().unwrap() > granted["until"].as_str().unwrap());
    assert_eq!(say(&world, granted, "progress", json!({ "step": 1, "total_steps": 3 })).await, json!({ "ok": true }));
    let checkpoint = json!({ "step": 1, "uri": "blob:x", "sha256": "0a".repeat(32), "size_bytes": 5 });
    say(&world, granted, "checkpoint", checkpoint.clone()).await;
    say(&world, granted, "complete", json!({ "result": { "rmse": 0.7 } })).await;
    let path = format!("/v1/leases/{}/progress", granted["lease_id"].as_str().unwrap());
    problem(world.post(&path, &json!({ "step": 2 })).send(), 409, "job_ended").await;
    let lost = say(&world, granted, "renew", json!({})).await;
    assert_eq!(lost, json!({ "ok": false, "cancel": false, "lost": true, "until": null }));
    world
        .eventually("the row says completed", async || {
            let row: Value = world.get(&format!("/v1/jobs/{}", id(&said))).send().await.unwrap().json().await.unwrap();
            row["status"] == "completed" && row["result"] == json!({ "rmse": 0.7 }) && row["checkpoint_step"] == 1
        })
        .await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_job_is_handed_to_two_workers() {
    let world = World::start().await;
    let jobs: HashSet<String> = futures::future::join_all((0..60).map(|_| world.submit("q"))).await.iter().map(id).collect();
    let worker = async |n: usize| {
        let mut mine = Vec::new();
        loop {
            let body = json!({ "worker": format!("w{n}"), "n": 3, "wait_ms": 1500 });
            let leases = lease(&world, "q", body).await;
            if leases.is_empty() {
                return mine;
            }
            mine.extend(leases.iter().map(|lease| lease["job_id"].as_str().unwrap().to_owned()));
        }
    };
    let handed_out: Vec<String> = futures::future::join_all((0..8).map(worker)).await.concat();
    assert_eq!(handed_out.len(), 60);
    assert_eq!(handed_out.into_iter().collect::<HashSet<_>>(), jobs);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn urgent_jobs_come_first() {
    let world = World::start().await;
    for priority in ["normal", "critical", "urgent"] {
        let mut body = job("q");
        body["priority"] = priority.into();
        body["kind"] = priority.into();
        let said: Value = world.post("/v1/commands/work.SubmitJob", &body).send().await.unwrap().json().await.unwrap();
        // In the read model before the next, so that the lease below sees all three.
        let path = format!("/v1/jobs/{}", id(&said));
        assert_eq!(
            world.get(&path).header("x-consistency-token", said["token"].as_str().unwrap()).send().await.unwrap().status(),
            200
        );
    }
    world
        .eventually("the queue is filled", async || {
            let answer = world.get("/v1/projections/job_queue").send().await.unwrap().json::<Value>().await.unwrap();
            answer["lag"] == 0 && answer["live"].is_u64()
        })
        .await;
    let leases = lease(&world, "q", json!({ "worker": "w", "n": 3, "wait_ms": 5000 })).await;
    let kinds: Vec<_> = leases.iter().map(|lease| lease["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["critical", "urgent", "normal"]);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_poll_is_woken_by_a_job_and_ends_in_time_without_one() {
    let world = World::start().await;
    world.submit("other").await;
    let start = Instant::now();
    world.eventually("the read model is there", async || world.get("/v1/jobs").send().await.unwrap().status() == 200).await;
    assert_eq!(lease(&world, "empty", json!({ "worker": "w", "wait_ms": 300 })).await.len(), 0);
    assert!(start.elapsed() >= Duration::from_millis(300));
    let (leases, said) = tokio::join!(lease(&world, "q", json!({ "worker": "w", "wait_ms": 20_000 })), world.submit("q"));
    assert_eq!(leases[0]["job_id"], id(&said));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_lease_is_taken_over_and_the_old_holder_is_told_so() {
    let world = World::start().await;
    world.submit("q").await;
    let first = lease(&world, "q", json!({ "worker": "slow", "duration_ms": 1000, "wait_ms": 10_000 })).await.remove(0);
    say(&world, &first, "checkpoint", json!({ "step": 4, "uri": "blob:x", "sha256": "0a".repeat(32), "size_bytes": 5 })).await;
    let second = lease(&world, "q", json!({ "worker": "fast", "wait_ms": 20_000 })).await.remove(0);
    assert_eq!((&second["fence"], &second["attempt"], &second["job_id"]), (&json!(2), &json!(2), &first["job_id"]));
    assert_eq!(second["checkpoint"]["step"], 4, "the next worker resumes from the checkpoint");
    assert_eq!(say(&world, &first, "renew", json!({})).await["lost"], true);
    let stale = format!("/v1/leases/{}", first["lease_id"].as_str().unwrap());
    for (verb, body) in [
        ("progress", json!({ "step": 9 })),
        ("checkpoint", json!({ "step": 9, "uri": "blob:x", "sha256": "0a".repeat(32), "size_bytes": 5 })),
        ("complete", json!({ "result": {} })),
        ("fail", json!({ "class": "transient", "message": "slow" })),
    ] {
        problem(world.post(&format!("{stale}/{verb}"), &body).send(), 409, "stale_fence").await;
    }
    say(&world, &second, "complete", json!({ "result": {} })).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_job_tells_its_worker() {
    let world = World::start().await;
    let said = world.submit("q").await;
    let granted = lease(&world, "q", json!({ "worker": "w", "wait_ms": 10_000 })).await.remove(0);
    let cancelled = world.post("/v1/commands/work.CancelJob", &json!({ "job_id": id(&said) })).send().await.unwrap();
    assert_eq!(cancelled.status(), 200);
    let renewed = say(&world, &granted, "renew", json!({})).await;
    assert_eq!((&renewed["ok"], &renewed["cancel"], &renewed["lost"]), (&json!(false), &json!(true), &json!(false)));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_lease_cannot_be_is_refused() {
    let world = World::start().await;
    for body in [
        json!({}),
        json!({ "worker": "../w" }),
        json!({ "worker": "w", "n": 0 }),
        json!({ "worker": "w", "n": 65 }),
        json!({ "worker": "w", "duration_ms": 1 }),
        json!({ "worker": "w", "wait_ms": 30_001 }),
        json!({ "worker": "w", "colour": "red" }),
    ] {
        let answer = world.post("/v1/queues/q/lease", &body).send().await.unwrap();
        assert_eq!(answer.status(), 400, "{body}");
    }
    problem(world.post("/v1/leases/nothing/renew", &json!({})).send(), 400, "invalid_id").await;
    let lease = "/v1/leases/0197c0de-0000-7000-8000-00000000dead.1";
    problem(world.post(&format!("{lease}/renew"), &json!({})).send(), 404, "job_absent").await;
    problem(world.post(&format!("{lease}/progress"), &json!({ "step": 1, "fence": 7 })).send(), 400, "invalid_body").await;
    world.stop().await;
}
