//! What describes us is what the standards say such documents are.

use crate::strangers::Strangers;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::fs;
use swarmlog_tests::World;

/// The document is what its schema says, and the schema notices each of `faults`: a pointer and what does not belong there.
async fn conforms(path: &str, schema: &str, faults: &[(&str, Value)]) -> Result<()> {
    let schema = Strangers::fetch().await?.npm(schema);
    let schema: Value = serde_json::from_slice(&fs::read(&schema).with_context(|| schema.display().to_string())?)?;
    let validator = jsonschema::options().should_validate_formats(true).build(&schema)?;
    let world = World::start().await?;
    let answer = world.client().get(path).await?;
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    let complaints = validator.iter_errors(&answer.body).map(|error| format!("{}: {error:.300}", error.instance_path()));
    assert_eq!(complaints.collect::<Vec<_>>(), Vec::<String>::new(), "{path}");
    for (pointer, fault) in faults {
        let mut broken = answer.body.clone();
        *broken.pointer_mut(pointer).with_context(|| format!("{path} has no {pointer}"))? = fault.clone();
        assert!(!validator.is_valid(&broken), "{pointer} may be anything");
    }
    Ok(())
}

#[tokio::test]
async fn asyncapi_json_is_asyncapi_3_1() -> Result<()> {
    let faults = [
        ("/asyncapi", json!("3.0.0")),
        ("/channels/work.events/bindings/kafka/partitions", json!("four")),
        ("/operations/send.work.events/action", json!("publish")),
        ("/components/messages/work.JobSubmitted/bindings/kafka/schemaIdLocation", json!("tail")),
        ("/components/messageTraits/record/headers/type", json!("record")),
    ];
    conforms("/asyncapi.json", "@asyncapi/specs/schemas/3.1.0.json", &faults).await
}

#[tokio::test]
async fn openapi_json_is_openapi_3_1() -> Result<()> {
    let faults = [
        ("/openapi", json!("3.0.0")),
        ("/paths/~1v1~1jobs/get/parameters/0/in", json!("body")),
        ("/paths/~1v1~1jobs/get/responses/200/description", Value::Null),
    ];
    conforms("/openapi.json", "@seriousme/openapi-schema-validator/schemas/v3.1/schema.json", &faults).await
}
