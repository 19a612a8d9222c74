//! Looks at the servers while the program runs, so that `/readyz?verbose` names the one that is away.
//!
//! Nothing waits for this: each part meets an outage by itself and goes on by itself.

use analytics::{Analytics, AnalyticsError};
use log::{Log, LogError, Source};
use objects::{ObjectError, Objects};
use service::{Component, Status};
use std::{fmt::Display, sync::Arc, time::Duration};
use stores::{Store, StoreError};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// An object that nobody makes.
const NO_OBJECT: &str = "no-such-object";

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

/// Watches archive and blobs; commands are taken without them.
pub async fn objects(objects: Objects, component: Component, shutdown: CancellationToken) -> Result<(), ObjectError> {
    repeat(&shutdown, &component, Status::Degraded, || objects.get(NO_OBJECT)).await;
    Ok(())
}

/// Watches the analytics store; `away` says how bad it is that it is away.
pub async fn analytics(
    analytics: Analytics,
    component: Component,
    away: fn(String) -> Status,
    shutdown: CancellationToken,
) -> Result<(), AnalyticsError> {
    repeat(&shutdown, &component, away, || analytics.check()).await;
    Ok(())
}

async fn repeat<T, E: Display, F: Future<Output = Result<T, E>>>(
    shutdown: &CancellationToken,
    component: &Component,
    away: fn(String) -> Status,
    mut ask: impl FnMut() -> F,
) {
    loop {
        let answer = tokio::select! {
            () = shutdown.cancelled() => return,
            answer = timeout(ANSWER, ask()) => answer,
        };
        component.set(match answer {
            Ok(Ok(_)) => Status::Ready,
            Ok(Err(error)) => away(error.to_string()),
            Err(_) => away(format!("no answer within {} s", ANSWER.as_secs())),
        });
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = sleep(EVERY) => {}
        }
    }
}
