//! The document and the routes say the same.

use crate::world::World;
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::HashSet;

async fn document(world: &World) -> Value {
    world.get("/openapi.json").send().await.unwrap().json().await.unwrap()
}

fn operations(document: &Value) -> impl Iterator<Item = (&str, Method, &Value)> {
    document["paths"].as_object().unwrap().iter().flat_map(|(path, item)| {
        item.as_object()
            .unwrap()
            .iter()
            .map(move |(method, operation)| (path.as_str(), method.to_ascii_uppercase().parse().unwrap(), operation))
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_is_openapi_and_its_schemas_are_json_schemas() {
    let world = World::start().await;
    let document = document(&world).await;
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1."));
    assert!(document["info"]["title"].is_string() && document["info"]["version"].is_string());
    let mut ids = HashSet::new();
    for (path, method, operation) in operations(&document) {
        let place = format!("{method} {path}");
        assert!(path.starts_with('/') && matches!(method, Method::GET | Method::POST | Method::PUT), "{place}");
        assert!(ids.insert(operation["operationId"].as_str().unwrap()), "{place}: the id is taken");
        let responses = operation["responses"].as_object().unwrap();
        assert!(
            responses.keys().all(|status| status == "default" || status.parse::<u16>().is_ok_and(|s| (100..600).contains(&s)))
        );
        let form = match operation["tags"][0].as_str().unwrap() {
            "schema registry" => "application/vnd.schemaregistry.v1+json",
            _ => "application/problem+json",
        };
        assert!(responses["default"]["content"].get(form).is_some(), "{place}");
        for (status, response) in responses {
            assert!(response["description"].is_string(), "{place} {status}");
            for media in response["content"].as_object().unwrap().values() {
                schema(&place, &media["schema"]);
            }
        }
        let mut names = HashSet::new();
        for parameter in operation["parameters"].as_array().unwrap() {
            let (name, within) = (parameter["name"].as_str().unwrap(), parameter["in"].as_str().unwrap());
            assert!(names.insert((name, within)), "{place}: {name} twice");
            assert!(["path", "query", "header"].contains(&within), "{place}");
            assert!(within != "path" || parameter["required"] == true, "{place}");
            schema(&place, &parameter["schema"]);
        }
        let in_path = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
        for name in in_path {
            assert!(names.contains(&(name, "path")), "{place}: {name}");
        }
        if let Some(body) = operation.get("requestBody") {
            for media in body["content"].as_object().unwrap().values() {
                schema(&place, &media["schema"]);
                if let Some(example) = media.get("example") {
                    let validator = jsonschema::validator_for(&media["schema"]).unwrap();
                    assert!(validator.is_valid(example), "{place}: {example}");
                }
            }
        }
    }
    world.stop().await;
}

fn schema(place: &str, schema: &Value) {
    if schema.get("$ref").is_some() {
        let known = ["#/components/schemas/Problem", "#/components/schemas/RegistryError"];
        return assert!(known.contains(&schema["$ref"].as_str().unwrap()), "{place}");
    }
    assert!(jsonschema::draft202012::meta::is_valid(schema), "{place}: {schema}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_documented_route_is_served_and_other_methods_are_not() {
    let world = World::start().await;
    let document = document(&world).await;
    for (path, method, _) in operations(&document) {
        let concrete = path.replace(['{', '}'], "");
        let answer = world.request(method.clone(), &concrete).send().await.unwrap();
        let missing = answer.status() == 404 && {
            let body: Value = answer.json().await.unwrap();
            body["detail"].as_str().is_some_and(|detail| detail.contains("/openapi.json lists all"))
        };
        assert!(!missing, "{method} {path} is not served");
        let answer = world.request(Method::DELETE, &concrete).send().await.unwrap();
        assert_eq!(answer.status(), 405, "{path}");
        assert!(answer.headers()["allow"].to_str().unwrap().contains(method.as_str()), "{path}");
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_has_a_route_with_an_example_that_is_taken() {
    let world = World::start().await;
    let document = document(&world).await;
    for command in schemas::SCHEMAS.iter().filter(|schema| schema.kind == schemas::SchemaKind::Command) {
        let path = format!("/v1/commands/{}", command.name);
        let example = &document["paths"][&path]["post"]["requestBody"]["content"]["application/json"]["example"];
        assert!(example.is_object(), "{path}");
        let answer = world.post(&path, example).send().await.unwrap();
        let status = answer.status().as_u16();
        assert!([200, 201, 404, 409].contains(&status), "{path}: {status} {:?}", answer.text().await);
    }
    assert_eq!(document["paths"]["/v1/jobs"]["get"]["operationId"], json!("list_jobs"));
    world.stop().await;
}
