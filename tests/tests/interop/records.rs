//! The records of `work.events` on a real Kafka, read by kcat, Confluent's client, the SDK of CloudEvents and ClickHouse.

use crate::{
    clickhouse,
    lives::{self, Expected},
    readme,
    strangers::Strangers,
};
use anyhow::{Context, Result};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use swarmlog_tests::{
    Client, World,
    world::{TOKEN, eventually},
};

const TOPIC: &str = "work.events";

/// Partitions of a new log.
const PARTITIONS: usize = 4;

/// A header that says what a record is, in a message as `records.py` prints it.
pub fn header(message: &Value, name: &str) -> Option<String> {
    let headers = message["headers"].as_array()?;
    let value = headers.iter().find(|header| header[0] == name)?[1].as_str()?;
    String::from_utf8(STANDARD.decode(value).ok()?).ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_is_read_by_programs_that_know_nothing_of_us() -> Result<()> {
    let strangers = Strangers::fetch().await?;
    let world = World::start_on_servers().await?;
    let client = world.client();
    let (brokers, registry) = (world.servers()?.addresses().kafka.clone(), format!("http://{}", world.address()));

    let mut expected = lives::waiting(&client).await?;
    strangers.python("abort.py", &[&brokers, TOPIC]).await?;
    expected.extend(lives::cancelled(&client).await?);
    expected.extend(lives::completed(&client).await?);

    let read = async |isolation| strangers.python("records.py", &[&brokers, TOPIC, &registry, TOKEN, isolation]).await;
    let messages = read("read_committed").await?;
    payloads_are_what_was_submitted(&messages, &expected)?;
    let all = read("read_uncommitted").await?;
    let aborted = all.iter().filter(|message| message["key"] == "stranger").count();
    assert_eq!(
        (aborted, all.len()),
        (PARTITIONS, messages.len() + PARTITIONS),
        "aborted records are there, for who asks for them"
    );

    headers_are_cloud_events(strangers, &client, &messages).await?;
    kcat_finds_key_and_schema(strangers, &brokers, &messages).await?;
    clickhouse::holds(&messages, &brokers, world.address()).await
}

/// Each job has the events that it must have, in order, and there are no others.
fn payloads_are_what_was_submitted(messages: &[Value], expected: &[Expected]) -> Result<()> {
    assert_eq!(messages.len(), expected.len());
    let jobs: BTreeSet<&str> = expected.iter().map(|event| event.job.as_str()).collect();
    for job in jobs {
        let key = format!("default/job/{job}");
        let events = expected.iter().filter(|event| event.job == job);
        let mut messages = messages.iter().filter(|message| message["key"] == key.as_str());
        for event in events {
            let message = messages.next().with_context(|| format!("{event:?} is missing"))?;
            let mut decoded = message["decoded"].clone();
            let fields = decoded.as_object_mut().with_context(|| message.to_string())?;
            for moment in event.moments {
                let text = fields.remove(*moment).unwrap_or_default();
                assert!(text.is_string(), "{}: {moment} {text}", event.r#type);
            }
            assert_eq!(decoded, event.payload, "{}", event.r#type);
            assert_eq!(header(message, "ce_type").as_deref(), Some(event.r#type));
        }
        assert_eq!(messages.next(), None, "{key} has one event too many");
    }
    Ok(())
}

/// The SDK takes each message for a valid CloudEvent, and reads in it what the history says.
async fn headers_are_cloud_events(strangers: &Strangers, client: &Client, messages: &[Value]) -> Result<()> {
    let events = strangers.node("events.mjs", messages).await?;
    assert_eq!(events.len(), messages.len());
    let mut seqs: BTreeMap<&str, i64> = BTreeMap::new();
    for (message, event) in messages.iter().zip(events) {
        let key = message["key"].as_str().context("a key")?;
        let job = key.rsplit('/').next().context("an id")?;
        let seq = seqs.entry(job).or_default();
        *seq += 1;
        let recorded = recorded(client, job, *seq).await?;
        let attributes = json!({
            "specversion": "1.0",
            "id": recorded["event_id"],
            "source": "/default/job",
            "type": recorded["type"],
            "time": recorded["recorded_at"],
            "subject": job,
            "datacontenttype": "application/avro",
            "partitionkey": key,
        });
        assert_eq!(event, attributes, "{key} {seq}");
        assert_eq!(message["decoded"]["until"], recorded["payload"]["until"], "{key} {seq}");
        let names: Vec<_> = message["headers"].as_array().into_iter().flatten().map(|header| &header[0]).collect();
        assert!(names.iter().enumerate().all(|(place, name)| !names[..place].contains(name)), "a header comes twice: {names:?}");
    }
    Ok(())
}

/// The event of this number in the history of a job, once the read model has it.
async fn recorded(client: &Client, job: &str, seq: i64) -> Result<Value> {
    let path = format!("/v1/aggregates/job/{job}/history?after_seq={}&limit=1", seq - 1);
    let has_it = |body: &Value| body["items"][0]["seq"] == seq;
    eventually(&path, || async { Ok(has_it(&client.get(&path).await?.body)) }).await?;
    Ok(client.get(&path).await?.body["items"][0].take())
}

/// The line of the README: kcat without Avro shows place and key, the zero byte and the number of the schema.
async fn kcat_finds_key_and_schema(strangers: &Strangers, brokers: &str, messages: &[Value]) -> Result<()> {
    let said = strangers.shell(&readme::kcat()?.replace("BROKER", brokers)).await?;
    let mut said: Vec<_> = said.lines().map(str::to_owned).collect();
    let expected = messages.iter().map(|message| {
        let schema = header(message, "ce_type").and_then(|r#type| schemas::schema(&r#type)).context("a type")?;
        let key = message["key"].as_str().context("a key")?;
        Ok(format!("{} {} {key} 0{}", message["partition"], message["offset"], schema.id.0))
    });
    let mut expected = expected.collect::<Result<Vec<_>>>()?;
    said.sort();
    expected.sort();
    assert_eq!(said, expected);
    Ok(())
}
