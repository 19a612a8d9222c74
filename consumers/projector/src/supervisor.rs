//! Starts a keeper for every read model and ends with them.

use crate::{keeper::Keeper, meters::Meters, pulse::Pulse, runner::Context, tail::Tail, trouble::ProjectorError};
use log::Log;
use schemas::AnyProjection;
use service::Lifecycle;
use std::sync::Arc;
use stores::Store;
use tokio::task::JoinSet;
use tokio_util::task::AbortOnDropHandle;

/// Runs `projections` until the lifecycle ends, or until the log fails for good.
pub async fn run(
    log: Arc<dyn Log>,
    store: Arc<dyn Store>,
    projections: &'static [&'static dyn AnyProjection],
    lifecycle: Lifecycle,
) -> Result<(), ProjectorError> {
    let tail = Arc::new(Tail::new(log.clone()));
    let mut keepers = JoinSet::new();
    for projection in projections.iter().copied() {
        let name = projection.name();
        let context = Context {
            log: log.clone(),
            store: store.clone(),
            tail: tail.clone(),
            projection,
            meters: Meters::new(name),
            pulse: Arc::new(Pulse::new(lifecycle.health(), name)),
            shutdown: lifecycle.shutdown(),
        };
        let keeper = Keeper::new(context);
        keepers.spawn(async move { (name, AbortOnDropHandle::new(tokio::spawn(keeper.keep())).await) });
    }
    while let Some(ended) = keepers.join_next().await {
        match ended {
            Ok((_, Ok(outcome))) => outcome?,
            Ok((name, Err(error))) => return Err(ProjectorError::Supervisor { name, reason: error.to_string() }),
            Err(error) => return Err(ProjectorError::Supervisor { name: "unknown", reason: error.to_string() }),
        }
    }
    Ok(())
}
