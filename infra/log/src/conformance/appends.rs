//! Appends outside transactions.

use super::{
    Fixture,
    steps::{Follower, LONG, all, everything, said, text, topic, until},
};
use crate::{Append, Durability, LogError, Source};
use bytes::Bytes;
use std::collections::BTreeMap;

pub async fn appended_records_come_back_as_they_were(fixture: &mut impl Fixture) {
    let log = fixture.log();
    let sources = topic(&*log, "events").await;
    let bytes: Bytes = (0..=255).collect::<Vec<u8>>().into();
    let append = |source: &Source, time, payload: &Bytes| Append {
        source: source.clone(),
        key: bytes.slice(1..9),
        envelope: bytes.clone(),
        payload: payload.clone(),
        time,
    };
    let appends = vec![
        append(&sources[0], 1_700_000_000_000_001, &bytes),
        append(&sources[1], 1_700_000_000_000_002, &bytes),
        append(&sources[0], 1_700_000_000_000_003, &Bytes::new()),
    ];
    let offsets = log.append(appends.clone(), Durability::Durable).await.unwrap();
    assert_eq!(offsets.len(), 3);
    assert!(offsets[0] < offsets[2], "offsets of a partition grow");
    for (append, offset) in appends.iter().zip(&offsets) {
        let records = log.read(&append.source, *offset, 1).await.unwrap();
        let record = records.first().unwrap();
        assert_eq!(
            (&record.key, &record.envelope, &record.payload, record.time, record.offset),
            (&append.key, &append.envelope, &append.payload, append.time, *offset)
        );
    }
    assert!(log.append(Vec::new(), Durability::Durable).await.unwrap().is_empty());
}

pub async fn an_append_with_an_absent_source_changes_nothing(fixture: &mut impl Fixture) {
    let log = fixture.log();
    let sources = topic(&*log, "events").await;
    let beyond = Source { topic: sources[0].topic.clone(), partition: log.partitions() };
    for durability in [Durability::Durable, Durability::Ordered] {
        let outcome = log.append(vec![text(&sources[0], "good"), text(&beyond, "bad")], durability).await;
        assert!(matches!(outcome, Err(LogError::Absent(named)) if named == beyond));
    }
    log.append(vec![text(&sources[0], "after")], Durability::Durable).await.unwrap();
    assert_eq!(everything(&*log, &sources[0]).await, ["after"]);
}

pub async fn each_appenders_order_holds_among_64(fixture: &mut impl Fixture) {
    let log = fixture.log();
    let sources = topic(&*log, "events").await;
    let appenders: Vec<_> = (0..64)
        .map(|appender| {
            let (log, sources) = (log.clone(), sources.clone());
            tokio::spawn(async move {
                let mut places = Vec::new();
                for step in 0..20 {
                    let source = &sources[(appender + step) % sources.len()];
                    let payload = format!("{appender}:{step}");
                    let durability = if appender % 4 == 0 { Durability::Ordered } else { Durability::Durable };
                    let offsets = log.append(vec![text(source, &payload)], durability).await.unwrap();
                    places.push((source.clone(), offsets[0], payload));
                }
                places
            })
        })
        .collect();
    let mut expected: BTreeMap<Source, BTreeMap<u64, String>> = BTreeMap::new();
    for appender in appenders {
        let places = appender.await.unwrap();
        for source in &sources {
            let of_source = || places.iter().filter(|(place, ..)| place == source);
            assert!(of_source().is_sorted_by(|a, b| a.1 < b.1), "an appender's records keep their order");
        }
        for (source, offset, payload) in places {
            assert!(expected.entry(source).or_default().insert(offset, payload).is_none(), "an offset was given twice");
        }
    }
    for (source, expected) in expected {
        let last = *expected.last_key_value().unwrap().0;
        assert!(log.wait(&source, last, LONG).await.unwrap());
        let found: BTreeMap<_, _> = all(&*log, &source).await.iter().map(|r| (r.offset, said(r))).collect();
        assert_eq!(found, expected);
    }
}

pub async fn values_of_one_mebibyte_pass(fixture: &mut impl Fixture) {
    let log = fixture.log();
    let source = &topic(&*log, "events").await[1];
    // Brokers refuse batches above one mebibyte by default: the value and its frame stay just below.
    let payload: Bytes = (0..(1 << 20) - 4096).map(|at: u32| (at / 7) as u8).collect::<Vec<_>>().into();
    let append = Append { payload: payload.clone(), ..text(source, "") };
    let offset = log.append(vec![append], Durability::Durable).await.unwrap()[0];
    fixture.reopen().await;
    assert_eq!(fixture.log().read(source, offset, 1).await.unwrap()[0].payload, payload);
}

pub async fn times_never_run_backwards(fixture: &mut impl Fixture) {
    let log = fixture.log();
    let sources = topic(&*log, "events").await;
    for (time, durability) in [
        (50, Durability::Durable),
        (40, Durability::Ordered),
        (60, Durability::Durable),
        (10, Durability::Durable),
        (60, Durability::Ordered),
        (70, Durability::Durable),
    ] {
        let time = 1_700_000_000_000_000 + time * 1000;
        log.append(vec![Append { time, ..text(&sources[0], "") }], durability).await.unwrap();
    }
    let times = |records: Vec<crate::Record>| -> Vec<i64> {
        records.iter().map(|record| (record.time - 1_700_000_000_000_000) / 1000).collect()
    };
    assert_eq!(times(all(&*log, &sources[0]).await), [50, 50, 60, 60, 60, 70]);
    fixture.reopen().await;
    let log = fixture.log();
    log.append(vec![Append { time: 0, ..text(&sources[0], "") }], Durability::Durable).await.unwrap();
    assert_eq!(times(all(&*log, &sources[0]).await), [50, 50, 60, 60, 60, 70, 70]);
}

pub async fn topics_and_partition_counts_survive_and_creating_again_keeps_records(fixture: &mut impl Fixture) {
    let log = fixture.log();
    let (partitions, timeline) = (log.partitions(), log.timeline());
    let sources = topic(&*log, "events").await;
    for source in &sources {
        log.append(vec![text(source, source.to_string())], Durability::Durable).await.unwrap();
    }
    drop(log);
    fixture.reopen().await;
    let log = fixture.log();
    assert_eq!((log.partitions(), log.timeline()), (partitions, timeline));
    log.create_topics(&[&sources[0].topic]).await.unwrap();
    for source in &sources {
        assert_eq!(everything(&*log, source).await, [source.to_string()]);
    }
}

pub async fn an_ordered_append_reaches_consumers_and_becomes_durable_by_itself(fixture: &mut impl Fixture) {
    let log = fixture.log();
    let source = &topic(&*log, "commands").await[0];
    let mut follower = Follower::join(&*log, &super::steps::unique("group"), &[&source.topic]).await;
    until(&mut [&mut follower], |followers| !followers[0].owned.is_empty()).await;
    let offset = log.append(vec![text(source, "do it")], Durability::Ordered).await.unwrap()[0];
    until(&mut [&mut follower], |followers| followers[0].heard.contains_key(source)).await;
    assert_eq!(follower.heard[source], ["do it"]);
    assert!(log.wait(source, offset, LONG).await.unwrap());
    assert_eq!(everything(&*log, source).await, ["do it"]);
}

pub async fn ordered_and_durable_appends_of_one_caller_keep_their_order(fixture: &mut impl Fixture) {
    let log = fixture.log();
    let source = &topic(&*log, "commands").await[0];
    let mut expected = Vec::new();
    for round in 0..50 {
        let durability = if round % 3 == 0 { Durability::Durable } else { Durability::Ordered };
        let texts: Vec<_> = (0..=round % 4).map(|at| format!("{round}:{at}")).collect();
        log.append(texts.iter().map(|payload| text(source, payload)).collect(), durability).await.unwrap();
        expected.extend(texts);
    }
    log.append(vec![text(source, "last")], Durability::Durable).await.unwrap();
    expected.push("last".to_owned());
    assert_eq!(everything(&*log, source).await, expected);
}
