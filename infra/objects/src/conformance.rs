//! What every object store promises, as tests: `objects::conformance!(factory)` makes one test of each.
//!
//! A factory opens the same store at every call and starts empty; each test gets a factory of its own.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed assertion is how a suite speaks")]

use crate::{MAX_NAME_BYTES, MAX_SEGMENT_BYTES, ObjectError, Objects, Put};
use bytes::Bytes;
use std::{collections::HashMap, future::Future, sync::Arc};
use tokio::{sync::Barrier, task::JoinSet};

/// Opens the store under test.
pub trait Factory: Send + Sync {
    /// Opens the same store once more.
    fn open(&self) -> impl Future<Output = Objects> + Send;
}

/// Makes a test of every promise; `$factory` is an expression that makes a fresh [`Factory`].
#[macro_export]
macro_rules! conformance {
    ($factory:expr) => {
        $crate::conformance!(@ $factory;
            what_is_put_can_be_got
            an_absent_object_is_none
            of_32_racers_one_wins_and_no_other_bytes_are_ever_seen
            no_partial_object_is_ever_visible
            an_object_is_never_changed
            every_byte_survives
            an_empty_object_is_an_object
            a_list_is_sorted_and_keeps_to_whole_segments
            bad_names_are_refused
            the_longest_names_are_taken
            everything_is_there_after_reopening
        );
    };
    (@ $factory:expr; $($name:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let factory = $factory;
                $crate::conformance::$name(&factory).await;
            }
        )*
    };
}

/// See the name.
pub async fn what_is_put_can_be_got(factory: &impl Factory) {
    let objects = factory.open().await;
    assert_eq!(objects.put_if_absent("a/b.avro", Bytes::from_static(b"x")).await, Ok(Put::Created));
    assert_eq!(objects.get("a/b.avro").await, Ok(Some(Bytes::from_static(b"x"))));
    assert_eq!(objects.clone().list("").await, Ok(vec!["a/b.avro".to_owned()]));
}

/// See the name.
pub async fn an_absent_object_is_none(factory: &impl Factory) {
    let objects = factory.open().await;
    assert_eq!(objects.get("nowhere/to.be").await, Ok(None));
    assert_eq!(objects.list("nowhere").await, Ok(Vec::new()));
    assert_eq!(objects.put_if_absent("here/it.is", Bytes::new()).await, Ok(Put::Created));
    assert_eq!(objects.get("here").await, Ok(None), "a prefix is not an object");
}

/// See the name.
pub async fn of_32_racers_one_wins_and_no_other_bytes_are_ever_seen(factory: &impl Factory) {
    const RACERS: u8 = 32;
    let objects = factory.open().await;
    for round in 0..8 {
        let name = format!("race/{round}/object");
        let start = Arc::new(Barrier::new(usize::from(RACERS)));
        let mut racers = JoinSet::new();
        for racer in 0..RACERS {
            let (objects, name, start) = (objects.clone(), name.clone(), start.clone());
            racers.spawn(async move {
                start.wait().await;
                let put = objects.put_if_absent(&name, Bytes::from(vec![racer; 10_000])).await.unwrap();
                // Whoever has an answer sees the object, and everybody sees the same.
                (racer, put, objects.get(&name).await.unwrap().expect("an answered put is visible"))
            });
        }
        let answers = racers.join_all().await;
        let winners: Vec<u8> = answers.iter().filter(|(_, put, _)| *put == Put::Created).map(|(racer, ..)| *racer).collect();
        assert_eq!(winners.len(), 1, "round {round} has winners {winners:?}");
        assert!(answers.iter().all(|(.., seen)| seen.len() == 10_000 && seen.iter().all(|byte| *byte == winners[0])));
    }
}

/// See the name.
pub async fn no_partial_object_is_ever_visible(factory: &impl Factory) {
    const SIZE: usize = 4 << 20;
    let objects = factory.open().await;
    for round in 0..4_u8 {
        let name = format!("whole/{round}");
        let writer = tokio::spawn({
            let (objects, name) = (objects.clone(), name.clone());
            async move { objects.put_if_absent(&name, Bytes::from(vec![round; SIZE])).await }
        });
        loop {
            let done = writer.is_finished();
            let listed = objects.list("whole").await.unwrap().contains(&name);
            match objects.get(&name).await.unwrap() {
                Some(bytes) => assert!(bytes.len() == SIZE && bytes.iter().all(|byte| *byte == round)),
                None => assert!(!done && !listed, "a listed or answered object must be readable"),
            }
            if done {
                break;
            }
        }
        assert_eq!(writer.await.unwrap(), Ok(Put::Created));
    }
}

/// See the name.
pub async fn an_object_is_never_changed(factory: &impl Factory) {
    let objects = factory.open().await;
    assert_eq!(objects.put_if_absent("once", Bytes::from_static(b"first")).await, Ok(Put::Created));
    for bytes in [&b"first"[..], b"", b"another that is longer"] {
        assert_eq!(objects.put_if_absent("once", Bytes::from_static(bytes)).await, Ok(Put::Existed));
    }
    assert_eq!(objects.get("once").await, Ok(Some(Bytes::from_static(b"first"))));
}

/// See the name.
pub async fn every_byte_survives(factory: &impl Factory) {
    let objects = factory.open().await;
    let bytes: Bytes = (0..=255_u8).cycle().take(300_001).collect();
    assert_eq!(objects.put_if_absent("binary", bytes.clone()).await, Ok(Put::Created));
    assert_eq!(objects.get("binary").await, Ok(Some(bytes)));
}

/// See the name.
pub async fn an_empty_object_is_an_object(factory: &impl Factory) {
    let objects = factory.open().await;
    assert_eq!(objects.put_if_absent("empty", Bytes::new()).await, Ok(Put::Created));
    assert_eq!(objects.get("empty").await, Ok(Some(Bytes::new())));
    assert_eq!(objects.put_if_absent("empty", Bytes::from_static(b"x")).await, Ok(Put::Existed));
    assert_eq!(objects.get("empty").await, Ok(Some(Bytes::new())));
}

/// See the name.
pub async fn a_list_is_sorted_and_keeps_to_whole_segments(factory: &impl Factory) {
    let objects = factory.open().await;
    let names = ["p/0001/20.avro", "p/0001/03.json", "p/0001/03.avro", "p/00010/1.avro", "p/0002/1.avro", "q/1", "B", "a"];
    let mut puts = HashMap::new();
    for name in names {
        puts.insert(name, objects.put_if_absent(name, Bytes::from(name)).await.unwrap());
    }
    assert!(puts.values().all(|put| *put == Put::Created), "{puts:?}");
    let in_first = ["p/0001/03.avro", "p/0001/03.json", "p/0001/20.avro"];
    assert_eq!(objects.list("p/0001").await.unwrap(), in_first);
    assert_eq!(objects.list("p/0001/").await.unwrap(), in_first);
    let mut all = names;
    all.sort_unstable();
    assert_eq!(objects.list("").await.unwrap(), all);
}

/// See the name.
pub async fn bad_names_are_refused(factory: &impl Factory) {
    let objects = factory.open().await;
    let long = "x/".repeat(MAX_NAME_BYTES);
    let wide = "x".repeat(MAX_SEGMENT_BYTES + 1);
    let bad = [
        "",
        "/",
        "/a",
        "a/",
        "a//b",
        ".",
        "..",
        "...",
        "../a",
        "a/../b",
        "a/./b",
        "a b",
        "a\\b",
        "a#1",
        "a%2e",
        "a:b",
        "a\0b",
        "a\nb",
        "ä",
        "\u{202e}a",
        "~",
        "a*",
        &long,
        &wide,
    ];
    for name in bad {
        let put = objects.put_if_absent(name, Bytes::new()).await;
        assert!(matches!(put, Err(ObjectError::Invalid(_))), "put {name:?}: {put:?}");
        let get = objects.get(name).await;
        assert!(matches!(get, Err(ObjectError::Invalid(_))), "get {name:?}: {get:?}");
    }
    for prefix in ["..", "a/../b", "/a", "a//", "a b"] {
        let list = objects.list(prefix).await;
        assert!(matches!(list, Err(ObjectError::Invalid(_))), "list {prefix:?}: {list:?}");
    }
    assert_eq!(objects.list("").await, Ok(Vec::new()));
}

/// See the name.
pub async fn the_longest_names_are_taken(factory: &impl Factory) {
    let objects = factory.open().await;
    let wide = "x".repeat(MAX_SEGMENT_BYTES);
    let long = format!("{wide}/{wide}/{}", "A-z0.9_=".repeat(14).split_at(MAX_NAME_BYTES - 2 * MAX_SEGMENT_BYTES - 2).0);
    assert_eq!(long.len(), MAX_NAME_BYTES);
    assert_eq!(objects.put_if_absent(&long, Bytes::from_static(b"x")).await, Ok(Put::Created));
    assert_eq!(objects.get(&long).await, Ok(Some(Bytes::from_static(b"x"))));
    assert_eq!(objects.list(&wide).await, Ok(vec![long]));
}

/// See the name.
pub async fn everything_is_there_after_reopening(factory: &impl Factory) {
    let objects = factory.open().await;
    assert_eq!(objects.put_if_absent("kept/1", Bytes::from_static(b"one")).await, Ok(Put::Created));
    drop(objects);
    let objects = factory.open().await;
    assert_eq!(objects.list("kept").await, Ok(vec!["kept/1".to_owned()]));
    assert_eq!(objects.get("kept/1").await, Ok(Some(Bytes::from_static(b"one"))));
    assert_eq!(objects.put_if_absent("kept/1", Bytes::from_static(b"two")).await, Ok(Put::Existed));
}
