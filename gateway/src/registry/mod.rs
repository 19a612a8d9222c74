//! The API of a schema registry, as clients of Kafka know it: the versions of `registry.lock`, to be read.
//!
//! What enters are the requests of Confluent's registry; what leaves are its answers, errors included. A subject is the
//! full name of a record (`RecordNameStrategy`). The registry is the source tree: a version comes to be by `make
//! schemas` and a commit, so the registry is read-only while it runs. Registering what is there answers its number;
//! anything else is judged by the gate and then refused, so that the caller learns whether it would pass.

mod answer;
mod catalogue;
mod handlers;
mod offered;

use crate::{
    Limits,
    auth::Access,
    call::Call,
    openapi::{Operation, schemas as shapes},
    routes::{Answer, Route},
};
use axum::http::Method;
use handlers as on;
use serde_json::Value;
use std::future::Future;

/// Content type of all answers.
const MEDIA: &str = "application/vnd.schemaregistry.v1+json";

/// Most bytes of a request: room for a schema that is ten times as large as any.
const BYTES: usize = 128 << 10;

const VERSIONS: &str = "/subjects/{subject}/versions";
const VERSION: &str = "/subjects/{subject}/versions/{version}";
const COMPATIBLE: &str = "/compatibility/subjects/{subject}/versions/{version}";

/// The rows of the table.
pub(crate) fn routes(limits: &Limits) -> Vec<Route> {
    let reading = [
        row(Method::GET, "/subjects", says("listSubjects", "The full names of all records.", shapes::names()), on::subjects),
        row(Method::GET, VERSIONS, says("listVersions", "The versions of a subject.", shapes::versions()), on::versions),
        row(Method::GET, VERSION, says("getVersion", "A version, or the latest.", shapes::registered()), on::version),
        row(Method::GET, "/schemas/ids/{id}", says("getSchema", "The schema of this id.", shapes::schema_only()), on::schema),
        row(
            Method::GET,
            "/schemas/ids/{id}/versions",
            says("listUsages", "Subject and version of a schema.", shapes::usages()),
            on::usages,
        ),
        row(Method::GET, "/schemas/types", says("listSchemaTypes", "The types of schemas.", shapes::names()), on::types),
        row(Method::GET, "/config", says("getCompatibility", "What a change keeps.", shapes::level_kept()), on::level),
        row(
            Method::GET,
            "/config/{subject}",
            says("getCompatibilityOf", "What a change of a subject keeps.", shapes::level_kept()),
            on::level_of,
        ),
        row(Method::GET, "/mode", says("getMode", "Whether schemas can be registered here.", shapes::mode()), on::mode),
    ];
    let find = says("findVersion", "The version that has this schema.", shapes::registered());
    let register = "The id of a schema that is there; a new one is checked and refused (42205): registering is a commit.";
    let register = says("registerSchema", register, shapes::schema_id());
    let compatible = "Whether records of a version can be read with this schema; verbose=true says why not.";
    let compatible = says("checkCompatibility", compatible, shapes::fits()).query(
        "verbose",
        "Whether to say why not.",
        shapes::one_of(vec!["true".to_owned(), "false".to_owned()]),
    );
    let set = |id| says(id, "Takes the level that is kept, and no other.", shapes::level_set());
    let sending = [
        row(Method::POST, "/subjects/{subject}", find.body(MEDIA, shapes::offered()), on::find),
        row(Method::POST, VERSIONS, register.body(MEDIA, shapes::offered()), on::register),
        row(Method::POST, COMPATIBLE, compatible.body(MEDIA, shapes::offered()), on::compatible),
        row(Method::PUT, "/config", set("setCompatibility").body(MEDIA, shapes::level_set()), on::set_level),
        row(Method::PUT, "/config/{subject}", set("setCompatibilityOf").body(MEDIA, shapes::level_set()), on::set_level_of),
    ];
    reading.into_iter().chain(sending.map(|route| route.takes(BYTES, limits.body_time))).collect()
}

fn says(id: &str, summary: &str, answer: Value) -> Operation {
    Operation::new(id, "schema registry", summary)
        .answer(200, "It is this.", MEDIA, answer)
        .problems(&[401, 404, 409, 422])
        .errors(MEDIA, "RegistryError")
}

fn row<F, A>(method: Method, path: &str, operation: Operation, handler: F) -> Route
where
    F: Fn(Call) -> A + Send + Sync + 'static,
    A: Future<Output = Answer> + Send + 'static,
{
    Route::new(method, path, Access::Registry, operation, handler).errors(answer::problem)
}
