//! The topics of the log.

use schemas::{SCHEMAS, SchemaKind, Stream};
use std::collections::BTreeSet;

/// Every topic: those of the contexts that have commands, and telemetry.
pub fn all() -> Vec<String> {
    let contexts: BTreeSet<&str> = SCHEMAS.iter().filter(|s| s.kind == SchemaKind::Command).map(|s| s.context).collect();
    let streams = [Stream::Commands, Stream::Events, Stream::Results];
    let telemetry = ["telemetry.metric", "telemetry.log"].map(str::to_owned);
    contexts.iter().flat_map(|context| streams.map(|stream| stream.topic(context))).chain(telemetry).collect()
}
