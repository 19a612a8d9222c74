//! Facts: written once.

use super::{Fixture, sample::*};
use crate::{Generation, StoreError, Write};

fn facts(generation: &Generation, from: u64, to: u64, rows: impl IntoIterator<Item = Record>) -> Write {
    Write { facts: true, ..write(generation, from, to, rows) }
}

/// The same content is fine, other content names the key.
pub async fn a_fact_may_be_written_twice_but_never_changed(fixture: impl Fixture) {
    let store = fixture.store();
    let made = live::<Record>(&*store).await;
    let rows: Vec<Record> = (1..=40).map(|seq| Record::new("a", seq, format!("payload {seq}"))).collect();
    store.write(facts(&made, 0, 1, rows.clone())).await.unwrap();
    store.write(facts(&made, 1, 2, rows.clone())).await.unwrap();
    let mut changed = rows.clone();
    changed[16].payload.push(0);
    changed.push(Record::new("b", 1, "new"));
    match store.write(facts(&made, 2, 3, changed)).await {
        Err(StoreError::Fatal(message)) => {
            assert!(message.contains("id Text(\"a\")") && message.contains("seq I64(17)"), "{message}");
            assert!(!message.contains("payload 17"), "{message}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(store.scan(made.id).await.unwrap().rows, 40);
    assert_eq!(position(&*store, &made, 0).await, (2, 20));
    assert_eq!(get(&*store, TENANT, &("a".to_owned(), 17)).await, Some(rows[16].clone()));
    let twice = [Record::new("c", 1, "one"), Record::new("c", 1, "other")];
    assert!(matches!(store.write(facts(&made, 2, 3, twice)).await, Err(StoreError::Fatal(_))), "within one write");
    assert_eq!(get::<Record>(&*store, TENANT, &("c".to_owned(), 1)).await, None);
}

/// Writes that wait together are not punished for one of them.
pub async fn a_changed_fact_in_one_write_leaves_the_others_alone(fixture: impl Fixture) {
    let store = fixture.store();
    let made = live::<Record>(&*store).await;
    store.write(facts(&made, 0, 1, [Record::new("a", 1, "one")])).await.unwrap();
    for round in 0..20 {
        let good = |partition: u32| Write {
            advance: vec![step(partition, round, round + 1)],
            ..facts(&made, 0, 0, [Record::new(format!("{partition}"), i64::try_from(round).unwrap(), "new")])
        };
        let (first, bad, second) = tokio::join!(
            store.write(good(1)),
            store.write(facts(&made, 1, 2, [Record::new("between", 1, "new"), Record::new("a", 1, "other")])),
            store.write(good(2)),
        );
        first.unwrap();
        second.unwrap();
        assert!(matches!(bad, Err(StoreError::Fatal(_))), "{bad:?}");
    }
    assert_eq!(store.scan(made.id).await.unwrap().rows, 41);
    assert_eq!(position(&*store, &made, 0).await, (1, 10));
    assert_eq!(position(&*store, &made, 2).await, (20, 200));
}
