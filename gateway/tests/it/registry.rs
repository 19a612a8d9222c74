//! The registry as its clients see it.

use crate::world::{Setting, World, id};
use apache_avro::reader::datum::GenericDatumReader;
use log::Source;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

const MEDIA: &str = "application/vnd.schemaregistry.v1+json";
const SUBMITTED: &str = "/subjects/work.JobSubmitted";

/// Status and body of an answer, which has the registry's form whatever it is.
async fn answered(request: RequestBuilder) -> (u16, Value) {
    let answer = request.send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], MEDIA, "{}", answer.url());
    (answer.status().as_u16(), answer.json().await.unwrap())
}

async fn get(world: &World, path: &str) -> (u16, Value) {
    answered(world.get(path)).await
}

async fn send(world: &World, method: Method, path: &str, body: Value) -> (u16, Value) {
    answered(world.request(method, path).header("content-type", MEDIA).body(body.to_string())).await
}

async fn post(world: &World, path: &str, schema: &Value) -> (u16, Value) {
    send(world, Method::POST, path, json!({ "schema": schema.to_string(), "schemaType": "AVRO" })).await
}

/// The error's number and status; it always has a message.
fn refused((status, body): (u16, Value)) -> (u16, u64) {
    assert!(body["message"].as_str().is_some_and(|message| !message.is_empty()), "{body}");
    (status, body["error_code"].as_u64().unwrap())
}

fn submitted() -> Value {
    serde_json::from_str(schemas::schema("work.JobSubmitted").unwrap().json).unwrap()
}

/// The schema with one more field.
fn grown(field: Value) -> Value {
    let mut schema = submitted();
    schema["fields"].as_array_mut().unwrap().push(field);
    schema
}

#[tokio::test(flavor = "multi_thread")]
async fn every_locked_version_is_served_under_subject_version_and_id() {
    let world = World::start().await;
    let (_, subjects) = get(&world, "/subjects?deleted=true&unknown=1").await;
    let subjects: Vec<String> = serde_json::from_value(subjects).unwrap();
    assert!(subjects.is_sorted());
    for locked in schemas::locked() {
        let (subject, version) = (&locked.subject, locked.version);
        assert!(subjects.contains(subject));
        let (_, versions) = get(&world, &format!("/subjects/{subject}/versions")).await;
        assert!(versions.as_array().unwrap().contains(&json!(version)), "{subject}: {versions}");
        let (status, one) = get(&world, &format!("/subjects/{subject}/versions/{version}")).await;
        assert_eq!(
            (status, &one["subject"], &one["version"], &one["id"]),
            (200, &json!(subject), &json!(version), &json!(locked.id))
        );
        let (status, by_id) = get(&world, &format!("/schemas/ids/{}?subject=x", locked.id)).await;
        assert_eq!((status, &by_id["schema"]), (200, &one["schema"]));
        let text = by_id["schema"].as_str().unwrap();
        assert_eq!(serde_json::from_str::<Value>(text).unwrap(), locked.schema);
        apache_avro::Schema::parse_str(text).unwrap();
        let usages = get(&world, &format!("/schemas/ids/{}/versions", locked.id)).await;
        assert_eq!(usages, (200, json!([{ "subject": subject, "version": version }])));
    }
    let newest = schemas::locked().iter().rfind(|locked| locked.subject == "work.JobSubmitted").unwrap();
    for latest in ["latest", "-1"] {
        let (_, one) = get(&world, &format!("{SUBMITTED}/versions/{latest}")).await;
        assert_eq!(one["version"], json!(newest.version));
    }
    assert_eq!(get(&world, "/schemas/types").await, (200, json!(["AVRO"])));
    assert_eq!(get(&world, "/mode").await, (200, json!({ "mode": "READONLY" })));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_avro_reader_that_knows_only_the_registry_reads_the_log() {
    let world = World::start().await;
    let job = id(&world.submit("registry").await);
    let mut seen = Vec::new();
    for partition in 0..world.log.partitions() {
        let source = Source { topic: "work.events".into(), partition };
        for record in world.log.read(&source, 0, 100).await.unwrap() {
            let (prefix, mut datum) = record.payload.split_at(5);
            assert_eq!(prefix[0], 0);
            let id = u32::from_be_bytes(prefix[1..].try_into().unwrap());
            let (_, schema) = get(&world, &format!("/schemas/ids/{id}")).await;
            let schema = apache_avro::Schema::parse_str(schema["schema"].as_str().unwrap()).unwrap();
            let value = GenericDatumReader::builder(&schema).build().unwrap().read_value(&mut datum).unwrap();
            seen.push(serde_json::Value::try_from(value).unwrap());
        }
    }
    assert_eq!(seen.len(), 1);
    assert_eq!((&seen[0]["job_id"], &seen[0]["queue"]), (&json!(job), &json!("registry")));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_that_is_there_is_found_and_registered_in_whatever_words() {
    let world = World::start().await;
    let (_, latest) = get(&world, &format!("{SUBMITTED}/versions/latest")).await;
    let mut reworded = submitted();
    for field in reworded["fields"].as_array_mut().unwrap() {
        if field["type"] == "string" {
            field["type"] = json!({ "type": "string" });
        }
    }
    assert_ne!(reworded, submitted());
    for schema in [submitted(), reworded] {
        assert_eq!(post(&world, SUBMITTED, &schema).await, (200, latest.clone()));
        let registered = post(&world, &format!("{SUBMITTED}/versions"), &schema).await;
        assert_eq!(registered, (200, json!({ "id": latest["id"] })));
    }
    for media in ["application/json", "application/vnd.schemaregistry+json; charset=utf-8"] {
        let body = json!({ "schema": submitted().to_string(), "version": 1, "metadata": null, "references": null });
        let request = world.request(Method::POST, SUBMITTED).header("content-type", media).body(body.to_string());
        assert_eq!(answered(request).await.0, 200, "{media}");
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_schema_is_judged_by_the_gate_and_not_taken() {
    let world = World::start().await;
    let versions = format!("{SUBMITTED}/versions");
    let fits = grown(json!({ "name": "note", "type": "string", "doc": "A note.", "default": "" }));
    let lacks_default = grown(json!({ "name": "note", "type": "string", "doc": "A note." }));
    let mut fresh = submitted();
    fresh["name"] = json!("JobNoted");
    let before = get(&world, "/subjects").await;

    let read_only = post(&world, &versions, &fits).await;
    assert!(read_only.1["message"].as_str().unwrap().contains("make schemas"), "{read_only:?}");
    assert_eq!(refused(read_only), (422, 42205));
    assert_eq!(refused(post(&world, "/subjects/work.JobNoted/versions", &fresh).await), (422, 42205));
    let incompatible = post(&world, &versions, &lacks_default).await;
    assert!(incompatible.1["message"].as_str().unwrap().contains("note"), "{incompatible:?}");
    assert_eq!(refused(incompatible), (409, 409));
    assert_eq!(refused(post(&world, &versions, &fresh).await), (422, 42201), "another record's name");
    assert_eq!(refused(post(&world, &versions, &json!("string")).await), (422, 42201));
    assert_eq!(refused(post(&world, SUBMITTED, &fits).await), (404, 40403));
    assert_eq!(refused(post(&world, "/subjects/work.JobNoted", &fresh).await), (404, 40401));

    let compatibility = |version: &str| format!("/compatibility{SUBMITTED}/versions/{version}");
    for version in ["1", "latest", "latest?verbose=false&x=y"] {
        assert_eq!(post(&world, &compatibility(version), &fits).await, (200, json!({ "is_compatible": true })));
        assert_eq!(post(&world, &compatibility(version), &lacks_default).await, (200, json!({ "is_compatible": false })));
    }
    for verbose in ["latest?verbose=true", "latest?normalize=False&verbose=True"] {
        let (_, verbose) = post(&world, &compatibility(verbose), &lacks_default).await;
        assert!(verbose["messages"][0].as_str().unwrap().contains("note"), "{verbose}");
    }
    assert_eq!(post(&world, &compatibility("latest"), &fresh).await.1["is_compatible"], false);
    assert_eq!(refused(post(&world, &compatibility("latest"), &json!([])).await), (422, 42201));
    assert_eq!(refused(post(&world, &compatibility("9999"), &fits).await), (404, 40402));

    assert_eq!(get(&world, "/subjects").await, before);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_has_the_number_that_clients_know() {
    let world = World::start().await;
    for (path, status, code) in [
        ("/subjects/work.Nothing/versions", 404, 40401),
        ("/subjects/work.events-value/versions/latest", 404, 40401),
        ("/subjects/..%2F..%2Fetc/versions", 404, 40401),
        ("/subjects/work.JobSubmitted/versions/9999", 404, 40402),
        ("/subjects/work.JobSubmitted/versions/0", 422, 42202),
        ("/subjects/work.JobSubmitted/versions/newest", 422, 42202),
        ("/subjects/work.JobSubmitted/versions/99999999999", 422, 42202),
        ("/schemas/ids/4000000000", 404, 40403),
        ("/schemas/ids/x", 404, 40403),
        ("/schemas/ids/0/versions", 404, 40403),
        ("/config/work.Nothing", 404, 40401),
    ] {
        assert_eq!(refused(get(&world, path).await), (status, code), "{path}");
    }
    for (body, status, code) in [
        (json!({ "schema": "{" }), 422, 42201),
        (json!({ "schema": "{}", "schemaType": "PROTOBUF" }), 422, 42201),
        (json!({ "schema": "{}", "references": [{ "name": "a", "subject": "b", "version": 1 }] }), 422, 42201),
        (json!({ "schemas": 1 }), 400, 400),
        (json!({ "schema": "x".repeat(200_000) }), 413, 413),
    ] {
        assert_eq!(refused(send(&world, Method::POST, SUBMITTED, body).await), (status, code));
    }
    let form = world.request(Method::POST, SUBMITTED).header("content-type", "text/plain").body("{}");
    assert_eq!(refused(answered(form).await), (415, 415));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_level_is_told_and_stays() {
    let world = World::start().await;
    for path in ["/config", "/config/work.JobSubmitted?defaultToGlobal=true"] {
        assert_eq!(get(&world, path).await, (200, json!({ "compatibilityLevel": "BACKWARD_TRANSITIVE" })));
        let same = json!({ "compatibility": "BACKWARD_TRANSITIVE" });
        assert_eq!(send(&world, Method::PUT, path, same.clone()).await, (200, same));
        for other in [json!({ "compatibility": "NONE" }), json!({})] {
            assert_eq!(refused(send(&world, Method::PUT, path, other).await), (422, 42203));
        }
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_opens_the_registry_as_a_password_too_and_nothing_else() {
    let world = World::with(Setting { token: Some("secret"), ..Setting::default() }).await;
    assert_eq!(refused(get(&world, "/subjects").await), (401, 401));
    assert_eq!(refused(answered(world.get("/subjects").basic_auth("user", Some("wrong"))).await), (401, 401));
    assert_eq!(answered(world.get("/subjects").basic_auth("user", Some("secret"))).await.0, 200);
    assert_eq!(answered(world.get("/subjects").bearer_auth("secret")).await.0, 200);
    let elsewhere = world.get("/v1/jobs").basic_auth("user", Some("secret")).send().await.unwrap();
    assert_eq!(elsewhere.status(), 401);
    world.stop().await;
}
