//! The worker protocol: `POST /v1/queues/{q}/lease` and `POST /v1/leases/{lease_id}/...`.
//!
//! A lease is asked for by queue ([`grant`]); the gateway looks for a candidate and sends `work.LeaseJob`, and the job
//! grants or refuses. A stale look costs a retry, never a double lease. What a worker says under its lease ([`said`])
//! becomes the command of the same meaning with the lease's job and fence; a fence that is no longer the newest is told
//! so.

mod candidates;
mod grant;
mod said;

pub(crate) use candidates::HandedOut;

use crate::{
    call::Call,
    codes, collections, commands, consistency,
    headers::CommandHeaders,
    problem::Problem,
    routes::Route,
    submit::{Decision, Outcome, Wait},
};
use axum::http::HeaderMap;
use schemas::{
    ConsistencyToken, SchemaInfo,
    row::{Column, Value},
};
use std::time::Duration;

/// How long a command of the protocol may take.
const DECIDED: Duration = Duration::from_secs(10);

/// The rows of the table.
pub(crate) fn routes(limits: &crate::Limits) -> Vec<Route> {
    let routes = [grant::route()].into_iter().chain(said::routes());
    routes.map(|route| route.takes(limits.body_bytes, limits.body_time)).collect()
}

/// Sends a command and waits until it is decided.
async fn decide(
    call: &Call,
    schema: &'static SchemaInfo,
    body: serde_json::Value,
    headers: &HeaderMap,
) -> Result<Decision, Problem> {
    let headers = CommandHeaders::read(headers, DECIDED)?;
    let order = commands::order(&call.principal, schema, body, headers)?;
    let command_id = order.command_id;
    match call.gateway.submitter.send(&call.principal, order, Wait::Decided(DECIDED)).await? {
        Outcome::Decided(decision) => Ok(decision),
        Outcome::Accepted => Err(Problem::new(
            codes::BUSY,
            format!("the command was not decided in time; its status is at /v1/commands/{command_id}"),
        )),
    }
}

/// The row of a job, as new as `token`.
async fn job(call: &Call, job_id: &str, token: &ConsistencyToken) -> Result<(&'static [Column], Vec<Value>), Problem> {
    let absent = || Problem::new(codes::NOT_FOUND, "there is no such job");
    let collection = collections::find("jobs").ok_or_else(absent)?;
    consistency::settle(&call.gateway, collection.projection, token).await?;
    let key = [Value::Text(job_id.to_owned())];
    let row = call.gateway.store.get(&collection.table, call.principal.tenant, &key).await?;
    Ok((collection.table.columns, row.ok_or_else(absent)?))
}
