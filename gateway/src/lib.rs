//! The gateway: commands in, queries out.
//!
//! What enters are HTTP requests; what leaves are commands on the log and answers from read models, results and
//! objects. It holds no rule of any domain and keeps nothing: routes, checks and documents come from the schemas and
//! the registry of projections, and any number of gateways may run beside each other.
//!
//! Every request is bounded in size, time and number, and every error is `application/problem+json`. The table of
//! routes in [`routes`] is the way in; [`submit`] is the way of a command.

mod asyncapi;
mod auth;
mod batch;
mod blobs;
mod call;
mod client;
mod clock;
mod codes;
mod collections;
mod commands;
mod config;
mod consistency;
mod cursor;
mod headers;
mod health;
mod history;
mod leases;
mod meters;
mod names;
mod openapi;
mod operator;
mod problem;
mod queries;
mod registry;
mod render;
mod results;
mod routes;
mod server;
mod sql;
mod state;
mod status;
mod stream;
mod submit;
mod telemetry;
mod topics;
mod waiters;

pub use auth::check_bind;
pub use client::{Client, Unanswered};
pub use config::{Config, GatewayError, Limits};

use analytics::Analytics;
use consistency::Watermarks;
use leases::HandedOut;
use log::{Log, LogError};
use metrics_exporter_prometheus::PrometheusHandle;
use objects::Objects;
use results::Listener;
use routes::Route;
use service::{Component, Lifecycle, Status};
use std::{sync::Arc, time::Duration};
use stores::Store;
use submit::Submitter;
use tokio::{
    sync::{Mutex, Semaphore},
    task::JoinSet,
};
use waiters::Waiters;

/// How often the metrics are tidied up; the samples of histograms are kept in between.
const UPKEEP: Duration = Duration::from_secs(5);

/// The pause before a log that was away at the start is asked again.
const PATIENCE: Duration = Duration::from_millis(500);

/// What all handlers share.
pub(crate) struct Gateway {
    guard: auth::Guard,
    log: Arc<dyn Log>,
    store: Arc<dyn Store>,
    analytics: Analytics,
    objects: Objects,
    lifecycle: Lifecycle,
    metrics: PrometheusHandle,
    limits: Limits,
    submitter: Submitter,
    waiters: Waiters,
    watermarks: Watermarks,
    handed_out: HandedOut,
    connections: Arc<Semaphore>,
    streams: Arc<Semaphore>,
    polls: Semaphore,
    blobs: Semaphore,
    body_memory: Arc<Semaphore>,
    rebuilds: Mutex<()>,
}

/// Serves until the program ends: accepts no more then, answers what is in flight, and returns.
pub async fn serve(config: Config) -> Result<(), GatewayError> {
    config.check()?;
    let contexts = consistency::contexts();
    let topics = topics::all();
    let topics: Vec<_> = topics.iter().map(|topic| topic.name.as_str()).collect();
    let component = config.lifecycle.health().component("gateway");
    patiently(&component, || config.log.create_topics(&topics)).await?;
    let (listener, gateway) = assemble(config);
    let stop = tokio_util::sync::CancellationToken::new();
    let _stop = stop.clone().drop_guard();
    let mut tasks = JoinSet::new();
    // Standing at the end before the first command is accepted.
    let at_the_end = || Listener::at_the_end(&gateway.log, &gateway.waiters, contexts);
    for results in patiently(&component, at_the_end).await? {
        tasks.spawn(results.run(stop.clone()));
    }
    let handle = gateway.metrics.clone();
    tasks.spawn(async move {
        loop {
            tokio::time::sleep(UPKEEP).await;
            handle.run_upkeep();
        }
    });
    let router = routes::router(&gateway, table(&gateway.limits));
    component.set(Status::Ready);
    tracing::info!(address = ?listener.local_addr().ok(), "the gateway listens");
    tokio::select! {
        served = server::run(gateway, listener, router) => served,
        Some(ended) = tasks.join_next() => match ended {
            Ok(Err(error)) => Err(error),
            Ok(Ok(())) => Err(GatewayError::Task("it ended without being asked to".to_owned())),
            Err(error) => Err(GatewayError::Task(error.to_string())),
        },
    }
}

/// Asks the log until it answers; only a log that cannot go on is an error.
async fn patiently<T, F: Future<Output = Result<T, LogError>>>(
    component: &Component,
    mut ask: impl FnMut() -> F,
) -> Result<T, LogError> {
    loop {
        match ask().await {
            Err(error @ (LogError::Transient(_) | LogError::Ambiguous(_) | LogError::Absent(_))) => {
                component.set(Status::Failing(error.to_string()));
                tokio::time::sleep(PATIENCE).await;
            }
            answer => return answer,
        }
    }
}

/// The table of all routes.
fn table(limits: &Limits) -> Vec<Route> {
    let mut table = commands::routes(limits);
    table.extend(batch::routes(limits));
    table.extend(status::routes());
    table.extend(queries::routes());
    table.extend(history::routes());
    table.extend(state::routes());
    table.extend(stream::routes());
    table.extend(leases::routes(limits));
    table.extend(telemetry::routes(limits));
    table.extend(sql::routes(limits));
    table.extend(blobs::routes(limits));
    table.extend(operator::routes());
    table.extend(registry::routes(limits));
    table.extend(asyncapi::routes());
    table.extend(health::routes());
    let document = openapi::route(&table);
    table.push(document);
    table
}

fn assemble(config: Config) -> (tokio::net::TcpListener, Arc<Gateway>) {
    let Config { listener, token, log, store, analytics, objects, lifecycle, metrics, limits } = config;
    let waiters = Waiters::new();
    let submitter = Submitter::new(log.clone(), waiters.clone(), consistency::contexts(), limits.commands);
    let gateway = Gateway {
        guard: auth::Guard::new(token),
        log,
        store,
        analytics,
        objects,
        lifecycle,
        metrics,
        submitter,
        waiters,
        watermarks: Watermarks::default(),
        handed_out: HandedOut::default(),
        connections: Arc::new(Semaphore::new(limits.connections)),
        streams: Arc::new(Semaphore::new(limits.streams)),
        polls: Semaphore::new(limits.polls),
        blobs: Semaphore::new(limits.blobs),
        body_memory: Arc::new(Semaphore::new(limits.body_memory_bytes)),
        rebuilds: Mutex::new(()),
        limits,
    };
    (listener, Arc::new(gateway))
}
