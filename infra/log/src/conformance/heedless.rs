//! A log whose groups are of no use, for tests of what must be safe without them.

use crate::{Append, Consumer, Delivery, Durability, Log, LogError, Offset, Record, Source, Timeline, Transactional};
use futures::future::BoxFuture;
use std::{sync::Arc, time::Duration};

/// A log that gives every partition to every member, for ever: as to a member that was stopped for longer than its
/// session and does not know yet what it has lost.
pub struct Heedless(pub Arc<dyn Log>);

/// A member that has these partitions, whoever else does.
pub struct Everything(Option<Vec<Source>>);

impl Everything {
    /// Every partition of these topics.
    pub fn of(topics: &[&str], partitions: u32) -> Self {
        let sources = topics.iter().map(|topic| Arc::<str>::from(*topic));
        let of_topic = |topic: Arc<str>| (0..partitions).map(move |partition| Source { topic: topic.clone(), partition });
        Self(Some(sources.flat_map(of_topic).collect()))
    }
}

impl Consumer for Everything {
    fn next(&mut self, _: usize, wait: Duration) -> BoxFuture<'_, Result<Delivery, LogError>> {
        let sources = self.0.take();
        Box::pin(async move {
            let Some(sources) = sources else {
                tokio::time::sleep(wait).await;
                return Ok(Delivery::Idle);
            };
            Ok(Delivery::Assigned(sources))
        })
    }

    fn seek(&mut self, source: &Source, _: Offset) {
        panic!("{source} is sought");
    }
}

impl Log for Heedless {
    fn timeline(&self) -> Timeline {
        self.0.timeline()
    }

    fn partitions(&self) -> u32 {
        self.0.partitions()
    }

    fn create_topics<'a>(&'a self, topics: &'a [&'a str]) -> BoxFuture<'a, Result<(), LogError>> {
        self.0.create_topics(topics)
    }

    fn append(&self, records: Vec<Append>, durability: Durability) -> BoxFuture<'_, Result<Vec<Offset>, LogError>> {
        self.0.append(records, durability)
    }

    fn transactional<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Box<dyn Transactional>, LogError>> {
        self.0.transactional(name)
    }

    fn read<'a>(&'a self, source: &'a Source, from: Offset, max: usize) -> BoxFuture<'a, Result<Vec<Record>, LogError>> {
        self.0.read(source, from, max)
    }

    fn end<'a>(&'a self, source: &'a Source) -> BoxFuture<'a, Result<Offset, LogError>> {
        self.0.end(source)
    }

    fn offset_at<'a>(&'a self, source: &'a Source, time: i64) -> BoxFuture<'a, Result<Offset, LogError>> {
        self.0.offset_at(source, time)
    }

    fn wait<'a>(&'a self, source: &'a Source, from: Offset, wait: Duration) -> BoxFuture<'a, Result<bool, LogError>> {
        self.0.wait(source, from, wait)
    }

    fn committed<'a>(&'a self, group: &'a str, source: &'a Source) -> BoxFuture<'a, Result<Option<Offset>, LogError>> {
        self.0.committed(group, source)
    }

    fn consume<'a>(&'a self, _: &'a str, topics: &'a [&'a str]) -> BoxFuture<'a, Result<Box<dyn Consumer>, LogError>> {
        let everything = Everything::of(topics, self.partitions());
        Box::pin(async { Ok(Box::new(everything) as Box<dyn Consumer>) })
    }
}
