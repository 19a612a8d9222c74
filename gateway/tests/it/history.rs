//! Histories and streams.

use crate::world::{Setting, World, id, problem};
use gateway::Limits;
use serde_json::{Value, json};
use std::time::Duration;

/// Makes a job with so many events.
async fn job_with_events(world: &World, count: i64) -> (String, String) {
    let said = world.submit("q").await;
    let job_id = id(&said);
    let mut token = said["token"].as_str().unwrap().to_owned();
    if count > 1 {
        token = lease(world, &job_id).await;
    }
    for step in 3..=count {
        token = progress(world, &job_id, step).await;
    }
    (job_id, token)
}

async fn lease(world: &World, job_id: &str) -> String {
    command(world, "LeaseJob", &json!({ "job_id": job_id, "worker": "w" })).await
}

async fn progress(world: &World, job_id: &str, step: i64) -> String {
    command(world, "ReportProgress", &json!({ "job_id": job_id, "fence": 1, "step": step })).await
}

async fn command(world: &World, name: &str, body: &Value) -> String {
    let answer = world.post(&format!("/v1/commands/work.{name}"), body).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.json::<Value>().await.unwrap()["token"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_is_read_in_pages() {
    let world = World::start().await;
    let (job_id, token) = job_with_events(&world, 7).await;
    let page = async |query: &str| -> Value {
        let path = format!("/v1/aggregates/job/{job_id}/history{query}");
        let answer = world.get(&path).header("x-consistency-token", &token).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        answer.json().await.unwrap()
    };
    let seqs =
        |page: &Value| -> Vec<i64> { page["items"].as_array().unwrap().iter().map(|e| e["seq"].as_i64().unwrap()).collect() };
    let whole = page("").await;
    assert_eq!(seqs(&whole), [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(whole["next_after_seq"], Value::Null);
    assert_eq!(whole["aggregate"], json!({ "type": "job", "id": job_id }));
    assert_eq!(whole["items"][1]["type"], "work.JobLeased");
    assert_eq!(whole["items"][1]["payload"]["fence"], 1);
    assert!(whole["items"][1]["payload"]["until"].as_str().unwrap().ends_with('Z'));
    let second = page("?after_seq=3&limit=2").await;
    assert_eq!((seqs(&second), &second["next_after_seq"]), (vec![4, 5], &json!(5)));
    assert_eq!(seqs(&page("?after_seq=99").await), [0; 0]);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_aggregate_that_is_not_there_has_no_history() {
    let world = World::start().await;
    world.submit("q").await;
    let absent = "/v1/aggregates/job/0197c0de-0000-7000-8000-00000000dead";
    world.eventually("the read model is there", async || world.get("/v1/jobs").send().await.unwrap().status() == 200).await;
    for path in [format!("{absent}/history"), format!("{absent}/stream"), "/v1/aggregates/dragon/x/history".to_owned()] {
        problem(world.get(&path).send(), 404, "not_found").await;
    }
    problem(world.get("/v1/aggregates/job/x/history?after_seq=-1").send(), 400, "invalid_parameter").await;
    problem(world.get("/v1/aggregates/job/x/history?from=1").send(), 400, "invalid_parameter").await;
    world.stop().await;
}

/// Reads events of a stream until it has so many.
async fn read_stream(answer: &mut reqwest::Response, count: usize) -> Vec<(i64, String, Value)> {
    let mut text = String::new();
    loop {
        let events = parse(&text);
        if events.len() >= count {
            return events;
        }
        let chunk = tokio::time::timeout(Duration::from_secs(20), answer.chunk()).await.expect("the stream goes on").unwrap();
        text.push_str(std::str::from_utf8(&chunk.expect("the stream is open")).unwrap());
    }
}

fn parse(text: &str) -> Vec<(i64, String, Value)> {
    let whole = text.split_inclusive("\n\n").filter(|block| block.ends_with("\n\n") && !block.starts_with(':'));
    whole
        .map(|block| {
            let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned();
            (field("id:").parse().unwrap(), field("event:"), serde_json::from_str(&field("data:")).unwrap())
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_catches_up_goes_on_live_and_resumes_without_gaps() {
    let world = World::start().await;
    let (job_id, token) = job_with_events(&world, 4).await;
    let path = format!("/v1/aggregates/job/{job_id}/stream");
    let mut stream = world.get(&path).header("x-consistency-token", &token).send().await.unwrap();
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    let caught_up = read_stream(&mut stream, 4).await;
    assert_eq!(caught_up.iter().map(|event| event.0).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert_eq!((caught_up[0].1.as_str(), &caught_up[0].2["payload"]["queue"]), ("work.JobSubmitted", &json!("q")));
    for step in 5..=40 {
        progress(&world, &job_id, step).await;
    }
    let live = read_stream(&mut stream, 36).await;
    assert_eq!(live.iter().map(|event| event.0).collect::<Vec<_>>(), (5..=40).collect::<Vec<_>>());
    drop(stream);
    let mut resumed = world.get(&path).header("last-event-id", "38").send().await.unwrap();
    let rest = read_stream(&mut resumed, 2).await;
    assert_eq!(rest.iter().map(|event| event.0).collect::<Vec<_>>(), [39, 40]);
    world.lifecycle.shutdown().cancel();
    let end = tokio::time::timeout(Duration::from_secs(10), async { while let Ok(Some(_)) = resumed.chunk().await {} }).await;
    assert!(end.is_ok(), "a stream ends with the program");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_number_of_streams_is_bounded() {
    let limits = Limits { streams: 1, ..Limits::default() };
    let world = World::with(Setting { limits, ..Setting::default() }).await;
    let (job_id, token) = job_with_events(&world, 1).await;
    let path = format!("/v1/aggregates/job/{job_id}/stream");
    let open = world.get(&path).header("x-consistency-token", &token).send().await.unwrap();
    assert_eq!(open.status(), 200);
    problem(world.get(&path).send(), 503, "busy").await;
    drop(open);
    world.eventually("the place is free again", async || world.get(&path).send().await.unwrap().status() == 200).await;
    world.stop().await;
}
