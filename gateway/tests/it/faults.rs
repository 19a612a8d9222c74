//! What callers are told when the log does not take their commands.

use crate::world::{Setting, World, job, problem};
use futures::future::BoxFuture;
use log::{Append, Consumer, Durability, Log, LogError, Offset, Record, Source, Timeline, Transactional};
use std::{sync::Arc, time::Duration};

/// A log whose appends fail.
pub struct Faulty {
    pub log: Arc<dyn Log>,
    pub fault: fn() -> LogError,
}

impl Log for Faulty {
    fn timeline(&self) -> Timeline {
        self.log.timeline()
    }
    fn partitions(&self) -> u32 {
        self.log.partitions()
    }
    fn create_topics<'a>(&'a self, topics: &'a [&'a str]) -> BoxFuture<'a, Result<(), LogError>> {
        self.log.create_topics(topics)
    }
    fn append(&self, _: Vec<Append>, _: Durability) -> BoxFuture<'_, Result<Vec<Offset>, LogError>> {
        Box::pin(async { Err((self.fault)()) })
    }
    fn transactional<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Box<dyn Transactional>, LogError>> {
        self.log.transactional(name)
    }
    fn read<'a>(&'a self, source: &'a Source, from: Offset, max: usize) -> BoxFuture<'a, Result<Vec<Record>, LogError>> {
        self.log.read(source, from, max)
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

async fn refused_with(fault: fn() -> LogError, retry_after: &str) {
    let world = World::with(Setting { fault: Some(fault), ..Setting::default() }).await;
    for prefer in ["wait=5", "respond-async"] {
        let send = || world.post("/v1/commands/work.SubmitJob", &job("q")).header("prefer", prefer).send();
        assert_eq!(send().await.unwrap().headers()["retry-after"], retry_after);
        let said = problem(send(), 503, "log_unavailable").await;
        assert!(!said.to_string().contains("SELECT"), "what the log says of itself stays inside: {said}");
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_log_is_a_reason_to_come_back() {
    refused_with(|| LogError::Transient("busy: SELECT 1".to_owned()), "1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_outcome_is_no_success() {
    refused_with(|| LogError::Ambiguous("SELECT 1".to_owned()), "1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_log_takes_nothing() {
    refused_with(|| LogError::Fatal("SELECT 1".to_owned()), "10").await;
}
