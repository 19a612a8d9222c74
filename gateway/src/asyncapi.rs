//! `/asyncapi.json` (AsyncAPI 3.1, Kafka binding 0.5): the topics and their records, made from the schemas.
//!
//! A channel per topic, a message per record type; payloads are the Avro schemas themselves, in the wire format of
//! Confluent: a zero byte, four bytes of schema id, the datum. It describes what readers find: nobody but the program
//! writes to these topics, so every operation is one of sending. How many replicas a topic has only the broker knows.

use crate::{
    auth::Access,
    commands::answer_json,
    openapi::Operation,
    routes::Route,
    topics::{self, Topic},
};
use axum::http::Method;
use schemas::SchemaInfo;
use serde_json::{Map, Value, json};

/// Version of the Kafka binding.
const BINDING: &str = "0.5.0";

/// The rows of the table.
pub(crate) fn routes() -> Vec<Route> {
    let operation = Operation::new("getAsyncApi", "operations", "The topics and their records, as AsyncAPI 3.1.")
        .answer(200, "The document.", "application/json", json!({ "type": "object" }))
        .problems(&[401]);
    vec![Route::new(Method::GET, "/asyncapi.json", Access::Caller, operation, |call| async move {
        Ok(answer_json(&document(call.gateway.log.partitions())))
    })]
}

/// The document of a log with so many partitions per topic.
pub(crate) fn document(partitions: u32) -> Value {
    let topics = topics::all();
    let channels: Map<_, _> = topics.iter().map(|topic| (topic.name.clone(), channel(topic, partitions))).collect();
    let operations: Map<_, _> = topics.iter().map(|topic| (format!("send.{}", topic.name), operation(topic))).collect();
    let records = topics.iter().flat_map(|topic| &topic.records);
    let messages: Map<_, _> = records.map(|record| (record.name.to_owned(), message(record))).collect();
    json!({
        "asyncapi": "3.1.0",
        "info": {
            "title": "Swarmlog",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What is on the event log. Read with isolation.level=read_committed: transactions that were \
                            aborted leave records behind that never happened. Schemas are served by number under \
                            /schemas/ids/{id}.",
            "license": { "name": "Apache-2.0" },
        },
        "defaultContentType": "application/avro",
        "channels": channels,
        "operations": operations,
        "components": { "messages": messages, "messageTraits": { "record": record_trait() } },
    })
}

fn channel(topic: &Topic, partitions: u32) -> Value {
    let messages: Map<_, _> = topic
        .records
        .iter()
        .map(|record| (record.name.to_owned(), json!({ "$ref": format!("#/components/messages/{}", record.name) })))
        .collect();
    json!({
        "address": topic.name,
        "description": topic.about,
        "messages": messages,
        "bindings": { "kafka": { "topic": topic.name, "partitions": partitions, "bindingVersion": BINDING } },
    })
}

fn operation(topic: &Topic) -> Value {
    let place = format!("#/channels/{}", topic.name);
    let messages = topic.records.iter().map(|record| json!({ "$ref": format!("{place}/messages/{}", record.name) }));
    json!({
        "action": "send",
        "channel": { "$ref": place },
        "summary": topic.about,
        "messages": messages.collect::<Vec<_>>(),
        "bindings": { "kafka": { "bindingVersion": BINDING } },
    })
}

fn message(record: &SchemaInfo) -> Value {
    // The build has read both texts.
    let schema: Value = serde_json::from_str(record.json).unwrap_or_default();
    let example: Value = serde_json::from_str(record.example).unwrap_or_default();
    json!({
        "name": record.name,
        "title": schema["name"],
        "summary": schema["doc"],
        "traits": [{ "$ref": "#/components/messageTraits/record" }],
        "payload": { "schemaFormat": "application/vnd.apache.avro+json;version=1.9.0", "schema": schema },
        "examples": [{ "name": record.name, "payload": example }],
        "bindings": {
            "kafka": {
                "key": { "type": "string", "description": "tenant/type/id of the aggregate.", "pattern": "^[^/]+/[^/]+/.+$" },
                "schemaIdLocation": "payload",
                "schemaIdPayloadEncoding": "4",
                "schemaLookupStrategy": "RecordNameStrategy",
                "bindingVersion": BINDING,
            },
        },
    })
}

/// What all records have in common: the headers of CloudEvents in Kafka's binary mode.
fn record_trait() -> Value {
    let text = |about: &str| json!({ "type": "string", "description": about });
    json!({
        "contentType": "application/avro",
        "headers": {
            "type": "object",
            "required": ["ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time", "ce_subject"],
            "properties": {
                "ce_specversion": { "type": "string", "const": "1.0" },
                "ce_id": { "type": "string", "format": "uuid", "description": "Identity of the record." },
                "ce_source": text("Tenant and type of the aggregate: /default/job."),
                "ce_type": text("Full name of the schema: work.JobSubmitted."),
                "ce_time": { "type": "string", "format": "date-time", "description": "When it was recorded." },
                "ce_subject": text("Identity of the aggregate."),
                "traceparent": text("The trace that it belongs to (W3C)."),
            },
        },
    })
}
