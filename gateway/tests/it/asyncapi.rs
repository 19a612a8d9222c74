//! The document of the topics: complete, and true.

use crate::world::World;
use schemas::SchemaKind;
use serde_json::{Value, json};
use std::collections::BTreeSet;

async fn document(world: &World) -> Value {
    let answer = world.get("/asyncapi.json").send().await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.json().await.unwrap()
}

/// Follows a reference within the document.
fn follow<'a>(document: &'a Value, reference: &Value) -> &'a Value {
    let place = reference["$ref"].as_str().unwrap().strip_prefix('#').unwrap();
    document.pointer(place).unwrap_or_else(|| panic!("{place} leads nowhere"))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_topic_is_a_channel_and_every_record_a_message_of_one() {
    let world = World::start().await;
    let document = document(&world).await;
    assert_eq!(document["asyncapi"], "3.1.0");
    assert!(document["info"]["title"].is_string() && document["info"]["version"].is_string());
    let channels = document["channels"].as_object().unwrap();
    let topics: Vec<_> = channels.keys().map(String::as_str).collect();
    assert_eq!(topics, ["telemetry.log", "telemetry.metric", "work.commands", "work.events", "work.results"]);
    let mut told = BTreeSet::new();
    for (topic, channel) in channels {
        assert_eq!(channel["address"], json!(topic));
        let kafka = json!({ "topic": topic, "partitions": world.log.partitions(), "bindingVersion": "0.5.0" });
        assert_eq!(channel["bindings"]["kafka"], kafka);
        for (name, reference) in channel["messages"].as_object().unwrap() {
            assert_eq!(follow(&document, reference)["name"], json!(name));
            told.insert(name.clone());
        }
    }
    let recorded = schemas::SCHEMAS.iter().filter(|schema| schema.kind != SchemaKind::Envelope);
    assert_eq!(told, recorded.map(|schema| schema.name.to_owned()).collect());
    let messages = document["components"]["messages"].as_object().unwrap();
    assert_eq!(told, messages.keys().cloned().collect());
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_message_says_where_its_schema_id_is_and_has_its_schema() {
    let world = World::start().await;
    let document = document(&world).await;
    for (name, message) in document["components"]["messages"].as_object().unwrap() {
        let kafka = &message["bindings"]["kafka"];
        assert_eq!((&kafka["schemaIdLocation"], &kafka["schemaIdPayloadEncoding"]), (&json!("payload"), &json!("4")), "{name}");
        assert_eq!(kafka["bindingVersion"], "0.5.0");
        assert_eq!(kafka["key"]["type"], "string");
        assert_eq!(message["payload"]["schemaFormat"], "application/vnd.apache.avro+json;version=1.9.0", "{name}");
        let info = schemas::schema(name).unwrap();
        assert_eq!(message["payload"]["schema"], serde_json::from_str::<Value>(info.json).unwrap(), "{name}");
        apache_avro::Schema::parse(&message["payload"]["schema"]).unwrap();
        assert!(message["summary"].is_string(), "{name}");
        let shared = follow(&document, &message["traits"][0]);
        let headers = &shared["headers"];
        assert!(jsonschema::draft202012::meta::is_valid(headers));
        for required in headers["required"].as_array().unwrap() {
            assert!(headers["properties"].get(required.as_str().unwrap()).is_some());
        }
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_sends_the_messages_of_its_channel() {
    let world = World::start().await;
    let document = document(&world).await;
    let operations = document["operations"].as_object().unwrap();
    assert_eq!(operations.len(), document["channels"].as_object().unwrap().len());
    for (id, operation) in operations {
        assert_eq!(operation["action"], "send", "{id}");
        let channel = follow(&document, &operation["channel"]);
        let messages = operation["messages"].as_array().unwrap();
        assert_eq!(messages.len(), channel["messages"].as_object().unwrap().len(), "{id}");
        for message in messages {
            let place = operation["channel"]["$ref"].as_str().unwrap();
            assert!(message["$ref"].as_str().unwrap().starts_with(&format!("{place}/messages/")), "{id}");
            follow(&document, follow(&document, message));
        }
    }
    world.stop().await;
}
