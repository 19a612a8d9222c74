//! Reads, ends, times and waits.

use super::{
    Fixture,
    steps::{LONG, SHORT, all, everything, said, text, topic},
};
use crate::{Append, Durability, LogError, Source};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

pub async fn reading_starts_where_asked_and_keeps_to_the_number_asked_for(fixture: &mut impl Fixture) {
    let log = fixture.log();
    let source = &topic(&*log, "events").await[0];
    assert!(log.read(source, 0, 10).await.unwrap().is_empty());
    let texts: Vec<_> = (0..20).map(|at| text(source, at.to_string())).collect();
    let offsets = log.append(texts, Durability::Durable).await.unwrap();
    let read = async |from, max| -> Vec<String> { log.read(source, from, max).await.unwrap().iter().map(said).collect() };
    assert_eq!(read(offsets[3], 2).await, ["3", "4"]);
    assert_eq!(read(offsets[18], 100).await, ["18", "19"]);
    assert_eq!(read(0, 1).await, ["0"]);
    assert!(read(log.end(source).await.unwrap(), 5).await.is_empty());
    assert!(read(u64::MAX, 5).await.is_empty());
    assert!(log.end(source).await.unwrap() > offsets[19]);
}

pub async fn reading_old_records_gives_the_same_as_reading_new_ones(fixture: &mut impl Fixture) {
    let log = fixture.log();
    let source = &topic(&*log, "events").await[0];
    for batch in 0..10 {
        let texts = (0..1000).map(|at| text(source, format!("{batch}:{at}"))).collect();
        log.append(texts, Durability::Durable).await.unwrap();
    }
    let before = all(&*log, source).await;
    assert_eq!(before.len(), 10_000);
    let expected: Vec<_> = (0..10).flat_map(|batch| (0..1000).map(move |at| format!("{batch}:{at}"))).collect();
    assert_eq!(before.iter().map(said).collect::<Vec<_>>(), expected);
    drop(log);
    fixture.reopen().await;
    assert_eq!(all(&*fixture.log(), source).await, before);
}

pub async fn nothing_beyond_the_end_is_ever_read(fixture: &mut impl Fixture) {
    let log = fixture.log();
    let source = topic(&*log, "events").await.remove(0);
    let appending = tokio::spawn({
        let (log, source) = (log.clone(), source.clone());
        async move {
            for round in 0..200 {
                let durability = if round % 2 == 0 { Durability::Ordered } else { Durability::Durable };
                log.append(vec![text(&source, round.to_string())], durability).await.unwrap();
            }
        }
    });
    let mut read = 0;
    while read < 200 {
        let records = log.read(&source, 0, 1000).await.unwrap();
        let end = log.end(&source).await.unwrap();
        assert!(records.last().is_none_or(|last| last.offset < end), "uncommitted records are invisible");
        assert!(records.len() >= read, "committed records stay");
        read = records.len();
    }
    appending.await.unwrap();
    assert_eq!(everything(&*log, &source).await, (0..200).map(|at| at.to_string()).collect::<Vec<_>>());
}

pub async fn who_follows_gets_every_record_once_and_in_order(fixture: &mut impl Fixture) {
    let log = fixture.log();
    let source = topic(&*log, "events").await.remove(0);
    let appending = tokio::spawn({
        let (log, source) = (log.clone(), source.clone());
        async move {
            for round in 0..100 {
                log.append(vec![text(&source, round.to_string())], Durability::Durable).await.unwrap();
            }
        }
    });
    let (mut followed, mut next) = (Vec::new(), 0);
    while followed.len() < 100 {
        let records = log.follow(&source, next, 7).await.unwrap();
        assert!(records.len() <= 7 && records.iter().all(|record| record.offset >= next));
        match records.last() {
            Some(last) => next = last.offset + 1,
            None => assert!(log.wait(&source, next, LONG).await.unwrap(), "{} of 100 came", followed.len()),
        }
        followed.extend(records.iter().map(said));
    }
    appending.await.unwrap();
    assert_eq!(followed, (0..100).map(|at| at.to_string()).collect::<Vec<_>>());
}

pub async fn a_wait_ends_at_once_when_there_are_records_and_in_time_when_there_are_none(fixture: &mut impl Fixture) {
    let log = fixture.log();
    let sources = topic(&*log, "events").await;
    let offset = log.append(vec![text(&sources[0], "here")], Durability::Durable).await.unwrap()[0];
    let start = Instant::now();
    assert!(log.wait(&sources[0], offset, LONG).await.unwrap());
    assert!(start.elapsed() < LONG / 2);
    assert!(!log.wait(&sources[0], log.end(&sources[0]).await.unwrap(), SHORT).await.unwrap());
    assert!(!log.wait(&sources[1], 0, SHORT).await.unwrap(), "another partition's record is no reason");
}

pub async fn no_wake_up_is_lost_between_a_look_and_a_wait(fixture: &mut impl Fixture) {
    let log = fixture.log();
    let source = topic(&*log, "events").await.remove(0);
    let (seen, mut acknowledged) = mpsc::channel(1);
    let waiting = tokio::spawn({
        let (log, source) = (log.clone(), source.clone());
        async move {
            for _ in 0..300 {
                let from = log.end(&source).await.unwrap();
                seen.send(from).await.unwrap();
                // The append races with the way from here into the wait.
                let start = Instant::now();
                assert!(log.wait(&source, from, LONG).await.unwrap());
                assert!(start.elapsed() < LONG / 2, "the wake-up was lost");
            }
        }
    });
    while let Some(end) = acknowledged.recv().await {
        let offsets = log.append(vec![text(&source, "wake")], Durability::Durable).await.unwrap();
        assert!(offsets[0] >= end);
    }
    waiting.await.unwrap();
}

pub async fn a_time_finds_the_first_record_at_or_after_it(fixture: &mut impl Fixture) {
    const START: i64 = 1_700_000_000_000_000;
    let ms = |ms: i64| START + ms * 1000;
    let log = fixture.log();
    let sources = topic(&*log, "events").await;
    let source = &sources[0];
    let times = [10, 20, 20, 20, 15, 30, 30, 5, 40];
    let appends = times.iter().map(|time| Append { time: ms(*time), ..text(source, "") }).collect();
    let at = log.append(appends, Durability::Durable).await.unwrap();
    drop(log);
    for _ in 0..2 {
        let log = fixture.log();
        let find = async |time| log.offset_at(source, ms(time)).await.unwrap();
        assert_eq!(find(-1_000_000).await, at[0]);
        assert_eq!(find(10).await, at[0]);
        assert_eq!(find(11).await, at[1]);
        assert_eq!(find(20).await, at[1], "the first of equal times");
        assert_eq!(find(21).await, at[5], "a time that ran backwards was raised");
        assert_eq!(find(30).await, at[5]);
        assert_eq!(find(40).await, at[8]);
        assert_eq!(find(41).await, log.end(source).await.unwrap(), "the end if there is none");
        assert_eq!(log.offset_at(&sources[1], 0).await.unwrap(), log.end(&sources[1]).await.unwrap());
        fixture.reopen().await;
    }
}

pub async fn absent_sources_are_named(fixture: &mut impl Fixture) {
    let log = fixture.log();
    let beyond = Source { topic: topic(&*log, "events").await[0].topic.clone(), partition: log.partitions() };
    let nowhere = Source { topic: super::steps::unique("nowhere").into(), partition: 0 };
    for absent in [beyond, nowhere.clone()] {
        let named = |error: LogError| matches!(error, LogError::Absent(source) if source == absent);
        assert!(named(log.read(&absent, 0, 1).await.unwrap_err()));
        assert!(named(log.end(&absent).await.unwrap_err()));
        assert!(named(log.offset_at(&absent, 0).await.unwrap_err()));
        assert!(named(log.wait(&absent, 0, Duration::from_millis(1)).await.unwrap_err()));
        assert!(named(log.committed("group", &absent).await.unwrap_err()));
    }
    assert!(matches!(log.consume("group", &[&nowhere.topic]).await.err(), Some(LogError::Absent(_))));
}

pub async fn what_is_not_trimmed_stays_and_so_does_the_end(fixture: &mut impl Fixture) {
    let log = fixture.log();
    let source = &topic(&*log, "snapshots").await[0];
    let mut offsets = Vec::new();
    for batch in 0..5 {
        let at = |n: i64| Append { time: 1_700_000_000_000_000 + batch * 1_000_000 + n * 1_000, ..text(source, n.to_string()) };
        offsets.extend(log.append((0..1000).map(at).collect(), Durability::Ordered).await.unwrap());
    }
    let last = log.append(vec![text(source, "durable")], Durability::Durable).await.unwrap()[0];
    let (end, kept) = (log.end(source).await.unwrap(), offsets[4_321]);
    let mut asked = 1;
    while !log.trim(source, kept).await.unwrap() {
        asked += 1;
        assert!(asked < 100, "trimming has an end");
    }
    let time = 1_700_000_000_000_000 + 4 * 1_000_000 + 700 * 1_000;
    drop(log);
    fixture.reopen().await;
    let log = fixture.log();
    assert_eq!(log.end(source).await.unwrap(), end);
    let read = log.read(source, kept, 10_000).await.unwrap();
    assert_eq!((read.len(), read[0].offset, read.last().unwrap().offset), (680, kept, last));
    assert_eq!(log.offset_at(source, time).await.unwrap(), offsets[4_700]);
    let first = log.read(source, 0, 1).await.unwrap()[0].offset;
    assert!(first <= kept);
    // Even who asks for everything to go leaves the end where it is.
    while !log.trim(source, u64::MAX).await.unwrap() {}
    drop(log);
    fixture.reopen().await;
    assert_eq!(fixture.log().end(source).await.unwrap(), end);
}
