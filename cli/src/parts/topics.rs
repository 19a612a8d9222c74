//! The topics of the log.

use schemas::{SCHEMAS, SchemaKind, Stream, snapshots_topic};
use std::collections::BTreeSet;

/// Every topic: those of the contexts that have commands, their snapshots, and telemetry.
pub fn all() -> Vec<String> {
    let contexts: BTreeSet<&str> = SCHEMAS.iter().filter(|s| s.kind == SchemaKind::Command).map(|s| s.context).collect();
    let streams = [Stream::Commands, Stream::Events, Stream::Results];
    let telemetry = ["telemetry.metric", "telemetry.log"].map(str::to_owned);
    let of = |context: &&str| streams.map(|stream| stream.topic(context)).into_iter().chain([snapshots_topic(context)]);
    contexts.iter().flat_map(of).chain(telemetry).collect()
}
