//! The way of a command through the whole house, on the real program.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use anyhow::Result;
use reqwest::Method;
use serde_json::{Value, json};
use swarmlog_tests::{World, client::number, oracle, world::eventually};

#[tokio::test]
async fn a_submitted_job_is_found_by_every_reader() -> Result<()> {
    let mut world = World::start().await?;
    let client = world.client();
    let body = json!({ "queue": "demo", "kind": "train.wine", "priority": "urgent", "config": { "b": 1, "a": [2] } });
    let submitted = client.post("/v1/commands/work.SubmitJob", &body).await?;
    assert_eq!(submitted.status, 201, "{}", submitted.body);
    assert_eq!((&submitted.body["seq"], &submitted.body["events"]), (&json!(1), &json!(["work.JobSubmitted"])));
    let id = submitted.body["aggregate"]["id"].as_str().unwrap().to_owned();
    let token = submitted.header("x-consistency-token").to_owned();
    assert_eq!(submitted.body["token"], token.as_str());

    let job = client.call(Method::GET, &format!("/v1/jobs/{id}"), &[("x-consistency-token", &token)], None).await?;
    assert_eq!(job.status, 200, "a job just submitted is never absent to its submitter: {}", job.body);
    assert_eq!(
        (&job.body["status"], &job.body["config"], &job.body["priority"]),
        (&json!("queued"), &json!({ "a": [2], "b": 1 }), &json!("urgent"))
    );
    assert_eq!(job.header("etag"), "\"1\"");

    let list = client.call(Method::GET, "/v1/jobs?queue=demo&status=queued", &[("x-consistency-token", &token)], None).await?;
    assert_eq!(list.body["items"][0]["job_id"], id.as_str());

    let history =
        client.call(Method::GET, &format!("/v1/aggregates/job/{id}/history"), &[("x-consistency-token", &token)], None).await?;
    assert_eq!(history.body["items"][0]["type"], "work.JobSubmitted");
    assert_eq!(history.body["items"][0]["command_id"], submitted.body["command_id"]);

    let path = format!("/v1/commands/{}", submitted.body["command_id"].as_str().unwrap());
    let status = client.call(Method::GET, &path, &[("x-consistency-token", &token)], None).await?;
    assert_eq!((status.status, &status.body["state"]), (200, &json!("done")), "{}", status.body);

    let statement =
        format!("SELECT count() AS n FROM events WHERE aggregate_id = '{id}' AND JSONExtractString(payload, 'queue') = 'demo'");
    eventually("the event is in ClickHouse", || async { Ok(number(&client.sql(&statement).await?[0]["n"]) == 1) }).await?;

    world.settle_and_terminate().await?;
    let (_, verdict) = oracle::check(world.data()).await?;
    assert_eq!((verdict.events, verdict.rows["jobs"], verdict.rows["commands"]), (1, 1, 1));
    let objects = objects::Objects::directory(&world.data().join("objects"))?;
    for _ in 0..10 {
        if objects.list("archive/").await?.iter().any(|name| name.ends_with("00000000000000000001.avro")) {
            return Ok(());
        }
        // The drain flushes what the archive has read; an event that came just before is for the next start.
        world.restart().await?;
        world.settle_and_terminate().await?;
    }
    anyhow::bail!("the event is not in the archive")
}

#[tokio::test]
async fn the_same_key_is_the_same_command_across_a_restart() -> Result<()> {
    let mut world = World::start().await?;
    let body = json!({ "queue": "demo", "kind": "k" });
    let first = world.client().command("work.SubmitJob", "once", &body).await?;
    assert_eq!(first.status, 201, "{}", first.body);
    world.kill()?;
    world.restart().await?;
    let client = world.client();
    let again = client.command("work.SubmitJob", "once", &body).await?;
    assert_eq!((again.status, &again.body), (201, &first.body), "the stored answer is repeated");
    let other = client.command("work.SubmitJob", "once", &json!({ "queue": "other", "kind": "k" })).await?;
    assert_eq!((other.status, &other.body["code"]), (422, &json!("idempotency_key_reused")));
    world.settle_and_terminate().await?;
    let (_, verdict) = oracle::check(world.data()).await?;
    assert_eq!(verdict.events, 1);
    Ok(())
}

#[tokio::test]
async fn bad_input_is_answered_and_leaves_no_trace() -> Result<()> {
    let mut world = World::start().await?;
    let client = world.client();
    let good = json!({ "queue": "q", "kind": "k" });
    let with = |key: &str, value: Value| {
        let mut body = good.clone();
        body[key] = value;
        body
    };
    for (body, status, code) in [
        (json!({ "queue": "q" }), 400, "invalid"),
        (with("colour", json!("red")), 400, "invalid"),
        (with("seq", json!(7)), 400, "invalid"),
        (with("tenant", json!("other")), 400, "invalid"),
        (with("queue", json!(7)), 400, "invalid"),
        (with("queue", json!("../x")), 400, "invalid"),
        (with("priority", json!("asap")), 400, "invalid"),
        (with("max_attempts", json!(1e40)), 400, "invalid"),
        (with("max_attempts", json!(0)), 400, "invalid"),
        (with("job_id", json!("not a uuid")), 400, "invalid"),
        (with("config", json!({ "x": "y".repeat(70_000) })), 400, "invalid"),
        (with("config", json!({ "x": "y".repeat(2_000_000) })), 413, "body_too_large"),
    ] {
        let answer = client.post("/v1/commands/work.SubmitJob", &body).await?;
        let said = format!("{:.200}", body.to_string());
        assert_eq!(answer.status, status, "{said}: {}", answer.body);
        assert_eq!(answer.header("content-type"), "application/problem+json", "{said}");
        assert!(answer.body["code"].is_string() && answer.body["detail"].is_string(), "{said} ({code}): {}", answer.body);
    }
    let unknown = client.post("/v1/commands/work.DoMagic", &good).await?;
    assert_eq!(unknown.status, 404);
    let absent = client.post("/v1/commands/work.CancelJob", &json!({ "job_id": "01933b6e-0000-7000-8000-000000000000" })).await?;
    assert_eq!(absent.status, 404, "{}", absent.body);
    let stranger = swarmlog_tests::Client::new(&format!("http://{}", world.address()), "wrong").get("/v1/jobs").await?;
    assert_eq!(stranger.status, 401);
    let stale = client.call(Method::POST, "/v1/commands/work.SubmitJob", &[("if-match", "\"3\"")], Some(&good)).await?;
    assert_eq!(stale.status, 412, "{}", stale.body);
    world.settle_and_terminate().await?;
    let (truth, verdict) = oracle::check(world.data()).await?;
    assert_eq!(verdict.events, 0, "nothing was stored");
    assert_eq!(truth.results()?.len(), 2, "only what passed the schema reached the log: the absent job and the wrong seq");
    Ok(())
}

#[tokio::test]
async fn a_bind_beyond_loopback_needs_a_token() -> Result<()> {
    let world = World::start().await?;
    let data = tempfile::tempdir()?;
    let mut command = world.verb(&["up", "--listen", "0.0.0.0:0"]);
    let output = command.env("SWARMLOG_TOKEN", "").args(["--token", ""]).arg("--data").arg(data.path()).output();
    let output = output?;
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stderr).contains("token"));
    Ok(())
}

#[tokio::test]
async fn a_stream_takes_up_where_the_last_one_ended() -> Result<()> {
    let world = World::start().await?;
    let client = world.client();
    let submitted = client.post("/v1/commands/work.SubmitJob", &json!({ "queue": "q", "kind": "k" })).await?;
    let id = submitted.body["aggregate"]["id"].as_str().unwrap().to_owned();
    let path = format!("/v1/aggregates/job/{id}/stream");
    let mut stream = client.stream(&path, &[("x-consistency-token", submitted.header("x-consistency-token"))]).await?;
    assert_eq!(stream.next().await?["type"], "work.JobSubmitted");
    client.post("/v1/commands/work.CancelJob", &json!({ "job_id": id })).await?;
    assert_eq!(stream.next().await?["type"], "work.JobCancelled", "the live event follows the history");
    let mut resumed = client.stream(&path, &[("last-event-id", "1")]).await?;
    assert_eq!(resumed.next().await?["seq"], 2, "what was seen is not sent again");
    Ok(())
}
