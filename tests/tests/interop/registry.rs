//! The schema registry, asked by Confluent's client.

use crate::strangers::Strangers;
use anyhow::Result;
use serde_json::{Value, json};
use swarmlog_tests::{World, world::TOKEN};

const SUBJECT: &str = "work.JobSubmitted";

#[tokio::test]
async fn the_client_of_confluent_finds_every_version_and_understands_every_refusal() -> Result<()> {
    let strangers = Strangers::fetch().await?;
    let world = World::start().await?;
    let url = format!("http://{}", world.address());
    let said = strangers.python("registry.py", &[&url, TOKEN, SUBJECT]).await?.remove(0);

    let version = |locked: &schemas::Locked| {
        json!({
            "subject": locked.subject, "version": locked.version, "id": locked.id, "schema": locked.schema, "type": "AVRO",
        })
    };
    let mut locked: Vec<_> = schemas::locked().iter().collect();
    locked.sort_by_key(|locked| (&locked.subject, locked.version));
    let registered = locked.iter().map(|locked| {
        let mut all = version(locked);
        all["by_id"] = locked.schema.clone();
        all["uses"] = json!([[locked.subject, locked.version]]);
        all["found"] = version(locked);
        all["registered_again"] = json!(locked.id);
        all
    });
    assert_eq!(said["registered"], registered.collect::<Value>());
    assert_eq!(said["latest"], version(locked.iter().rfind(|locked| locked.subject == SUBJECT).unwrap()));
    assert_eq!(said["types"], json!(["AVRO"]));
    assert_eq!(said["mode"], "READONLY");
    assert_eq!(said["level"], json!(["BACKWARD_TRANSITIVE", "BACKWARD_TRANSITIVE"]));
    assert_eq!(said["compatible"], json!([true, true, true, true, false, false, false, false]));
    for (what, status, code) in [
        ("absent subject", 404, 40401),
        ("absent version", 404, 40402),
        ("absent id", 404, 40403),
        ("unregistered schema", 404, 40403),
        ("broken schema", 422, 42201),
        ("incompatible schema", 409, 409),
        ("new schema", 422, 42205),
        ("other level", 422, 42203),
        ("wrong token", 401, 401),
    ] {
        let error = &said["errors"][what];
        assert_eq!((&error["status"], &error["code"]), (&json!(status), &json!(code)), "{what}: {error}");
        assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{what}: {error}");
    }
    Ok(())
}
