//! What sharing work rests on, and sharing itself.

use super::{
    Fixture,
    steps::{LONG, SHORT, text, topic, unique},
};
use crate::{Consumer, Delivery, Durability, Log, Share, ShareError, Source};
use service::{Lifecycle, Status};
use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    future::Future,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::task::JoinHandle;

/// A member that never seeks.
struct Watcher {
    consumer: Box<dyn Consumer>,
    owned: BTreeSet<Source>,
    is_told: bool,
}

impl Watcher {
    async fn join(log: &dyn Log, group: &str, topics: &[&str]) -> Self {
        Self { consumer: log.consume(group, topics).await.unwrap(), owned: BTreeSet::new(), is_told: false }
    }

    /// Takes one delivery; answers what it lost.
    async fn step(&mut self, wait: Duration) -> Option<Vec<Source>> {
        match self.consumer.next(10, wait).await.unwrap() {
            Delivery::Assigned(sources) => {
                self.is_told = true;
                self.owned.extend(sources);
            }
            Delivery::Revoked(sources) => {
                sources.iter().for_each(|source| assert!(self.owned.remove(source), "{source} was not owned"));
                return Some(sources);
            }
            Delivery::Records(source, _) => panic!("records of {source}, which was not sought"),
            Delivery::Idle => {}
        }
        None
    }
}

async fn until(watchers: &mut [Watcher], condition: impl Fn(&[Watcher]) -> bool) {
    while !condition(watchers) {
        for watcher in &mut *watchers {
            watcher.step(Duration::from_millis(5)).await;
        }
    }
}

fn owned(watchers: &[Watcher]) -> usize {
    watchers.iter().map(|watcher| watcher.owned.len()).sum()
}

pub async fn a_partition_that_was_not_sought_delivers_nothing_also_when_it_comes_back(fixture: &mut impl Fixture) {
    let log = fixture.log();
    let sources = topic(&*log, "events").await;
    let (group, topics) = (unique("group"), [&*sources[0].topic]);
    let say = |what: &'static str| log.append(sources.iter().map(|source| text(source, what)).collect(), Durability::Durable);
    say("before").await.unwrap();
    let mut watchers = vec![Watcher::join(&*log, &group, &topics).await];
    until(&mut watchers, |watchers| owned(watchers) == sources.len()).await;
    // From here on it has sought them; what it is given anew it has not.
    let keeper = &mut watchers[0];
    sources.iter().for_each(|source| keeper.consumer.seek(source, 0));
    let mut heard = BTreeSet::new();
    while heard.len() < sources.len() {
        if let Delivery::Records(source, _) = keeper.consumer.next(10, LONG).await.unwrap() {
            heard.insert(source);
        }
    }
    watchers.push(Watcher::join(&*log, &group, &topics).await);
    until(&mut watchers, |watchers| watchers.iter().all(|w| !w.owned.is_empty()) && owned(watchers) == sources.len()).await;
    let gone = watchers.pop().unwrap().owned;
    until(&mut watchers, |watchers| owned(watchers) == sources.len()).await;
    say("after").await.unwrap();
    for _ in 0..10 {
        match watchers[0].consumer.next(10, SHORT).await.unwrap() {
            Delivery::Records(source, _) => assert!(!gone.contains(&source), "{source} was not sought since it came back"),
            Delivery::Idle => {}
            other => panic!("{other:?}, although nobody came or went"),
        }
    }
}

pub async fn a_member_for_whom_nothing_is_left_is_told_so(fixture: &mut impl Fixture) {
    let log = fixture.log();
    let sources = topic(&*log, "events").await;
    let (group, mut watchers) = (unique("group"), Vec::new());
    for _ in 0..=sources.len() {
        watchers.push(Watcher::join(&*log, &group, &[&sources[0].topic]).await);
    }
    until(&mut watchers, |watchers| watchers.iter().all(|w| w.is_told) && owned(watchers) == sources.len()).await;
    assert_eq!(watchers.iter().filter(|watcher| watcher.owned.is_empty()).count(), 1);
}

pub async fn a_partition_changes_hands_when_its_holder_asks_for_what_comes_next(fixture: &mut impl Fixture) {
    let log = fixture.log();
    let sources = topic(&*log, "events").await;
    let (group, topics) = (unique("group"), [&*sources[0].topic]);
    let mut watchers = [Watcher::join(&*log, &group, &topics).await];
    until(&mut watchers, |watchers| owned(watchers) == sources.len()).await;
    let [mut holder] = watchers;
    let mut next = Watcher::join(&*log, &group, &topics).await;
    let lost = loop {
        next.step(SHORT).await;
        if let Some(lost) = holder.step(SHORT).await {
            break lost;
        }
    };
    for _ in 0..10 {
        next.step(SHORT).await;
        assert!(next.owned.is_disjoint(&lost.iter().cloned().collect()), "the holder has not let go");
    }
    until(&mut [holder, next], |both| !both[1].owned.is_empty() && owned(both) == sources.len()).await;
}

/// Who works on what.
type Desk = Arc<Mutex<BTreeMap<Source, &'static str>>>;

struct Sharing {
    lifecycle: Lifecycle,
    task: JoinHandle<Result<(), ShareError<Infallible>>>,
}

impl Sharing {
    fn start(log: Arc<dyn Log>, group: &str, topic: &str, who: &'static str, desk: &Desk) -> Self {
        let (group, topic, desk, lifecycle) = (group.to_owned(), topic.to_owned(), desk.clone(), Lifecycle::new());
        let life = lifecycle.clone();
        let task = tokio::spawn(async move {
            let share = Share { log, group: &group, topics: &[&topic], lifecycle: &life };
            let work = |source: Source, stop: tokio_util::sync::CancellationToken| {
                let desk = desk.clone();
                async move {
                    let before = desk.lock().unwrap().insert(source.clone(), who);
                    assert_eq!(before, None, "{who} began with {source} before the other had ended");
                    stop.cancelled().await;
                    // What was in hand takes a while.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    assert_eq!(desk.lock().unwrap().remove(&source), Some(who));
                    Ok(())
                }
            };
            share.run(work).await
        });
        Self { lifecycle, task }
    }

    fn status(&self) -> Option<Status> {
        self.lifecycle.health().statuses().into_iter().next().map(|(_, status)| status)
    }

    async fn stop(self) {
        self.lifecycle.shutdown().cancel();
        self.task.await.unwrap().unwrap();
    }
}

async fn eventually<F: Future<Output = bool>>(condition: impl Fn() -> F) {
    while !condition().await {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub async fn shared_work_is_done_once_for_every_partition_while_members_come_and_go(fixture: &mut impl Fixture) {
    let log = fixture.log();
    let topic = unique("slots");
    let (group, desk) = (unique("group"), Desk::default());
    let partitions = log.partitions() as usize;
    let start = |who| Sharing::start(log.clone(), &group, &topic, who, &desk);
    let has = |who: &'static str| desk.lock().unwrap().values().filter(|name| **name == who).count();
    let first = start("first");
    eventually(|| async { has("first") == partitions }).await;
    assert_eq!(first.status(), Some(Status::Ready));
    let second = start("second");
    eventually(|| async { has("first") + has("second") == partitions && has("first") > 0 && has("second") > 0 }).await;
    first.stop().await;
    assert_eq!(has("first"), 0, "work ends before the member leaves");
    eventually(|| async { has("second") == partitions }).await;
    let third = start("third");
    eventually(|| async { has("second") + has("third") == partitions && has("third") > 0 }).await;
    third.stop().await;
    eventually(|| async { has("second") == partitions }).await;
    second.stop().await;
    assert!(desk.lock().unwrap().is_empty());
}
