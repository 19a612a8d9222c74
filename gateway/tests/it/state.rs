//! The state of an aggregate, as it was.

use crate::world::{World, id, problem};
use schemas::{Decider, Message, work::JobEvent};
use serde_json::{Value, json};
use work::{Job, JobState};

async fn state(world: &World, path: &str, token: &str) -> (String, Value) {
    let answer = world.get(path).header("x-consistency-token", token).send().await.unwrap();
    assert_eq!(answer.status(), 200, "{path}");
    let etag = answer.headers()["etag"].to_str().unwrap().to_owned();
    (etag, answer.json().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_what_the_rules_fold_now_and_at_every_point_before() {
    let world = World::start().await;
    let job = id(&world.submit("state").await);
    let lease = json!({ "worker": "w", "n": 1, "wait_ms": 10_000 });
    let leased = world.post("/v1/queues/state/lease", &lease).send().await.unwrap();
    assert_eq!(leased.status(), 200);
    let cancelled = world.post("/v1/commands/work.CancelJob", &json!({ "job_id": job })).send().await.unwrap();
    let token = cancelled.headers()["x-consistency-token"].to_str().unwrap().to_owned();

    let base = format!("/v1/aggregates/job/{job}");
    let (_, history) = {
        let answer = world.get(&format!("{base}/history")).header("x-consistency-token", &token).send().await.unwrap();
        (answer.status(), answer.json::<Value>().await.unwrap())
    };
    let events = history["items"].as_array().unwrap();
    assert_eq!(events.len(), 3);
    let mut folded = JobState::default();
    for (seq, event) in (1..).zip(events) {
        Job::evolve(&mut folded, &JobEvent::from_json(event["type"].as_str().unwrap(), event["payload"].clone()).unwrap());
        let expected = json!({
            "aggregate": { "type": "job", "id": job }, "seq": seq, "recorded_at": event["recorded_at"],
            "state": serde_json::to_value(&folded).unwrap(),
        });
        let at = event["recorded_at"].as_str().unwrap();
        for path in [format!("{base}/state?at_seq={seq}"), format!("{base}/state?at={at}")] {
            assert_eq!(state(&world, &path, &token).await, (format!("\"{seq}\""), expected.clone()), "{path}");
        }
    }
    let (etag, now) = state(&world, &format!("{base}/state"), &token).await;
    assert_eq!((etag.as_str(), &now["state"]["phase"]), ("\"3\"", &json!("cancelled")));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_there_is_not_shown() {
    let world = World::start().await;
    let submitted = world.submit("state").await;
    let (job, token) = (id(&submitted), submitted["token"].as_str().unwrap().to_owned());
    let ask = |query: &str| {
        let request = world.get(&format!("/v1/aggregates/job/{job}/state{query}"));
        request.header("x-consistency-token", &token).send()
    };
    problem(ask("?at=2000-01-01T00:00:00Z"), 404, "not_found").await;
    problem(ask("?at_seq=2"), 404, "not_found").await;
    for bad in ["?at_seq=0", "?at_seq=x", "?at=noon", "?at_seq=1&at=2030-01-01T00:00:00Z", "?limit=1"] {
        problem(ask(bad), 400, "invalid_parameter").await;
    }
    for path in ["/v1/aggregates/job/nobody/state", "/v1/aggregates/ghost/1/state"] {
        problem(world.get(path).send(), 404, "not_found").await;
    }
    world.stop().await;
}
