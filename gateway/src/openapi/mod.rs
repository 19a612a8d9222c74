//! `/openapi.json` (OpenAPI 3.1): made from the table of routes, so that nothing can be missing from it.
//!
//! What a row says of itself is an [`Operation`]; the shapes of bodies are in [`schemas`]. Every operation has a stable
//! id and answers errors as `application/problem+json`.

mod operation;
pub(crate) mod schemas;

pub(crate) use operation::Operation;

use crate::{
    auth::Access,
    codes,
    routes::{Answer, Route},
};
use axum::{
    body::Body,
    http::{HeaderValue, Method, Response, header},
};
use bytes::Bytes;
use serde_json::{Map, Value, json};

/// The route of the document that `rows` and itself make.
pub(crate) fn route(rows: &[Route]) -> Route {
    let operation = || {
        Operation::new("getOpenApi", "operations", "This document.")
            .answer(200, "The document.", "application/json", json!({ "type": "object" }))
            .problems(&[401])
    };
    let path = "/openapi.json";
    let own = Route::new(Method::GET, path, Access::Caller, operation(), |_| async { Ok(Response::new(Body::empty())) });
    let document = Bytes::from(document(rows.iter().chain([&own])).to_string());
    Route::new(Method::GET, path, Access::Caller, operation(), move |_| {
        let document = document.clone();
        async move { serve(document) }
    })
}

fn serve(document: Bytes) -> Answer {
    let mut response = Response::new(Body::from(document));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

/// The document of a table.
pub(crate) fn document<'a>(rows: impl Iterator<Item = &'a Route>) -> Value {
    let mut paths = Map::new();
    for row in rows {
        let path = paths.entry(row.path.clone()).or_insert_with(|| json!({}));
        path[row.method.as_str().to_ascii_lowercase()] = row.operation.document(&row.path, row.access);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Swarmlog",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "Commands in, queries out, over one event log.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "paths": paths,
        "components": {
            "schemas": { "Problem": problem(), "RegistryError": schemas::registry_error() },
            "securitySchemes": {
                "bearer": { "type": "http", "scheme": "bearer" },
                "basic": { "type": "http", "scheme": "basic", "description": "The token is the password, the name is anything." },
            },
        },
    })
}

/// The shape of every error (RFC 9457).
fn problem() -> Value {
    let names: Vec<_> = codes::ALL.iter().map(|code| code.name).collect();
    json!({
        "type": "object",
        "required": ["type", "title", "status", "detail", "instance", "code", "retryable"],
        "properties": {
            "type": { "type": "string", "format": "uri-reference", "description": "Where the code is explained." },
            "title": { "type": "string", "description": "What happened, the same for every problem of this code." },
            "status": { "type": "integer", "description": "The HTTP status." },
            "detail": { "type": "string", "description": "What happened this time and what to do." },
            "instance": { "type": "string", "format": "uri-reference", "description": "The path of the request." },
            "code": {
                "type": "string",
                "description": "Stable name of the problem: one of the examples, or that of a rule of the aggregate.",
                "examples": names,
            },
            "retryable": { "type": "boolean", "description": "Whether the same request may succeed later." },
            "trace_id": { "type": "string", "description": "Names the request in the server's log." },
            "seq": { "type": "integer", "description": "Of a refused command: where the aggregate stands, 0 if there is none." },
            "errors": {
                "type": "array",
                "description": "The fields that are wrong.",
                "items": {
                    "type": "object",
                    "required": ["pointer", "detail"],
                    "properties": {
                        "pointer": { "type": "string", "description": "JSON pointer (RFC 6901)." },
                        "detail": { "type": "string" },
                    },
                },
            },
        },
    })
}
