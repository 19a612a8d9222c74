//! Consumer groups.

use super::{
    Fixture,
    steps::{Follower, LONG, SHORT, consumed, everything, said, text, topic, unique, until},
};
use crate::{Delivery, Durability, Log, LogError, Source, Transaction};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

pub async fn a_single_member_gets_every_partition_of_every_topic(fixture: &mut impl Fixture) {
    let log = fixture.log();
    let (one, other) = (topic(&*log, "one").await, topic(&*log, "other").await);
    let sources: BTreeSet<Source> = one.iter().chain(&other).cloned().collect();
    for source in &sources {
        log.append(vec![text(source, source.to_string())], Durability::Durable).await.unwrap();
    }
    let mut follower = Follower::join(&*log, &unique("group"), &[&one[0].topic, &other[0].topic]).await;
    until(&mut [&mut follower], |followers| followers[0].heard.len() == sources.len()).await;
    assert_eq!(follower.owned, sources);
    assert!(follower.heard.iter().all(|(source, heard)| *heard == [source.to_string()]));
}

pub async fn nothing_comes_before_a_seek_and_a_seek_is_followed(fixture: &mut impl Fixture) {
    let log = fixture.log();
    let sources = topic(&*log, "events").await;
    let mut offsets = Vec::new();
    for source in &sources[..2] {
        let texts = (0..30).map(|at| text(source, at.to_string())).collect();
        offsets.push(log.append(texts, Durability::Durable).await.unwrap());
    }
    let mut consumer = log.consume(&unique("group"), &[&sources[0].topic]).await.unwrap();
    let mut assigned = BTreeSet::new();
    while assigned.len() < sources.len() {
        match consumer.next(10, LONG).await.unwrap() {
            Delivery::Assigned(more) => assigned.extend(more),
            other => panic!("{other:?} before the assignment is whole"),
        }
    }
    assert!(matches!(consumer.next(10, SHORT).await.unwrap(), Delivery::Idle));
    consumer.seek(&sources[1], offsets[1][7]);
    let mut heard = Vec::new();
    while heard.len() < 23 {
        match consumer.next(10, LONG).await.unwrap() {
            Delivery::Records(source, records) => {
                assert_eq!(source, sources[1]);
                assert!(records.len() <= 10);
                heard.extend(records.iter().map(said));
            }
            other => panic!("{other:?} instead of records"),
        }
    }
    assert_eq!(heard, (7..30).map(|at| at.to_string()).collect::<Vec<_>>());
    assert!(matches!(consumer.next(10, SHORT).await.unwrap(), Delivery::Idle));
}

pub async fn a_seek_back_delivers_again(fixture: &mut impl Fixture) {
    let log = fixture.log();
    let source = &topic(&*log, "events").await[0];
    let texts = (0..5).map(|at| text(source, at.to_string())).collect();
    let offsets = log.append(texts, Durability::Durable).await.unwrap();
    let mut consumer = log.consume(&unique("group"), &[&source.topic]).await.unwrap();
    let mut heard = Vec::new();
    let mut sought = 0;
    while heard.len() < 8 {
        match consumer.next(10, LONG).await.unwrap() {
            Delivery::Assigned(sources) => sources.iter().for_each(|source| consumer.seek(source, 0)),
            Delivery::Records(_, records) => heard.extend(records.iter().map(said)),
            other => panic!("{other:?}"),
        }
        if heard.len() == 5 && sought == 0 {
            sought += 1;
            consumer.seek(source, offsets[2]);
        }
    }
    assert_eq!(heard, ["0", "1", "2", "3", "4", "2", "3", "4"]);
}

pub async fn two_members_share_and_get_the_same_partitions_of_every_topic(fixture: &mut impl Fixture) {
    let log = fixture.log();
    let (one, other) = (topic(&*log, "one").await, topic(&*log, "other").await);
    let topics = [&*one[0].topic, &*other[0].topic];
    let group = unique("group");
    let mut first = Follower::join(&*log, &group, &topics).await;
    until(&mut [&mut first], |followers| followers[0].owned.len() == 2 * one.len()).await;
    let mut second = Follower::join(&*log, &group, &topics).await;
    until(&mut [&mut first, &mut second], |followers| {
        followers.iter().all(|follower| !follower.owned.is_empty())
            && followers.iter().map(|follower| follower.owned.len()).sum::<usize>() == 2 * one.len()
    })
    .await;
    assert!(first.owned.is_disjoint(&second.owned));
    for follower in [&first, &second] {
        let of = |topic: &str| -> BTreeSet<u32> {
            follower.owned.iter().filter(|source| &*source.topic == topic).map(|source| source.partition).collect()
        };
        assert_eq!(of(topics[0]), of(topics[1]));
        assert!(of(topics[0]).len() <= one.len().div_ceil(2));
    }
}

pub async fn a_member_that_leaves_gives_its_partitions_back(fixture: &mut impl Fixture) {
    let log = fixture.log();
    let sources = topic(&*log, "events").await;
    let group = unique("group");
    let mut first = Follower::join(&*log, &group, &[&sources[0].topic]).await;
    let mut second = Follower::join(&*log, &group, &[&sources[0].topic]).await;
    until(&mut [&mut first, &mut second], |followers| {
        followers.iter().all(|follower| !follower.owned.is_empty())
            && followers.iter().map(|follower| follower.owned.len()).sum::<usize>() == sources.len()
    })
    .await;
    drop(first);
    until(&mut [&mut second], |followers| followers[0].owned.len() == sources.len()).await;
    for source in &sources {
        log.append(vec![text(source, "for whoever is left")], Durability::Durable).await.unwrap();
    }
    until(&mut [&mut second], |followers| followers[0].heard.len() == sources.len()).await;
}

pub async fn groups_do_not_share_with_each_other(fixture: &mut impl Fixture) {
    let log = fixture.log();
    let sources = topic(&*log, "events").await;
    let mut one = Follower::join(&*log, &unique("group"), &[&sources[0].topic]).await;
    let mut other = Follower::join(&*log, &unique("group"), &[&sources[0].topic]).await;
    log.append(vec![text(&sources[0], "for all")], Durability::Durable).await.unwrap();
    until(&mut [&mut one, &mut other], |followers| followers.iter().all(|follower| follower.heard.contains_key(&sources[0])))
        .await;
    assert_eq!(one.owned, other.owned);
    assert_eq!(one.heard, other.heard);
}

pub async fn nothing_comes_from_a_revoked_partition(fixture: &mut impl Fixture) {
    let log = fixture.log();
    let sources = topic(&*log, "events").await;
    let group = unique("group");
    let mut first = Follower::join(&*log, &group, &[&sources[0].topic]).await;
    until(&mut [&mut first], |followers| followers[0].owned.len() == sources.len()).await;
    let mut second = Follower::join(&*log, &group, &[&sources[0].topic]).await;
    until(&mut [&mut first, &mut second], |followers| {
        !followers[1].owned.is_empty() && followers.iter().map(|follower| follower.owned.len()).sum::<usize>() == sources.len()
    })
    .await;
    for source in &sources {
        log.append(vec![text(source, "once")], Durability::Durable).await.unwrap();
    }
    // A late seek of what was revoked must not bring it back. `step` checks that records come from owned partitions.
    second.owned.iter().for_each(|source| first.consumer.seek(source, 0));
    let all = |followers: &[&mut Follower]| followers.iter().map(|f| f.heard.len()).sum::<usize>() == sources.len();
    until(&mut [&mut first, &mut second], all).await;
    while first.step(SHORT).await || second.step(SHORT).await {}
    let heard: Vec<_> = first.heard.values().chain(second.heard.values()).flatten().collect();
    assert_eq!(heard.len(), sources.len());
}

pub async fn records_that_come_later_wake_a_member_and_silence_is_idle(fixture: &mut impl Fixture) {
    let log = fixture.log();
    let source = topic(&*log, "events").await.remove(0);
    let mut follower = Follower::join(&*log, &unique("group"), &[&source.topic]).await;
    until(&mut [&mut follower], |followers| !followers[0].owned.is_empty()).await;
    while follower.step(SHORT).await {}
    for round in 0..100 {
        let start = Instant::now();
        let appending = tokio::spawn({
            let (log, source) = (log.clone(), source.clone());
            async move { log.append(vec![text(&source, "news")], Durability::Durable).await.unwrap() }
        });
        while follower.heard.get(&source).map_or(0, Vec::len) <= round {
            follower.step(LONG).await;
        }
        assert!(start.elapsed() < LONG / 2, "the wake-up was lost");
        appending.await.unwrap();
    }
}

pub async fn every_record_counts_once_while_members_come_and_go(fixture: &mut impl Fixture) {
    const EACH: usize = 300;
    let log = fixture.log();
    let (input, output) = (topic(&*log, "input").await, topic(&*log, "output").await);
    let group = unique("group");
    let mut members = Vec::new();
    let (stay, leave) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    members.push(tokio::spawn(copy(log.clone(), group.clone(), input.clone(), output.clone(), leave.clone())));
    for at in 0..EACH {
        let appends = input.iter().map(|source| text(source, format!("{source} {at}"))).collect();
        log.append(appends, if at % 2 == 0 { Durability::Ordered } else { Durability::Durable }).await.unwrap();
        if at == EACH / 3 {
            members.push(tokio::spawn(copy(log.clone(), group.clone(), input.clone(), output.clone(), stay.clone())));
        }
        if at == EACH * 2 / 3 {
            leave.store(true, Ordering::Release);
            members.push(tokio::spawn(copy(log.clone(), group.clone(), input.clone(), output.clone(), stay.clone())));
        }
    }
    for (source, copies) in input.iter().zip(&output) {
        let expected: Vec<_> = (0..EACH).map(|at| format!("{source} {at}")).collect();
        let mut found = Vec::new();
        while found.len() < EACH {
            log.wait(copies, log.end(copies).await.unwrap(), SHORT).await.unwrap();
            found = everything(&*log, copies).await;
        }
        assert_eq!(found, expected);
    }
    stay.store(true, Ordering::Release);
    for member in members {
        member.await.unwrap();
    }
    for (source, copies) in input.iter().zip(&output) {
        assert_eq!(everything(&*log, copies).await.len(), EACH, "no copy of {source} comes late");
    }
}

/// Copies partitions of the input to the same ones of the output, each record exactly once, until told to leave.
async fn copy(log: Arc<dyn Log>, group: String, input: Vec<Source>, output: Vec<Source>, leave: Arc<AtomicBool>) {
    let mut consumer = log.consume(&group, &[&input[0].topic]).await.unwrap();
    let mut owners = BTreeMap::new();
    while !leave.load(Ordering::Acquire) {
        match consumer.next(7, Duration::from_millis(20)).await.unwrap() {
            Delivery::Assigned(sources) => {
                for source in sources {
                    let name = format!("{group}-{}", source.partition);
                    owners.insert(source.partition, log.transactional(&name).await.unwrap());
                    let from = log.committed(&group, &source).await.unwrap().unwrap_or(0);
                    consumer.seek(&source, from);
                }
            }
            Delivery::Revoked(sources) => sources.iter().for_each(|source| drop(owners.remove(&source.partition))),
            Delivery::Records(source, records) => {
                let to = &output[source.partition as usize];
                let next = records.last().unwrap().offset + 1;
                let transaction = Transaction {
                    append: records.iter().map(|record| text(to, said(record))).collect(),
                    consumed: vec![consumed(&group, &source, next)],
                };
                match owners.get_mut(&source.partition).unwrap().commit(transaction).await {
                    Ok(_) | Err(LogError::Fenced { .. }) => {}
                    Err(error) => panic!("{error}"),
                }
            }
            Delivery::Idle => {}
        }
    }
}
