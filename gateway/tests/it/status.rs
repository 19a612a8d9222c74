//! What became of a command: each state that it can be in.

use crate::world::{Setting, World, id, job, problem};
use bytes::Bytes;
use log::{Append, Durability, Source};
use schemas::{
    Message,
    envelope::Envelope,
    work::{JobCommand, Priority, SubmitJob},
};
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};
use uuid::Uuid;

const DAY: i64 = 24 * 3600 * 1_000_000;

/// A command as another gateway might have written it, accepted so long ago.
struct Foreign {
    command_id: Uuid,
    partition: u32,
    append: Append,
}

fn foreign(world: &World, age: i64, torn: bool) -> Foreign {
    let command_id = Uuid::now_v7();
    let aggregate_id = schemas::aggregate_id(command_id).to_string();
    let (queue, kind, config) = ("q".into(), "k".into(), "{}".into());
    let submit = SubmitJob { job_id: aggregate_id.clone(), queue, kind, priority: Priority::Normal, config, max_attempts: 3 };
    let command = JobCommand::from(submit);
    let mut payload = Vec::new();
    command.encode(&mut payload).unwrap();
    payload.truncate(if torn { 9 } else { payload.len() });
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as i64;
    let key = schemas::key("default", "job", &aggregate_id);
    let partition = schemas::partition(key.as_bytes(), world.log.partitions());
    let envelope = Envelope {
        id: command_id,
        tenant: "default".into(),
        aggregate_type: "job".into(),
        aggregate_id,
        seq: 0,
        position: 0,
        timeline: world.log.timeline().0,
        r#type: command.name().into(),
        schema_id: command.schema_id().0 as i32,
        command_id,
        causation_id: command_id,
        correlation_id: command_id,
        traceparent: None,
        actor: "elsewhere".into(),
        occurred_at: None,
        recorded_at: now - age,
        expected_seq: -2,
        idempotent: false,
        body_hash: None,
    };
    let mut bytes = Vec::new();
    envelope.encode(&mut bytes).unwrap();
    let source = Source { topic: "work.commands".into(), partition };
    let (envelope, payload) = (Bytes::from(bytes), Bytes::from(payload));
    let append = Append { source, key: Bytes::from(key), envelope, payload, time: now - age };
    Foreign { command_id, partition, append }
}

async fn status(world: &World, command: impl std::fmt::Display) -> Value {
    let answer = world.get(&format!("/v1/commands/{command}")).send().await.unwrap();
    assert_eq!(answer.status(), 200, "{:?}", answer.text().await);
    answer.json().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_carried_out_is_told_from_what_was_refused() {
    let world = World::start().await;
    let said = world.submit("q").await;
    let shown = world.get(&format!("/v1/commands/{}", said["command_id"].as_str().unwrap()));
    let shown = shown.header("x-consistency-token", said["token"].as_str().unwrap()).send().await.unwrap();
    let done: Value = shown.json().await.unwrap();
    assert_eq!((&done["state"], &done["status"], &done["seq"]), (&json!("done"), &json!(201), &json!(1)));
    assert_eq!((&done["events"], &done["token"]), (&said["events"], &said["token"]), "the result is that of the answer");
    let mut again = job("q");
    again["job_id"] = json!(id(&said));
    let answer = world.post("/v1/commands/work.SubmitJob", &again).header("prefer", "respond-async").send().await.unwrap();
    let location = answer.headers()["location"].to_str().unwrap().to_owned();
    world
        .eventually("the command is refused", async || {
            let refused: Value = world.get(&location).send().await.unwrap().json().await.unwrap();
            assert!(refused["state"] == "accepted" || refused["state"] == "refused", "{refused}");
            refused["state"] == "refused"
                && (&refused["status"], &refused["code"], &refused["events"]) == (&json!(409), &json!("job_exists"), &Value::Null)
                && refused["seq"] == 1
        })
        .await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_writer_cannot_read_is_undecodable_and_changes_nothing() {
    let world = World::start().await;
    let torn = foreign(&world, 0, true);
    world.log.append(vec![torn.append], Durability::Durable).await.unwrap();
    world.eventually("the command is answered", async || status(&world, torn.command_id).await["state"] != "accepted").await;
    let said = status(&world, torn.command_id).await;
    assert_eq!((&said["state"], &said["status"], &said["code"]), (&json!("undecodable"), &json!(400), &json!("undecodable")));
    assert!(said["detail"].is_string() && said["events"].is_null(), "{said}");
    let listed: Value = world.get("/v1/commands?state=undecodable").send().await.unwrap().json().await.unwrap();
    assert_eq!(listed["items"].as_array().unwrap().len(), 1, "operators find it: {listed}");
    let events = Source { topic: "work.events".into(), partition: torn.partition };
    assert_eq!(world.log.end(&events).await.unwrap(), 0);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_without_an_answer_is_accepted_as_long_as_the_log_keeps_it_and_then_expired() {
    for (is_kept, state) in [(true, "accepted"), (false, "expired")] {
        let world = World::with(Setting { writer: false, ..Setting::default() }).await;
        let mut old = foreign(&world, 8 * DAY, false);
        if !is_kept {
            // As if this were the oldest record that is left, and had come eight days after the command.
            old.append.time += 8 * DAY;
        }
        world.log.append(vec![old.append], Durability::Durable).await.unwrap();
        let answer = world.get(&format!("/v1/commands/{}", old.command_id)).send().await.unwrap();
        assert_eq!(answer.headers().contains_key("retry-after"), is_kept, "nothing comes once it has expired");
        let said: Value = answer.json().await.unwrap();
        assert_eq!((&said["state"], &said["status"], &said["type"]), (&json!(state), &Value::Null, &json!("work.SubmitJob")));
        assert_eq!(said["detail"].as_str().is_some_and(|detail| detail.contains("send it again")), !is_kept, "{said}");
        let fresh = foreign(&world, 0, false);
        world.log.append(vec![fresh.append], Durability::Durable).await.unwrap();
        assert_eq!(status(&world, fresh.command_id).await["state"], "accepted");
        problem(world.get(&format!("/v1/commands/{}", Uuid::now_v7())).send(), 404, "not_found").await;
        world.stop().await;
    }
}
