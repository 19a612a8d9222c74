//! The way of a command.

use crate::world::{Setting, World, id, job, problem};
use gateway::Limits;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread")]
async fn a_submitted_job_is_answered_and_read_back_with_its_token() {
    let world = World::start().await;
    let answer = world.post("/v1/commands/work.SubmitJob", &job("gpu")).send().await.unwrap();
    assert_eq!(answer.status(), 201);
    assert_eq!(answer.headers()["etag"], "\"1\"");
    let token = answer.headers()["x-consistency-token"].clone();
    let location = answer.headers()["location"].to_str().unwrap().to_owned();
    let said: Value = answer.json().await.unwrap();
    assert_eq!(said["seq"], 1);
    assert_eq!(said["events"], json!(["work.JobSubmitted"]));
    assert_eq!(said["aggregate"]["type"], "job");
    assert_eq!(said["token"], token.to_str().unwrap());
    assert_eq!(location, format!("/v1/jobs/{}", id(&said)));

    let row = world.get(&location).header("x-consistency-token", token).send().await.unwrap();
    assert_eq!(row.status(), 200);
    assert_eq!(row.headers()["etag"], "\"1\"");
    assert!(row.headers().contains_key("x-consistency-token"));
    let row: Value = row.json().await.unwrap();
    assert_eq!((&row["queue"], &row["status"], &row["submitted_by"]), (&json!("gpu"), &json!("queued"), &json!("local")));
    assert_eq!(row["config"], json!({ "epochs": 3 }));
    let submitted = row["submitted_at"].as_str().unwrap();
    assert!(submitted.ends_with('Z') && submitted.len() == 27, "{submitted}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_under_the_same_key_gets_the_first_answer_and_another_body_is_refused() {
    let world = World::start().await;
    let send = async |body: &Value, key: &str| {
        world.post("/v1/commands/work.SubmitJob", body).header("idempotency-key", key).send().await.unwrap()
    };
    let first = send(&job("a"), "\"k1\"").await;
    assert_eq!(first.status(), 201);
    let first: Value = first.json().await.unwrap();
    let second = send(&job("a"), "k1").await;
    assert_eq!(second.status(), 201, "a repeat repeats the status");
    assert_eq!(second.json::<Value>().await.unwrap(), first);
    let other = world.post("/v1/commands/work.SubmitJob", &job("b")).header("idempotency-key", "k1").send();
    problem(other, 422, "idempotency_key_reused").await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn repeats_at_the_same_time_have_one_effect_and_each_gets_its_own_answer() {
    let world = World::start().await;
    let send = async |body: Value| {
        let answer = world.post("/v1/commands/work.SubmitJob", &body).header("idempotency-key", "same").send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    let answers = futures::future::join_all((0..40).map(|n| send(job(if n % 4 == 0 { "other" } else { "queue" })))).await;
    let done: Vec<_> = answers.iter().filter(|(status, _)| *status == 201).collect();
    let refused = answers.iter().filter(|(status, body)| *status == 422 && body["code"] == "idempotency_key_reused").count();
    assert_eq!(done.len() + refused, 40, "{answers:?}");
    assert!(done.len() == 10 || done.len() == 30, "one of the bodies won, and all its repeats with it: {}", done.len());
    assert!(done.iter().all(|(_, body)| body == &done[0].1));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn expectations_that_do_not_hold_change_nothing() {
    let world = World::start().await;
    let said = world.submit("q").await;
    let cancel = json!({ "job_id": id(&said) });
    let path = "/v1/commands/work.CancelJob";
    let refused = problem(world.post(path, &cancel).header("if-match", "\"7\"").send(), 412, "seq_mismatch").await;
    assert!(refused["detail"].as_str().unwrap().contains('1'), "the actual seq is named: {refused}");
    problem(world.post(path, &cancel).header("if-none-match", "*").send(), 412, "seq_mismatch").await;
    let absent = json!({ "job_id": "0197c0de-0000-7000-8000-00000000dead" });
    problem(world.post(path, &absent).header("if-match", "*").send(), 412, "seq_mismatch").await;
    problem(world.post(path, &absent).send(), 404, "job_absent").await;
    let answer = world.post(path, &cancel).header("if-match", "\"1\"").send().await.unwrap();
    assert_eq!((answer.status().as_u16(), &answer.headers()["etag"]), (200, &"\"2\"".parse().unwrap()));
    problem(world.post(path, &cancel).send(), 409, "job_ended").await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_wait_is_told_where_to_ask_and_is_never_told_404() {
    let world = World::start().await;
    for _ in 0..20 {
        let answer = world.post("/v1/commands/work.SubmitJob", &job("q")).header("prefer", "respond-async").send().await.unwrap();
        assert_eq!(answer.status(), 202);
        assert_eq!(answer.headers()["preference-applied"], "respond-async");
        let location = answer.headers()["location"].to_str().unwrap().to_owned();
        let said: Value = answer.json().await.unwrap();
        assert_eq!(location, format!("/v1/commands/{}", said["command_id"].as_str().unwrap()));
        let status = world.get(&location).send().await.unwrap();
        assert_eq!(status.status(), 200, "just accepted");
        let status: Value = status.json().await.unwrap();
        assert_eq!(status["type"], "work.SubmitJob");
        world
            .eventually("the command is done", async || {
                let status: Value = world.get(&location).send().await.unwrap().json().await.unwrap();
                status["state"] == "done" && status["status"] == 201 && status["seq"] == 1 && status["token"].is_string()
            })
            .await;
    }
    problem(world.get("/v1/commands/0197c0de-0000-7000-8000-00000000dead").send(), 404, "not_found").await;
    problem(world.get("/v1/commands/not-a-uuid").send(), 400, "invalid_id").await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_writer_the_wait_ends_with_202_and_the_status_says_accepted() {
    let world = World::with(Setting { writer: false, ..Setting::default() }).await;
    let start = Instant::now();
    let answer = world.post("/v1/commands/work.SubmitJob", &job("q")).header("prefer", "wait=1").send().await.unwrap();
    assert_eq!(answer.status(), 202);
    assert!(start.elapsed() >= Duration::from_secs(1));
    assert_eq!(answer.headers()["preference-applied"], "wait=1");
    let location = answer.headers()["location"].to_str().unwrap().to_owned();
    let status = world.get(&location).send().await.unwrap();
    assert_eq!(status.headers()["retry-after"], "1");
    let status: Value = status.json().await.unwrap();
    assert_eq!((&status["state"], &status["status"]), (&json!("accepted"), &Value::Null));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_gateway_says_so_and_when_to_come_back() {
    let limits = Limits { commands: 2, ..Limits::default() };
    let world = World::with(Setting { writer: false, limits, ..Setting::default() }).await;
    let send = || world.post("/v1/commands/work.SubmitJob", &job("q")).header("prefer", "wait=2").send();
    let answers = futures::future::join_all((0..5).map(|_| send())).await;
    let mut statuses: Vec<_> = answers.iter().map(|answer| answer.as_ref().unwrap().status().as_u16()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [202, 202, 503, 503, 503]);
    let full = answers.into_iter().map(Result::unwrap).find(|answer| answer.status() == 503).unwrap();
    assert_eq!(full.headers()["retry-after"], "1");
    assert_eq!(full.json::<Value>().await.unwrap()["code"], "busy");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_minimal_answer_has_no_body() {
    let world = World::start().await;
    let answer = world.post("/v1/commands/work.SubmitJob", &job("q")).header("prefer", "return=minimal").send().await.unwrap();
    assert_eq!((answer.status().as_u16(), &answer.headers()["preference-applied"]), (201, &"return=minimal".parse().unwrap()));
    assert!(answer.headers().contains_key("location"));
    assert_eq!(answer.text().await.unwrap(), "");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_headers_say_stands_in_the_history() {
    let world = World::start().await;
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let said: Value = world
        .post("/v1/commands/work.SubmitJob", &job("q"))
        .header("x-correlation-id", "0197c0de-0000-7000-8000-000000000001")
        .header("x-occurred-at", "2026-11-21T03:00:00+01:00")
        .header("traceparent", trace)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let path = format!("/v1/aggregates/job/{}/history", id(&said));
    let history = world.get(&path).header("x-consistency-token", said["token"].as_str().unwrap()).send().await.unwrap();
    let event = &history.json::<Value>().await.unwrap()["items"][0];
    assert_eq!(event["correlation_id"], "0197c0de-0000-7000-8000-000000000001");
    assert_eq!(event["occurred_at"], "2026-11-21T02:00:00.000000Z");
    assert_eq!(event["command_id"], said["command_id"]);
    assert_eq!(event["payload"]["config"], json!({ "epochs": 3 }));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_command_is_answered_with_those_that_exist() {
    let world = World::start().await;
    let unknown = problem(world.post("/v1/commands/work.Nothing", &json!({})).send(), 404, "unknown_command").await;
    assert!(unknown["detail"].as_str().unwrap().contains("work.SubmitJob"), "{unknown}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_does_not_fit_names_every_wrong_field() {
    let world = World::start().await;
    let body = json!({ "queue": "../etc", "kind": 5, "tenant": "other", "seq": 1 });
    let wrong = problem(world.post("/v1/commands/work.SubmitJob", &body).send(), 400, "invalid_body").await;
    let pointers: Vec<_> = wrong["errors"].as_array().unwrap().iter().map(|e| e["pointer"].as_str().unwrap()).collect();
    for pointer in ["/queue", "/kind", "/tenant", "/seq"] {
        assert!(pointers.contains(&pointer), "{pointer}: {wrong}");
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_in_flight_are_answered_when_the_program_ends() {
    let world = World::start().await;
    let path = format!("http://{}/v1/commands/work.SubmitJob", world.address);
    let send = |n: usize| {
        let (client, path) = (world.client.clone(), path.clone());
        tokio::spawn(
            async move { client.post(path).json(&job(&format!("q{n}"))).send().await.map(|answer| answer.status().as_u16()) },
        )
    };
    // The connections exist already, so that none is refused because nobody accepts any more.
    for warm in (0..16).map(send).collect::<Vec<_>>() {
        assert_eq!(warm.await.unwrap().unwrap(), 201);
    }
    let flying: Vec<_> = (0..16).map(send).collect();
    let shutdown = world.lifecycle.shutdown();
    let first = tokio::time::timeout(Duration::from_secs(10), futures::future::select_all(flying)).await.unwrap();
    assert!(first.0.is_ok());
    shutdown.cancel();
    for answer in first.2 {
        let status = answer.await.unwrap();
        // A request that was not sent yet meets a closed connection; one that was sent is answered.
        assert!(status.as_ref().map_or(true, |status| [201, 202, 503].contains(status)), "{status:?}");
    }
    world.stop().await;
}
