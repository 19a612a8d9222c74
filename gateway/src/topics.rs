//! The topics of the log, and which records are on each.

use crate::{consistency, telemetry};
use schemas::{SchemaInfo, SchemaKind, Stream};

/// A topic.
pub(crate) struct Topic {
    /// Its name: `work.events`.
    pub name: String,
    /// What it holds.
    pub about: String,
    /// The schemas of its records.
    pub records: Vec<&'static SchemaInfo>,
}

/// Every topic that a gateway writes to or reads from; it makes them when it starts.
pub(crate) fn all() -> Vec<Topic> {
    let mut topics: Vec<_> = consistency::contexts()
        .iter()
        .flat_map(|context| [Stream::Commands, Stream::Events, Stream::Results].map(|stream| of_context(context, stream)))
        .collect();
    for (name, record, about) in [
        (telemetry::METRIC_TOPIC, "telemetry.MetricPoints", "What was measured, one record per batch and source."),
        (telemetry::LOG_TOPIC, "telemetry.LogLines", "What was said, one record per batch and source."),
    ] {
        let records = schemas::schema(record).into_iter().collect();
        topics.push(Topic { name: name.to_owned(), about: about.to_owned(), records });
    }
    topics
}

fn of_context(context: &str, stream: Stream) -> Topic {
    let (kind, about) = match stream {
        Stream::Commands => (SchemaKind::Command, "What was asked for. Send commands over HTTP: only a gateway appends here."),
        Stream::Events => (SchemaKind::Event, "What happened: the truth that everything else is made from."),
        Stream::Results => (SchemaKind::Result, "The answer to each command."),
    };
    // Answers have the same form in every context.
    let here = |schema: &&SchemaInfo| schema.kind == kind && (kind == SchemaKind::Result || schema.context == context);
    Topic { name: stream.topic(context), about: about.to_owned(), records: schemas::SCHEMAS.iter().filter(here).collect() }
}
