//! The consumer that feeds the operational read models: the projector over the whole registry.
//!
//! What enters are a log and a store; what leaves is every read model of `projections`, in that store. How records
//! become rows is the projections', how they get there the projector's.

use log::Log;
use projector::ProjectorError;
use service::Lifecycle;
use std::sync::Arc;
use stores::Store;

/// Runs every read model until the lifecycle ends, or until the log fails for good.
pub async fn run(log: Arc<dyn Log>, store: Arc<dyn Store>, lifecycle: Lifecycle) -> Result<(), ProjectorError> {
    projector::run(log, store, projections::all(), lifecycle).await
}
