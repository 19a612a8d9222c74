//! Steps that the cases share.

use crate::{Append, Consumed, Consumer, Delivery, Log, Offset, Record, Source, Transaction};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use uuid::Uuid;

/// A wait that is long enough for any log.
pub(super) const LONG: Duration = Duration::from_secs(60);
/// A wait for something that will not come.
pub(super) const SHORT: Duration = Duration::from_millis(50);

/// A name that no other case uses.
pub(super) fn unique(name: &str) -> String {
    format!("{name}.{}", Uuid::new_v4().simple())
}

/// Makes a topic that no other case uses and answers its sources.
pub(super) async fn topic(log: &dyn Log, name: &str) -> Vec<Source> {
    let topic = unique(name);
    log.create_topics(&[&topic]).await.unwrap();
    let topic: Arc<str> = topic.into();
    (0..log.partitions()).map(|partition| Source { topic: topic.clone(), partition }).collect()
}

/// A record whose payload is the text.
pub(super) fn text(source: &Source, payload: impl Into<String>) -> Append {
    Append {
        source: source.clone(),
        key: "default/thing/1".into(),
        envelope: "about it".into(),
        payload: payload.into().into(),
        time: 1_700_000_000_000_000,
    }
}

/// The payload as text.
pub(super) fn said(record: &Record) -> String {
    String::from_utf8(record.payload.to_vec()).unwrap()
}

/// Payloads of all committed records of a source.
pub(super) async fn everything(log: &dyn Log, source: &Source) -> Vec<String> {
    all(log, source).await.iter().map(said).collect()
}

/// All committed records of a source.
pub(super) async fn all(log: &dyn Log, source: &Source) -> Vec<Record> {
    let end = log.end(source).await.unwrap();
    let mut records: Vec<Record> = Vec::new();
    let mut from = 0;
    while from < end {
        let more = log.read(source, from, 100).await.unwrap();
        let Some(last) = more.last() else { break };
        from = last.offset + 1;
        records.extend(more);
    }
    assert!(records.is_sorted_by(|a, b| a.offset < b.offset && a.time <= b.time), "offsets grow, times never fall");
    records
}

/// A transaction that appends the texts to one source.
pub(super) fn say(source: &Source, payloads: &[&str]) -> Transaction {
    Transaction { append: payloads.iter().map(|payload| text(source, *payload)).collect(), consumed: Vec::new() }
}

/// A consumed offset.
pub(super) fn consumed(group: &str, source: &Source, next: Offset) -> Consumed {
    Consumed { group: group.into(), source: source.clone(), next }
}

/// A consumer that seeks every partition that it gets, and notes what it is told.
pub(super) struct Follower {
    pub consumer: Box<dyn Consumer>,
    pub owned: BTreeSet<Source>,
    pub heard: BTreeMap<Source, Vec<String>>,
    /// Where it starts.
    from: BTreeMap<Source, Offset>,
}

impl Follower {
    pub(super) async fn join(log: &dyn Log, group: &str, topics: &[&str]) -> Self {
        let consumer = log.consume(group, topics).await.unwrap();
        Self { consumer, owned: BTreeSet::new(), heard: BTreeMap::new(), from: BTreeMap::new() }
    }

    /// Takes one delivery; answers whether there was one.
    pub(super) async fn step(&mut self, wait: Duration) -> bool {
        match self.consumer.next(10, wait).await.unwrap() {
            Delivery::Assigned(sources) => {
                for source in sources {
                    self.consumer.seek(&source, self.from.get(&source).copied().unwrap_or(0));
                    assert!(self.owned.insert(source), "assigned twice");
                }
            }
            Delivery::Revoked(sources) => {
                for source in sources {
                    assert!(self.owned.remove(&source), "revoked but not assigned");
                }
            }
            Delivery::Records(source, records) => {
                assert!(self.owned.contains(&source), "records of {source}, which is not assigned");
                assert!(!records.is_empty() && records.len() <= 10);
                let next = self.from.insert(source.clone(), records.last().unwrap().offset + 1).unwrap_or(0);
                assert!(records.first().unwrap().offset >= next, "records come once");
                self.heard.entry(source).or_default().extend(records.iter().map(said));
            }
            Delivery::Idle => return false,
        }
        true
    }
}

/// Lets the followers take deliveries until the condition holds.
pub(super) async fn until(followers: &mut [&mut Follower], condition: impl Fn(&[&mut Follower]) -> bool) {
    while !condition(followers) {
        for follower in &mut *followers {
            follower.step(Duration::from_millis(5)).await;
        }
    }
}
