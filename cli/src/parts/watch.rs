//! Looks at the servers while the program runs, so that `/readyz?verbose` names the one that is away.
//!
//! Nothing waits for this: each part meets an outage by itself and goes on by itself.

use log::{Log, LogError, Source};
use service::{Component, Status};
use std::{fmt::Display, sync::Arc, time::Duration};
use stores::{Store, StoreError};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

const EVERY: Duration = Duration::from_secs(2);
const ANSWER: Duration = Duration::from_secs(5);

/// Watches the event log, without which nothing works.
pub async fn log(log: Arc<dyn Log>, topic: String, component: Component, shutdown: CancellationToken) -> Result<(), LogError> {
    let source = Source { topic: topic.into(), partition: 0 };
    repeat(&shutdown, &component, Status::Failing, || log.end(&source)).await;
    Ok(())
}

/// Watches the operational store; commands are taken without it.
pub async fn store(store: Arc<dyn Store>, component: Component, shutdown: CancellationToken) -> Result<(), StoreError> {
    let name = projections::all().first().map(|projection| projection.name()).unwrap_or_default();
    repeat(&shutdown, &component, Status::Degraded, || store.generations(name)).await;
    Ok(())
}

async fn repeat<T, E: Display, F: Future<Output = Result<T, E>>>(
    shutdown: &CancellationToken,
    component: &Component,
    away: fn(String) -> Status,
    mut ask: impl FnMut() -> F,
) {
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = sleep(EVERY) => {}
        }
        component.set(match timeout(ANSWER, ask()).await {
            Ok(Ok(_)) => Status::Ready,
            Ok(Err(error)) => away(error.to_string()),
            Err(_) => away(format!("no answer within {} s", ANSWER.as_secs())),
        });
    }
}
