//! Which partitions there are, where they end, and where the writer is.

use crate::error::{VerifyError, within};
use log::{Log, Offset, Source};
use schemas::{SCHEMAS, SchemaKind, Stream};
use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

/// The topic of metrics.
pub(crate) const METRICS: &str = "telemetry.metric";

/// The contexts that have commands.
pub(crate) fn contexts() -> BTreeSet<&'static str> {
    SCHEMAS.iter().filter(|schema| schema.kind == SchemaKind::Command).map(|schema| schema.context).collect()
}

/// The partitions of a topic.
pub(crate) fn partitions_of(log: &dyn Log, topic: &str) -> Vec<Source> {
    let topic: Arc<str> = topic.into();
    (0..log.partitions()).map(|partition| Source { topic: topic.clone(), partition }).collect()
}

/// What one writer's lane has of a context.
pub(crate) struct Lane {
    pub commands: Source,
    pub events: Source,
    pub results: Source,
}

impl Lane {
    /// Every lane of a context.
    pub(crate) fn all(log: &dyn Log, context: &str) -> impl Iterator<Item = Self> {
        let [commands, events, results] =
            [Stream::Commands, Stream::Events, Stream::Results].map(|stream| partitions_of(log, &stream.topic(context)));
        let lanes = commands.into_iter().zip(events).zip(results);
        lanes.map(|((commands, events), results)| Self { commands, events, results })
    }
}

/// Where the partitions end, and where the writer is.
pub(crate) struct Ends {
    ends: HashMap<Source, Offset>,
    /// Before which offset commands are decided, by their partition; none if the writer never said.
    pub decided: HashMap<Source, Option<Offset>>,
}

impl Ends {
    /// The writer's offsets before the results, and the results before the commands: so a command that counts as
    /// decided has its answer before the end, and an answer its command.
    pub(crate) async fn look(log: &dyn Log, with_metrics: bool) -> Result<Self, VerifyError> {
        let mut look = Self { ends: HashMap::new(), decided: HashMap::new() };
        for context in contexts() {
            for source in partitions_of(log, &Stream::Commands.topic(context)) {
                let decided = within("asking where the writer is", log.committed(writer::GROUP, &source)).await?;
                look.decided.insert(source, decided);
            }
        }
        for stream in [Stream::Events, Stream::Results, Stream::Commands] {
            for context in contexts() {
                look.topic(log, &stream.topic(context)).await?;
            }
        }
        if with_metrics {
            look.topic(log, METRICS).await?;
        }
        Ok(look)
    }

    async fn topic(&mut self, log: &dyn Log, topic: &str) -> Result<(), VerifyError> {
        for source in partitions_of(log, topic) {
            let end = within("asking for the end of the log", log.end(&source)).await?;
            self.ends.insert(source, end);
        }
        Ok(())
    }

    /// The offset that the next record of a partition would have got.
    pub(crate) fn of(&self, source: &Source) -> Offset {
        self.ends.get(source).copied().unwrap_or(0)
    }

    /// About how many records there are.
    pub(crate) fn total(&self) -> u64 {
        self.ends.values().sum()
    }
}
