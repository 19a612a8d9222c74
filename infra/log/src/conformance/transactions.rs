//! Transactions, epochs and consumed offsets.

use super::{
    Fixture,
    steps::{Follower, consumed, everything, say, text, topic, unique, until},
};
use crate::{Durability, LogError, Source, Transaction, Transactional};
use std::collections::BTreeSet;

pub async fn a_transaction_is_there_as_a_whole_with_its_consumed_offsets(fixture: &mut impl Fixture) {
    let log = fixture.log();
    let (commands, events, results) = (topic(&*log, "c").await, topic(&*log, "e").await, topic(&*log, "r").await);
    let (name, group) = (unique("owner"), unique("group"));
    let mut owner = log.transactional(&name).await.unwrap();
    let transaction = Transaction {
        append: vec![
            text(&events[1], "first"),
            text(&results[1], "done"),
            text(&events[1], "second"),
            text(&events[0], "elsewhere"),
        ],
        consumed: vec![consumed(&group, &commands[1], 7), consumed(&group, &commands[0], 3)],
    };
    let offsets = owner.commit(transaction).await.unwrap();
    assert_eq!(offsets.len(), 4);
    assert!(offsets[0] < offsets[2]);
    assert!(owner.commit(Transaction::default()).await.unwrap().is_empty());
    for reopened in [false, true] {
        if reopened {
            fixture.reopen().await;
        }
        let log = fixture.log();
        assert_eq!(everything(&*log, &events[1]).await, ["first", "second"]);
        assert_eq!(everything(&*log, &events[0]).await, ["elsewhere"]);
        assert_eq!(everything(&*log, &results[1]).await, ["done"]);
        assert_eq!(log.committed(&group, &commands[1]).await.unwrap(), Some(7));
        assert_eq!(log.committed(&group, &commands[0]).await.unwrap(), Some(3));
        assert_eq!(log.committed(&group, &events[0]).await.unwrap(), None);
    }
}

pub async fn an_absent_source_refuses_the_whole_transaction(fixture: &mut impl Fixture) {
    let log = fixture.log();
    let events = topic(&*log, "events").await;
    let (name, group) = (unique("owner"), unique("group"));
    let mut owner = log.transactional(&name).await.unwrap();
    let absent = Source { topic: unique("nowhere").into(), partition: 0 };
    let beyond = Source { topic: events[0].topic.clone(), partition: log.partitions() };
    let moved = || vec![consumed(&group, &events[0], 1)];
    for (wrong, transaction) in [
        (&absent, Transaction { append: vec![text(&events[0], "a"), text(&absent, "b")], consumed: moved() }),
        (&beyond, Transaction { append: vec![text(&beyond, "a"), text(&events[0], "b")], consumed: moved() }),
        (
            &beyond,
            Transaction { append: vec![text(&events[0], "a")], consumed: [moved(), vec![consumed(&group, &beyond, 1)]].concat() },
        ),
    ] {
        let outcome = owner.commit(transaction).await;
        assert!(matches!(outcome, Err(LogError::Absent(named)) if named == *wrong));
    }
    // The owner is still the owner, and nothing of the above is there.
    owner.commit(say(&events[0], &["after"])).await.unwrap();
    assert_eq!(everything(&*log, &events[0]).await, ["after"]);
    assert_eq!(log.committed(&group, &events[0]).await.unwrap(), None);
}

pub async fn a_newer_owner_fences_the_older_which_changes_nothing(fixture: &mut impl Fixture) {
    let log = fixture.log();
    let events = topic(&*log, "events").await;
    let (name, group) = (unique("owner"), unique("group"));
    let mut old = log.transactional(&name).await.unwrap();
    old.commit(say(&events[0], &["old"])).await.unwrap();
    let mut new = log.transactional(&name).await.unwrap();
    assert!(new.epoch() > old.epoch());
    for _ in 0..2 {
        let late = Transaction { append: vec![text(&events[0], "late")], consumed: vec![consumed(&group, &events[0], 9)] };
        let outcome = old.commit(late).await;
        let newest = new.epoch();
        assert!(
            matches!(&outcome, Err(LogError::Fenced { name: named, epoch }) if *named == name && [0, newest].contains(epoch)),
            "{outcome:?}"
        );
    }
    new.commit(say(&events[0], &["new"])).await.unwrap();
    assert_eq!(everything(&*log, &events[0]).await, ["old", "new"]);
    assert_eq!(log.committed(&group, &events[0]).await.unwrap(), None);
}

pub async fn owners_of_other_names_are_not_fenced(fixture: &mut impl Fixture) {
    let log = fixture.log();
    let events = topic(&*log, "events").await;
    let mut owners: Vec<Box<dyn Transactional>> = Vec::new();
    for _ in 0..3 {
        owners.push(log.transactional(&unique("owner")).await.unwrap());
    }
    for round in ["a", "b"] {
        for owner in &mut owners {
            owner.commit(say(&events[0], &[round])).await.unwrap();
        }
    }
    assert_eq!(everything(&*log, &events[0]).await, ["a", "a", "a", "b", "b", "b"]);
}

pub async fn epochs_and_consumed_offsets_survive_a_reopening(fixture: &mut impl Fixture) {
    let log = fixture.log();
    let events = topic(&*log, "events").await;
    let (name, group) = (unique("owner"), unique("group"));
    let mut owner = log.transactional(&name).await.unwrap();
    for next in [4, 5] {
        let moved = Transaction { append: Vec::new(), consumed: vec![consumed(&group, &events[1], next)] };
        owner.commit(moved).await.unwrap();
    }
    let before = owner.epoch();
    drop((owner, log));
    fixture.reopen().await;
    let log = fixture.log();
    assert_eq!(log.committed(&group, &events[1]).await.unwrap(), Some(5));
    let owner = log.transactional(&name).await.unwrap();
    assert!(owner.epoch() > before);
}

pub async fn consumed_offsets_belong_to_their_group(fixture: &mut impl Fixture) {
    let log = fixture.log();
    let events = topic(&*log, "events").await;
    let (one, other) = (unique("group"), unique("group"));
    let mut owner = log.transactional(&unique("owner")).await.unwrap();
    let both = vec![consumed(&one, &events[0], 1), consumed(&other, &events[0], 2), consumed(&one, &events[0], 3)];
    owner.commit(Transaction { append: Vec::new(), consumed: both }).await.unwrap();
    assert_eq!(log.committed(&one, &events[0]).await.unwrap(), Some(3), "the last of a transaction counts");
    assert_eq!(log.committed(&other, &events[0]).await.unwrap(), Some(2));
    assert_eq!(log.committed(&one, &events[1]).await.unwrap(), None);
}

pub async fn a_decision_is_never_there_without_its_command(fixture: &mut impl Fixture) {
    let log = fixture.log();
    let (commands, results) = (topic(&*log, "commands").await, topic(&*log, "results").await);
    let (name, group) = (unique("owner"), unique("group"));
    let mut owner = log.transactional(&name).await.unwrap();
    let mut follower = Follower::join(&*log, &group, &[&commands[0].topic]).await;
    until(&mut [&mut follower], |followers| !followers[0].owned.is_empty()).await;
    for round in 0..20 {
        let command = format!("command {round}");
        let offset = log.append(vec![text(&commands[0], &command)], Durability::Ordered).await.unwrap()[0];
        until(&mut [&mut follower], |followers| {
            followers[0].heard.get(&commands[0]).is_some_and(|heard| heard.contains(&command))
        })
        .await;
        let moved = vec![consumed(&group, &commands[0], offset + 1)];
        owner.commit(Transaction { append: vec![text(&results[0], &command)], consumed: moved }).await.unwrap();
        // Once the decision is there, so is the command.
        assert!(log.end(&commands[0]).await.unwrap() > offset);
    }
    drop((owner, follower, log));
    fixture.reopen().await;
    let log = fixture.log();
    let results = everything(&*log, &results[0]).await;
    assert_eq!(results.len(), 20);
    assert_eq!(everything(&*log, &commands[0]).await, results);
    assert!(log.committed(&group, &commands[0]).await.unwrap().unwrap() <= log.end(&commands[0]).await.unwrap());
}

pub async fn owners_that_race_commit_without_loss_or_double(fixture: &mut impl Fixture) {
    let log = fixture.log();
    let events = topic(&*log, "events").await;
    let name = unique("owner");
    let racers: Vec<_> = (0..8)
        .map(|racer| {
            let (log, name, events) = (log.clone(), name.clone(), events.clone());
            tokio::spawn(async move {
                let (mut committed, mut unknown) = (Vec::new(), Vec::new());
                for life in 0..4 {
                    let mut owner = match log.transactional(&name).await {
                        Ok(owner) => owner,
                        Err(LogError::Fenced { .. } | LogError::Transient(_)) => continue,
                        Err(error) => panic!("{error}"),
                    };
                    for step in 0..10 {
                        let payload = format!("{racer}:{life}:{step}");
                        let both = Transaction {
                            append: vec![text(&events[0], &payload), text(&events[1], &payload)],
                            ..Transaction::default()
                        };
                        match owner.commit(both).await {
                            Ok(_) => committed.push(payload),
                            Err(LogError::Fenced { .. }) => break,
                            Err(LogError::Ambiguous(_)) => {
                                unknown.push(payload);
                                break;
                            }
                            Err(error) => panic!("{error}"),
                        }
                    }
                }
                (committed, unknown)
            })
        })
        .collect();
    let (mut committed, mut unknown) = (BTreeSet::new(), BTreeSet::new());
    for racer in racers {
        let (sure, unsure) = racer.await.unwrap();
        committed.extend(sure);
        unknown.extend(unsure);
    }
    let (one, other) = (everything(&*log, &events[0]).await, everything(&*log, &events[1]).await);
    let found: BTreeSet<_> = one.iter().cloned().collect();
    assert_eq!((found.len(), &found), (one.len(), &other.into_iter().collect()), "whole transactions, once each");
    assert!(found.is_superset(&committed), "nothing that was committed is lost");
    assert!(found.difference(&committed).all(|payload| unknown.contains(payload)), "nothing refused is there");
}
