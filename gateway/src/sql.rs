//! `POST /v1/analytics/sql`: one reading statement over the analytics tables, for operators.
//!
//! The statement goes to the analytics port as it is; the port's gate says what may run. The answer's form follows
//! `Accept`. Statements are never logged.

use crate::{
    auth::Access,
    call::Call,
    codes,
    openapi::{Operation, schemas as shapes},
    problem::Problem,
    routes::{Answer, Route},
};
use analytics::SqlFormat;
use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, Method, Response, header},
};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Statement {
    sql: String,
}

/// The rows of the table.
pub(crate) fn routes(limits: &crate::Limits) -> Vec<Route> {
    let operation = Operation::new("runSql", "analytics", "Runs one reading statement over the analytics tables.")
        .body("application/json", shapes::statement())
        .body("text/plain", shapes::text())
        .answer(200, "Rows, in the form that Accept asks for.", "application/json", shapes::rows())
        .answer(200, "One JSON object per line.", "application/x-ndjson", shapes::text())
        .answer(200, "A table for people.", "text/plain", shapes::text())
        .problems(&[400, 401, 403, 408, 413, 415, 503]);
    let route = Route::new(Method::POST, "/v1/analytics/sql", Access::Operator, operation, run);
    vec![route.takes(limits.body_bytes, limits.body_time)]
}

async fn run(mut call: Call) -> Answer {
    let format = format(&call.parts.headers);
    let is_json =
        call.parts.headers.get(header::CONTENT_TYPE).is_some_and(|given| given.as_bytes().starts_with(b"application/json"));
    let statement = if is_json {
        call.json::<Statement>().await?.sql
    } else {
        let body = call.bytes(&["application/json", "text/plain"]).await?;
        String::from_utf8(body.to_vec()).map_err(|_| Problem::new(codes::INVALID_SQL, "the statement is not UTF-8"))?
    };
    if statement.trim().is_empty() || statement.contains('\0') {
        return Err(Problem::new(codes::INVALID_SQL, "send one statement, without NUL"));
    }
    let answer = call.gateway.analytics.sql(&statement, format).await?;
    let mut response = Response::new(Body::from(answer.body));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(answer.content_type));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// The first form in `Accept` that there is.
fn format(headers: &HeaderMap) -> SqlFormat {
    let accept = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).flat_map(|line| line.split(','));
    let known = |form: &str| match form.split(';').next().unwrap_or_default().trim() {
        "application/json" => Some(SqlFormat::Json),
        "application/x-ndjson" | "application/jsonl" | "application/x-jsonlines" => Some(SqlFormat::JsonLines),
        "text/plain" => Some(SqlFormat::Text),
        _ => None,
    };
    accept.filter_map(known).next().unwrap_or(SqlFormat::Json)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_known_form_is_taken() {
        for (accept, expected) in [
            ("application/json", SqlFormat::Json),
            ("text/html, application/x-ndjson;q=0.9", SqlFormat::JsonLines),
            ("text/plain", SqlFormat::Text),
            ("*/*", SqlFormat::Json),
        ] {
            let headers = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(accept))]);
            assert_eq!(format(&headers), expected, "{accept}");
        }
        assert_eq!(format(&HeaderMap::new()), SqlFormat::Json);
    }
}
