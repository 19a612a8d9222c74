//! The consumer that feeds the operational read models: the projector over everything in the registry.
//!
//! What enters is the log; what leaves is rows of `jobs`, `job_queue`, `history` and `commands`, each with the position
//! it stands at. It decides nothing and appends nothing.

use log::Log;
use projector::ProjectorError;
use service::Lifecycle;
use std::sync::Arc;
use stores::Store;

/// Runs every read model of the registry until the shutdown.
pub async fn run(log: Arc<dyn Log>, store: Arc<dyn Store>, lifecycle: Lifecycle) -> Result<(), ProjectorError> {
    projector::run(log, store, projections::all(), lifecycle).await
}
