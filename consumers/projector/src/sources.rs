//! Which topics a read model is fed by.

use log::Source;
use schemas::{AnyProjection, Message, SCHEMAS, SchemaKind, Stream, envelope::CommandResult};
use std::collections::BTreeSet;

/// Every partition of every topic that can hold a record that the projection reads.
pub(crate) fn sources(projection: &dyn AnyProjection, partitions: u32) -> Vec<Source> {
    let of_topic = |topic: String| {
        let topic: std::sync::Arc<str> = topic.into();
        (0..partitions).map(move |partition| Source { topic: topic.clone(), partition })
    };
    topics(projection).into_iter().flat_map(of_topic).collect()
}

/// Names of the topics that can hold a record that the projection reads, in order.
pub fn topics(projection: &dyn AnyProjection) -> BTreeSet<String> {
    let mut topics = BTreeSet::new();
    for schema in SCHEMAS {
        for stream in projection.streams() {
            let holds = match stream {
                Stream::Events => schema.kind == SchemaKind::Event && projection.reads(schema.name),
                Stream::Commands => schema.kind == SchemaKind::Command && projection.reads(schema.name),
                // Every context with commands has results, and they all have the same type.
                Stream::Results => {
                    schema.kind == SchemaKind::Command && CommandResult::TYPES.iter().any(|name| projection.reads(name))
                }
            };
            if holds {
                topics.insert(stream.topic(schema.context));
            }
        }
    }
    topics
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

    use super::*;

    fn topics_of(name: &str) -> Vec<String> {
        topics(projections::find(name).unwrap()).into_iter().collect()
    }

    #[test]
    fn a_read_model_is_fed_by_the_topics_that_hold_what_it_reads() {
        assert_eq!(topics_of("jobs"), ["work.events"]);
        assert_eq!(topics_of("commands"), ["work.commands", "work.results"]);
        assert!(topics_of("history").iter().all(|topic| topic.ends_with(".events")));
    }

    #[test]
    fn every_partition_is_a_source() {
        let places: Vec<String> = sources(projections::find("commands").unwrap(), 2).iter().map(ToString::to_string).collect();
        assert_eq!(places, ["work.commands/0", "work.commands/1", "work.results/0", "work.results/1"]);
    }
}
