//! A log of which one partition cannot be read beyond an offset, as on a disk that fails.

use futures::future::{BoxFuture, ready};
use log::{Append, Consumer, Durability, Log, LogError, Offset, Record, Source, Timeline, Transactional};
use std::{sync::Arc, time::Duration};

pub struct Torn {
    pub log: Arc<dyn Log>,
    pub source: Source,
    pub at: Offset,
}

impl Log for Torn {
    fn timeline(&self) -> Timeline {
        self.log.timeline()
    }
    fn partitions(&self) -> u32 {
        self.log.partitions()
    }
    fn create_topics<'a>(&'a self, topics: &'a [&'a str]) -> BoxFuture<'a, Result<(), LogError>> {
        self.log.create_topics(topics)
    }
    fn append(&self, records: Vec<Append>, durability: Durability) -> BoxFuture<'_, Result<Vec<Offset>, LogError>> {
        self.log.append(records, durability)
    }
    fn transactional<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Box<dyn Transactional>, LogError>> {
        self.log.transactional(name)
    }
    fn read<'a>(&'a self, source: &'a Source, from: Offset, max: usize) -> BoxFuture<'a, Result<Vec<Record>, LogError>> {
        if *source != self.source || from < self.at {
            let max = if *source == self.source { max.min(usize::try_from(self.at - from).unwrap()) } else { max };
            return self.log.read(source, from, max);
        }
        Box::pin(ready(Err(LogError::Fatal("the disk is broken".into()))))
    }
    fn end<'a>(&'a self, source: &'a Source) -> BoxFuture<'a, Result<Offset, LogError>> {
        self.log.end(source)
    }
    fn offset_at<'a>(&'a self, source: &'a Source, time: i64) -> BoxFuture<'a, Result<Offset, LogError>> {
        self.log.offset_at(source, time)
    }
    fn wait<'a>(&'a self, source: &'a Source, from: Offset, wait: Duration) -> BoxFuture<'a, Result<bool, LogError>> {
        self.log.wait(source, from, wait)
    }
    fn committed<'a>(&'a self, group: &'a str, source: &'a Source) -> BoxFuture<'a, Result<Option<Offset>, LogError>> {
        self.log.committed(group, source)
    }
    fn consume<'a>(&'a self, group: &'a str, topics: &'a [&'a str]) -> BoxFuture<'a, Result<Box<dyn Consumer>, LogError>> {
        self.log.consume(group, topics)
    }
}
