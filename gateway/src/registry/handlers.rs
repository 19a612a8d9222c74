//! What each route answers.

use super::{
    answer::{Failure, answer},
    catalogue::{self, Version},
    offered::{Body, Offered, body},
};
use crate::{call::Call, routes::Answer};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// The one level: records of every version before can be read.
const LEVEL: &str = "BACKWARD_TRANSITIVE";

#[derive(Serialize)]
struct Registered<'a> {
    subject: &'a str,
    id: u32,
    version: u32,
    schema: &'a str,
}

impl<'a> From<&'a Version> for Registered<'a> {
    fn from(known: &'a Version) -> Self {
        Self { subject: known.subject, id: known.id, version: known.version, schema: &known.text }
    }
}

#[derive(Deserialize)]
struct Level {
    compatibility: Option<String>,
}

pub(super) async fn subjects(_: Call) -> Answer {
    answer(Ok(catalogue::subjects()))
}

pub(super) async fn versions(call: Call) -> Answer {
    let versions = catalogue::versions(call.raw("subject"));
    answer(versions.map(|versions| versions.iter().map(|known| known.version).collect::<Vec<_>>()))
}

pub(super) async fn version(call: Call) -> Answer {
    answer(catalogue::version(call.raw("subject"), call.raw("version")).map(Registered::from))
}

pub(super) async fn schema(call: Call) -> Answer {
    answer(catalogue::by_id(call.raw("id")).map(|known| json!({ "schema": known.text })))
}

pub(super) async fn usages(call: Call) -> Answer {
    let known = catalogue::by_id(call.raw("id"));
    answer(known.map(|known| json!([{ "subject": known.subject, "version": known.version }])))
}

pub(super) async fn types(_: Call) -> Answer {
    answer(Ok(["AVRO"]))
}

pub(super) async fn level(_: Call) -> Answer {
    answer(Ok(json!({ "compatibilityLevel": LEVEL })))
}

pub(super) async fn level_of(call: Call) -> Answer {
    answer(catalogue::versions(call.raw("subject")).map(|_| json!({ "compatibilityLevel": LEVEL })))
}

pub(super) async fn mode(_: Call) -> Answer {
    answer(Ok(json!({ "mode": "READONLY" })))
}

pub(super) async fn find(mut call: Call) -> Answer {
    let body: Body = body(&mut call).await?;
    let subject = call.raw("subject");
    let found = catalogue::versions(subject).and_then(|_| catalogue::same(subject, &Offered::read(body)?));
    answer(found.map(Registered::from))
}

pub(super) async fn register(mut call: Call) -> Answer {
    let body: Body = body(&mut call).await?;
    let id = Offered::read(body).and_then(|offered| catalogue::register(call.raw("subject"), &offered));
    answer(id.map(|id| json!({ "id": id })))
}

pub(super) async fn compatible(mut call: Call) -> Answer {
    let body: Body = body(&mut call).await?;
    let version = catalogue::version(call.raw("subject"), call.raw("version"));
    let judged = version.and_then(|version| catalogue::judge(version, &Offered::read(body)?));
    // Confluent's client for Python says True.
    let verbose =
        call.parts.uri.query().is_some_and(|query| query.split('&').any(|pair| pair.eq_ignore_ascii_case("verbose=true")));
    answer(judged.map(|complaints| match verbose {
        true => json!({ "is_compatible": complaints.is_empty(), "messages": complaints }),
        false => json!({ "is_compatible": complaints.is_empty() }),
    }))
}

pub(super) async fn set_level(mut call: Call) -> Answer {
    let level: Level = body(&mut call).await?;
    answer(kept(level))
}

pub(super) async fn set_level_of(mut call: Call) -> Answer {
    let level: Level = body(&mut call).await?;
    answer(catalogue::versions(call.raw("subject")).and_then(|_| kept(level)))
}

fn kept(level: Level) -> Result<serde_json::Value, Failure> {
    match level.compatibility.as_deref() {
        Some(LEVEL) => Ok(json!({ "compatibility": LEVEL })),
        _ => Err(Failure::Level),
    }
}
