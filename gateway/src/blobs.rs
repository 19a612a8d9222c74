//! `PUT` and `GET /v1/blobs/{sha256}`: checkpoints and other large things, named by their content.
//!
//! The bytes are hashed before they are stored, so a blob is what its name says; storing it again changes nothing. At
//! most a few blobs are in memory at a time.

use crate::{
    auth::Access,
    call::Call,
    codes,
    commands::answer_json,
    names,
    openapi::{Operation, schemas as shapes},
    problem::Problem,
    routes::{Answer, Route},
};
use axum::{
    body::Body,
    http::{HeaderValue, Method, Response, StatusCode, header},
};
use objects::Put;
use serde::Serialize;
use sha2::{Digest, Sha256};

/// The path of blobs; their number is bounded, not their share of the memory for bodies.
pub(crate) const PATH: &str = "/v1/blobs/{sha256}";

#[derive(Serialize)]
struct BlobJson {
    uri: String,
    size_bytes: usize,
}

/// The rows of the table.
pub(crate) fn routes(limits: &crate::Limits) -> Vec<Route> {
    let put = Operation::new("putBlob", "blobs", "Stores bytes under their SHA-256.")
        .body("application/octet-stream", shapes::bytes())
        .answer(201, "The blob is stored.", "application/json", shapes::blob())
        .answer(200, "It was there already.", "application/json", shapes::blob())
        .problems(&[400, 401, 408, 413, 415, 503]);
    let get = Operation::new("getBlob", "blobs", "Reads a blob.")
        .answer(200, "Its bytes.", "application/octet-stream", shapes::bytes())
        .problems(&[400, 401, 404, 503]);
    vec![
        Route::new(Method::PUT, PATH, Access::Caller, put, store).takes(limits.blob_bytes, limits.blob_time),
        Route::new(Method::GET, PATH, Access::Caller, get, fetch),
    ]
}

async fn store(mut call: Call) -> Answer {
    let hash = names::sha256("sha256", call.raw("sha256"))?.to_owned();
    let gateway = call.gateway.clone();
    let _permit = gateway.blobs.try_acquire().map_err(|_| full())?;
    let bytes = call.any_bytes().await?;
    let size_bytes = bytes.len();
    // Hashing 64 MiB takes long enough to hold up everything else on this thread.
    let content = bytes.clone();
    let found = tokio::task::spawn_blocking(move || hexadecimal(&Sha256::digest(&content)))
        .await
        .map_err(|_| Problem::new(codes::INTERNAL, "the blob could not be hashed"))?;
    if found != hash {
        return Err(Problem::new(codes::INVALID_BODY, format!("the SHA-256 of the bytes is {found}, not the one in the path")));
    }
    let put = gateway.objects.put_if_absent(&object(&hash), bytes).await?;
    let mut response = answer_json(&BlobJson { uri: format!("blob:{hash}"), size_bytes });
    if put == Put::Created {
        *response.status_mut() = StatusCode::CREATED;
        crate::commands::insert(&mut response, header::LOCATION, &format!("/v1/blobs/{hash}"));
    }
    Ok(response)
}

async fn fetch(call: Call) -> Answer {
    let hash = names::sha256("sha256", call.raw("sha256"))?;
    let _permit = call.gateway.blobs.try_acquire().map_err(|_| full())?;
    let absent = || Problem::new(codes::NOT_FOUND, "there is no such blob");
    let bytes = call.gateway.objects.get(&object(hash)).await?.ok_or_else(absent)?;
    let mut response = Response::new(Body::from(bytes));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, max-age=31536000, immutable"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    Ok(response)
}

fn object(hash: &str) -> String {
    format!("blobs/{}/{hash}", hash.get(..2).unwrap_or_default())
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn full() -> Problem {
    Problem::new(codes::BUSY, "too many blobs are under way already; try again").retry_after(2)
}
