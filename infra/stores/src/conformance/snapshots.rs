//! Snapshots: rows, positions and parked records of one moment.

use super::{Fixture, sample::*};
use crate::{Snapshot, StoreError, Write};
use schemas::row::Value;
use std::collections::BTreeSet;

/// All rows that a snapshot has left, so many at a time.
async fn rest(snapshot: &mut dyn Snapshot, page: usize) -> Vec<Vec<Value>> {
    let mut all = Vec::new();
    loop {
        let rows = snapshot.rows(page).await.unwrap();
        assert!(rows.len() <= page);
        if rows.is_empty() {
            return all;
        }
        all.extend(rows);
    }
}

/// Page by page, in any order.
pub async fn a_snapshot_visits_every_row_once(fixture: impl Fixture) {
    let store = fixture.store();
    let made = generation::<Sample>(&*store).await;
    let rows: Vec<Sample> = (0..100).map(|n| Sample { name: Some("x".into()), ..Sample::new(format!("{n}"), n) }).collect();
    store.write(write(&made, 0, 1, rows.clone())).await.unwrap();
    let expected: BTreeSet<String> = rows.into_iter().map(|row| format!("{:?}", full(TENANT, row))).collect();
    for page in [1, 7, 100, 1000] {
        let found = rest(&mut *store.snapshot(made.id).await.unwrap(), page).await;
        assert_eq!(found.len(), 100, "{page} at a time");
        assert_eq!(found.iter().map(|row| format!("{row:?}")).collect::<BTreeSet<_>>(), expected);
    }
}

/// Whatever is written while it is read.
pub async fn a_snapshot_holds_still_while_its_generation_moves(fixture: impl Fixture) {
    let store = fixture.store();
    let made = generation::<Sample>(&*store).await;
    let first = write(&made, 0, 3, [Sample::new("a", 1), Sample::new("b", 1)]);
    store.write(Write { parked: vec![parked("default/job/x", 2)], ..first }).await.unwrap();
    let mut snapshot = store.snapshot(made.id).await.unwrap();
    let later = Write {
        deletes: vec![full_key::<Sample>(TENANT, &key("b"))],
        parked: vec![parked("default/job/y", 4)],
        ..write(&made, 3, 5, [Sample::new("a", 2), Sample::new("c", 2)])
    };
    store.write(later).await.unwrap();
    assert_eq!(snapshot.positions()[&(TOPIC.to_owned(), 0)], (3, 30));
    assert_eq!(snapshot.parked(10).await.unwrap(), [parked("default/job/x", 2)]);
    let keys: Vec<_> = ["c", "a", "b"].iter().map(|id| full_key::<Sample>(TENANT, &key(id))).collect();
    let (a, b) = (full(TENANT, Sample::new("a", 1)), full(TENANT, Sample::new("b", 1)));
    assert_eq!(snapshot.load(&keys).await.unwrap(), [None, Some(a), Some(b)]);
    assert_eq!(rest(&mut *snapshot, 1).await.len(), 2);
    drop(snapshot);
    let mut now = store.snapshot(made.id).await.unwrap();
    assert_eq!(now.positions()[&(TOPIC.to_owned(), 0)], (5, 50));
    assert_eq!((now.parked(1).await.unwrap().len(), now.parked(10).await.unwrap().len()), (1, 2));
    assert!(now.load(&keys).await.unwrap()[2].is_none());
}

/// One after the other, and side by side.
pub async fn snapshots_of_different_tables_do_not_disturb_each_other(fixture: impl Fixture) {
    let store = fixture.store();
    let (one, other) = (generation::<Sample>(&*store).await, generation::<Record>(&*store).await);
    store.write(write(&one, 0, 1, [Sample::new("a", 1)])).await.unwrap();
    store.write(write(&other, 0, 1, [Record::new("r", 1, [1]), Record::new("r", 2, [2])])).await.unwrap();
    for _ in 0..3 {
        let mut snapshots = [store.snapshot(one.id).await.unwrap(), store.snapshot(other.id).await.unwrap()];
        let [first, second] = &mut snapshots;
        assert_eq!((rest(&mut **first, 5).await.len(), rest(&mut **second, 5).await.len()), (1, 2));
    }
}

/// As every other call.
pub async fn a_snapshot_of_an_unknown_generation_is_absent(fixture: impl Fixture) {
    let store = fixture.store();
    assert!(matches!(store.snapshot(4711).await.err(), Some(StoreError::Absent(_))));
}
