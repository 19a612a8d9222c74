//! The pure read models and their registry.
//!
//! What enters are decoded records in the order of the log; what leaves are rows. Each read model is one folder with
//! its row (from which the table derives), its keys, its fold and its specifications. Nothing here knows a database, a
//! clock or a task: loading, writing and positions are the host's. The registry is also the table that the laws in
//! `tests/laws.rs` run over, so a new read model is tested by the line that adds it.

pub mod commands;
pub mod history;
pub mod job_queue;
pub mod jobs;
mod words;

use schemas::{AnyProjection, FactsOf, ProjectionOf};

static ALL: &[&dyn AnyProjection] = &[
    &ProjectionOf::<jobs::Jobs>::new(),
    &ProjectionOf::<job_queue::JobQueue>::new(),
    &FactsOf::<history::History>::new(),
    &ProjectionOf::<commands::Commands>::new(),
];

/// Every read model.
pub fn all() -> &'static [&'static dyn AnyProjection] {
    ALL
}

/// The read model called `name`.
pub fn find(name: &str) -> Option<&'static dyn AnyProjection> {
    ALL.iter().copied().find(|projection| projection.name() == name)
}
