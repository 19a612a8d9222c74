//! Telemetry, blobs, analytics, operations.

use crate::world::{World, problem};
use log::Source;
use reqwest::Method;
use schemas::{Message, envelope::Envelope, telemetry::MetricPoints};
use serde_json::{Value, json};

const JOB: &str = "0197c0de-0000-7000-8000-000000000001";

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_on_the_log_when_it_is_answered() {
    let world = World::start().await;
    let points: Vec<_> = (0..1000).map(|step| json!({ "job_id": JOB, "name": "loss", "step": step, "value": 0.5 })).collect();
    let body = json!({ "source": "w1", "batch_id": JOB, "points": points, "lines": [
        { "job_id": JOB, "level": "info", "message": "epoch 1\ndone", "at": "2026-11-21T02:00:00Z" },
    ] });
    let answer = world.post("/v1/telemetry:batch", &body).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.json::<Value>().await.unwrap(), json!({ "accepted": 1001, "batch_id": JOB }));
    let key = schemas::key("default", "source", "w1");
    let partition = schemas::partition(key.as_bytes(), world.log.partitions());
    for (topic, name) in [("telemetry.metric", "telemetry.MetricPoints"), ("telemetry.log", "telemetry.LogLines")] {
        let records = world.log.read(&Source { topic: topic.into(), partition }, 0, 10).await.unwrap();
        let [record] = &records[..] else { panic!("{topic}: {}", records.len()) };
        let envelope = Envelope::decode(&record.envelope).unwrap();
        assert_eq!((envelope.r#type.as_str(), envelope.id.to_string().as_str()), (name, JOB));
        assert_eq!((envelope.aggregate_type.as_str(), envelope.aggregate_id.as_str(), envelope.seq), ("source", "w1", 0));
        if name == "telemetry.MetricPoints" {
            let batch = <MetricPoints as Message>::decode(name, &record.payload).unwrap();
            assert_eq!((batch.points.len(), batch.points[999].step), (1000, 999));
        }
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn telemetry_that_cannot_be_kept_is_refused_whole() {
    let world = World::start().await;
    let point = |value: Value| json!({ "job_id": JOB, "name": "loss", "step": 1, "value": value });
    let many: Vec<_> = (0..1001).map(|_| point(json!(1))).collect();
    problem(world.post("/v1/telemetry:batch", &json!({ "source": "w", "points": many })).send(), 413, "too_large").await;
    for body in [
        json!({ "source": "w" }),
        json!({ "source": "../w", "points": [point(json!(1))] }),
        json!({ "source": "w", "points": [point(json!(null))] }),
        json!({ "source": "w", "points": [point(json!("NaN"))] }),
        json!({ "source": "w", "points": [{ "job_id": "a/b", "name": "loss", "step": 1, "value": 1 }] }),
        json!({ "source": "w", "lines": [{ "job_id": JOB, "level": "loud", "message": "x" }] }),
        json!({ "source": "w", "lines": [{ "job_id": JOB, "level": "info", "message": "a\u{0}b" }] }),
        json!({ "source": "w", "lines": [{ "job_id": JOB, "level": "info", "message": "x", "at": "noon" }] }),
        json!({ "source": "w", "points": [point(json!(1))], "seq": 1 }),
    ] {
        assert_eq!(world.post("/v1/telemetry:batch", &body).send().await.unwrap().status(), 400, "{body}");
    }
    let huge = format!(r#"{{"source":"w","points":[{{"job_id":"{JOB}","name":"loss","step":1,"value":1e400}}]}}"#);
    let request = world.request(Method::POST, "/v1/telemetry:batch").header("content-type", "application/json").body(huge);
    assert_eq!(request.send().await.unwrap().status(), 400);
    for partition in 0..world.log.partitions() {
        assert_eq!(world.log.end(&Source { topic: "telemetry.metric".into(), partition }).await.unwrap(), 0);
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_is_what_its_name_says() {
    let world = World::start().await;
    let hash = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    let path = format!("/v1/blobs/{hash}");
    let put = |body: &'static str| world.request(Method::PUT, &path).body(body).send();
    problem(world.get(&path).send(), 404, "not_found").await;
    problem(put("goodbye"), 400, "invalid_body").await;
    let created = put("hello").await.unwrap();
    assert_eq!(created.status(), 201);
    assert_eq!(created.json::<Value>().await.unwrap(), json!({ "uri": format!("blob:{hash}"), "size_bytes": 5 }));
    assert_eq!(put("hello").await.unwrap().status(), 200, "it was there already");
    let read = world.get(&path).send().await.unwrap();
    assert_eq!(read.headers()["content-type"], "application/octet-stream");
    assert_eq!(read.text().await.unwrap(), "hello");
    problem(world.get("/v1/blobs/..%2f..%2fetc%2fpasswd").send(), 400, "invalid_id").await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn absent_analytics_say_why() {
    let world = World::start().await;
    let absent =
        problem(world.post("/v1/analytics/sql", &json!({ "sql": "SELECT 1" })).send(), 503, "analytics_unavailable").await;
    assert!(absent["detail"].as_str().unwrap().contains("install it"), "{absent}");
    let wrong = world.request(Method::POST, "/v1/analytics/sql").header("content-type", "text/csv").body("SELECT 1").send();
    problem(wrong, 415, "unsupported_media_type").await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_is_started_watched_and_switched() {
    let world = World::start().await;
    for _ in 0..30 {
        world.submit("q").await;
    }
    let show = async || world.get("/v1/projections/jobs").send().await.unwrap().json::<Value>().await.unwrap();
    world
        .eventually("the read model has caught up", async || {
            let shown = show().await;
            shown["live"].is_u64() && shown["lag"] == 0 && shown["generations"][0]["records_done"] == 30
        })
        .await;
    let before = show().await["live"].clone();
    let started = world.request(Method::POST, "/v1/projections/jobs/rebuild").send().await.unwrap();
    assert_eq!(started.status(), 202);
    assert_eq!(started.headers()["location"], "/v1/projections/jobs");
    let generation = started.json::<Value>().await.unwrap()["generation"].clone();
    assert_ne!(generation, before);
    world.eventually("the new generation is live", async || show().await["live"] == generation).await;
    let all = world.get("/v1/projections").send().await.unwrap().json::<Value>().await.unwrap();
    assert_eq!(all["items"].as_array().unwrap().len(), projections::all().len());
    problem(world.get("/v1/projections/nothing").send(), 404, "not_found").await;
    assert_eq!(world.get("/v1/parked").send().await.unwrap().json::<Value>().await.unwrap(), json!({ "items": [] }));
    world.stop().await;
}
