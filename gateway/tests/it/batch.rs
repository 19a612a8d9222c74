//! Several commands in one request: each as if it came alone.

use crate::world::{Setting, World, job, problem};
use gateway::Limits;
use log::{LogError, Source};
use serde_json::{Value, json};
use std::collections::HashSet;
use uuid::Uuid;

const BATCH: &str = "/v1/commands:batch";

fn submit(body: Value) -> Value {
    json!({ "type": "work.SubmitJob", "body": body })
}

async fn results(world: &World, batch: &Value) -> Vec<Value> {
    let answer = world.post(BATCH, batch).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let mut body: Value = answer.json().await.unwrap();
    serde_json::from_value(body["results"].take()).unwrap()
}

/// Commands on the log.
async fn appended(world: &World) -> u64 {
    let mut all = 0;
    for partition in 0..world.log.partitions() {
        all += world.log.end(&Source { topic: "work.commands".into(), partition }).await.unwrap();
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn every_item_has_the_answer_that_it_would_have_alone_in_its_place() {
    let world = World::start().await;
    let absent = Uuid::now_v7();
    let batch = json!([
        submit(job("a")),
        { "type": "work.Nothing", "body": {} },
        submit(json!({ "queue": 1 })),
        { "type": "work.CancelJob", "body": { "job_id": absent } },
        { "type": "work.SubmitJob", "key": "once", "body": job("b") },
        { "type": "work.SubmitJob", "key": "once", "body": job("b") },
        { "type": "work.SubmitJob", "key": "once", "body": job("c") },
        { "type": "work.SubmitJob", "key": "", "body": job("a") },
        { "type": "work.SubmitJob", "expected_seq": -2, "body": job("a") },
        { "type": "work.CancelJob", "expected_seq": 7, "body": { "job_id": absent } },
    ]);
    let results = results(&world, &batch).await;
    let statuses: Vec<_> = results.iter().map(|result| result["status"].as_i64().unwrap()).collect();
    assert_eq!(statuses, [201, 404, 400, 404, 201, 201, 422, 400, 400, 412], "{results:?}");
    let codes: Vec<_> = results.iter().filter_map(|result| result["code"].as_str()).collect();
    let refusals = ["unknown_command", "invalid_body", "idempotency_key_reused", "invalid_body", "invalid_body", "seq_mismatch"];
    assert!(refusals.iter().all(|code| codes.contains(code)), "{codes:?}");
    assert_eq!(results[2]["errors"][0]["pointer"], "/queue");
    assert_eq!(results[1]["instance"], format!("{BATCH}#/1"));
    assert_eq!(results[4]["command_id"], results[5]["command_id"]);
    assert_eq!(results[4]["seq"], results[5]["seq"]);
    let request = world.post("/v1/commands/work.SubmitJob", &job("b")).header("idempotency-key", "\"once\"");
    let alone: Value = request.send().await.unwrap().json().await.unwrap();
    assert_eq!(alone["command_id"], results[4]["command_id"], "a key means the same here and in the header");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_for_one_aggregate_are_decided_in_their_order_and_the_token_shows_all() {
    let world = World::start().await;
    let jobs: Vec<_> = (0..300).map(|_| Uuid::now_v7()).collect();
    let mut batch = Vec::new();
    for id in &jobs {
        let mut body = job("order");
        body["job_id"] = json!(id);
        batch.push(json!({ "type": "work.SubmitJob", "expected_seq": 0, "body": body }));
        batch.push(json!({ "type": "work.CancelJob", "expected_seq": 1, "body": { "job_id": id } }));
    }
    let answer = world.post(BATCH, &json!(batch)).send().await.unwrap();
    let token = answer.headers()["x-consistency-token"].clone();
    let body: Value = answer.json().await.unwrap();
    let results = body["results"].as_array().unwrap();
    for (pair, id) in results.chunks(2).zip(&jobs) {
        assert_eq!((&pair[0]["status"], &pair[0]["seq"], &pair[0]["aggregate"]["id"]), (&json!(201), &json!(1), &json!(id)));
        assert_eq!(
            (&pair[1]["status"], &pair[1]["seq"], &pair[1]["events"]),
            (&json!(200), &json!(2), &json!(["work.JobCancelled"]))
        );
    }
    let list = world.get("/v1/jobs?status=cancelled&queue=order&limit=500").header("x-consistency-token", token);
    let list: Value = list.send().await.unwrap().json().await.unwrap();
    let shown: HashSet<_> = list["items"].as_array().unwrap().iter().map(|job| job["job_id"].as_str().unwrap()).collect();
    assert_eq!(shown.len(), jobs.len());
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_bounded_and_what_concerns_one_command_is_no_header() {
    let world = World::start().await;
    let many = vec![submit(job("a")); 1001];
    problem(world.post(BATCH, &json!(many)).send(), 413, "too_large").await;
    for body in [json!({}), json!([1]), json!([{ "body": {} }]), json!([{ "type": "work.SubmitJob", "body": {}, "extra": 1 }])] {
        problem(world.post(BATCH, &body).send(), 400, "invalid_body").await;
    }
    let twice = world.post(BATCH, &json!([])).body(r#"[{"type":"work.SubmitJob","type":"work.SubmitJob","body":{}}]"#);
    problem(twice.send(), 400, "invalid_body").await;
    for header in ["idempotency-key", "if-match", "if-none-match"] {
        let request = world.post(BATCH, &json!([submit(job("a"))])).header(header, "\"1\"");
        problem(request.send(), 400, "invalid_header").await;
    }
    assert_eq!(appended(&world).await, 0);
    assert_eq!(results(&world, &json!([])).await, Vec::<Value>::new());
    // A key that is given twice within a body means different things to different readers, here as there.
    let doubled =
        world.post(BATCH, &json!([])).body(r#"[{"type":"work.SubmitJob","body":{"queue":"a","queue":"b","kind":"k"}}]"#);
    let doubled: Value = doubled.send().await.unwrap().json().await.unwrap();
    assert_eq!(doubled["results"][0]["status"], 400);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_only_accepted_can_be_asked_for() {
    let world = World::start().await;
    let batch = json!([submit(job("a")), { "type": "work.Nothing", "body": {} }, submit(job("b"))]);
    let answer = world.post(BATCH, &batch).header("prefer", "respond-async").send().await.unwrap();
    assert_eq!(answer.headers()["preference-applied"], "respond-async");
    let body: Value = answer.json().await.unwrap();
    let statuses: Vec<_> = body["results"].as_array().unwrap().iter().map(|result| result["status"].clone()).collect();
    assert_eq!(statuses, [202, 404, 202]);
    for place in [0, 2] {
        let url = body["results"][place]["status_url"].as_str().unwrap();
        world
            .eventually("the command is decided", async || {
                let status: Value = world.get(url).send().await.unwrap().json().await.unwrap();
                status["state"] == "done"
            })
            .await;
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_does_not_fit_is_not_begun() {
    let world = World::with(Setting { limits: Limits { commands: 2, ..Limits::default() }, ..Setting::default() }).await;
    problem(world.post(BATCH, &json!(vec![submit(job("a")); 3])).send(), 503, "busy").await;
    assert_eq!(appended(&world).await, 0);
    assert_eq!(results(&world, &json!(vec![submit(job("a")); 2])).await.len(), 2);
    world.stop().await;
    let fault = || LogError::Transient("away".to_owned());
    let world = World::with(Setting { fault: Some(fault), ..Setting::default() }).await;
    problem(world.post(BATCH, &json!([submit(job("a"))])).send(), 503, "log_unavailable").await;
    world.stop().await;
}
