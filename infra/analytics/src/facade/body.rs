//! The statement of a request: from the URL, the body, or a form.

use super::{Failure, Parameters, form};
use axum::{
    body::{Body, to_bytes},
    extract::Request,
    http::header::CONTENT_TYPE,
};
use http_body_util::LengthLimitError;
use std::{error::Error, time::Duration};

/// The longest statement with its parameters.
const MAX_BYTES: usize = 4 << 20;
/// How long the body of a request may take.
const TIME: Duration = Duration::from_secs(30);

/// What is to be run.
pub(super) struct Statement {
    /// The text.
    pub(super) text: String,
    /// Values of its `{name:Type}` places.
    pub(super) values: Vec<(String, String)>,
}

/// Reads a request to its end.
pub(super) async fn read(request: Request, parameters: &mut Parameters) -> Result<Statement, Failure> {
    let (head, body) = request.into_parts();
    let content_type = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let text = whole(body).await?;
    let mut statement =
        Statement { text: parameters.query.take().unwrap_or_default(), values: std::mem::take(&mut parameters.values) };
    match form::boundary(content_type) {
        // ClickHouse appends the body to what stands in the URL.
        None if !statement.text.is_empty() && !text.is_empty() => statement.text = format!("{}\n{text}", statement.text),
        None if statement.text.is_empty() => statement.text = text,
        None => {}
        Some(boundary) => {
            for (name, value) in form::fields(&text, boundary)? {
                match name.strip_prefix("param_") {
                    Some(name) => statement.values.push((name.to_owned(), value)),
                    None if name == "query" => statement.text.push_str(&value),
                    None => return Err(Failure::bad(format!("the form has a field {name:?}"))),
                }
            }
        }
    }
    if statement.text.trim().is_empty() {
        return Err(Failure::bad("there is no statement, neither in the URL (query=) nor in the body"));
    }
    Ok(statement)
}

async fn whole(body: Body) -> Result<String, Failure> {
    let body = tokio::time::timeout(TIME, to_bytes(body, MAX_BYTES))
        .await
        .map_err(|_| Failure::aborted("the statement did not come"))?
        .map_err(|error| match error.source() {
            Some(source) if source.is::<LengthLimitError>() => {
                Failure::too_large(format!("a statement may have {} MiB", MAX_BYTES >> 20))
            }
            _ => Failure::aborted(format!("the statement broke off: {error}")),
        })?;
    String::from_utf8(body.into()).map_err(|_| Failure::bad("the statement is not UTF-8"))
}
