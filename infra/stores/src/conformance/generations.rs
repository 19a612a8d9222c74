//! Generations: built beside each other, switched at once, kept for a rollback.

use super::{BOUND, Fixture, sample::*};
use crate::{GenerationState, Store, StoreError};
use schemas::{
    Row,
    row::{Column, Kind, Table, Value},
};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

async fn states(store: &dyn Store) -> Vec<(u64, u32, GenerationState)> {
    store.generations("samples").await.unwrap().into_iter().map(|g| (g.id, g.version, g.state)).collect()
}

/// Two of the same table have rows, positions and parked records of their own.
pub async fn two_generations_are_independent(fixture: impl Fixture) {
    let store = fixture.store();
    let first = store.create(&Sample::TABLE, 1).await.unwrap();
    let second = store.create(&Sample::TABLE, 1).await.unwrap();
    assert!(second.id > first.id && second.table != first.table);
    let mut aside = write(&first, 0, 5, [Sample::new("x", 1)]);
    aside.parked.push(parked("default/Job/x", 5));
    store.write(aside).await.unwrap();
    store.write(write(&second, 0, 2, [Sample::new("x", 2)])).await.unwrap();
    assert_eq!(load(&*store, &first, &[key("x")]).await, [Some(Sample::new("x", 1))]);
    assert_eq!(load(&*store, &second, &[key("x")]).await, [Some(Sample::new("x", 2))]);
    assert_eq!((position(&*store, &first, 0).await.0, position(&*store, &second, 0).await.0), (5, 2));
    assert!(store.parked_aggregates(second.id).await.unwrap().is_empty());
}

/// Queries see the new one; the old one is kept, with its rows.
pub async fn a_switch_makes_one_live_and_retires_the_other(fixture: impl Fixture) {
    let store = fixture.store();
    let first = live::<Sample>(&*store).await;
    store.write(write(&first, 0, 1, [Sample::new("x", 1)])).await.unwrap();
    let second = store.create(&Sample::TABLE, 2).await.unwrap();
    store.write(write(&second, 0, 1, [Sample::new("x", 2)])).await.unwrap();
    assert_eq!(get(&*store, TENANT, &key("x")).await, Some(Sample::new("x", 1)));
    let (live, built, retired) = (GenerationState::Live, GenerationState::Building, GenerationState::Retired);
    assert_eq!(states(&*store).await, [(second.id, 2, built), (first.id, 1, live)]);
    store.switch(second.id, "same checksum").await.unwrap();
    assert_eq!(get(&*store, TENANT, &key("x")).await, Some(Sample::new("x", 2)));
    assert_eq!(states(&*store).await, [(second.id, 2, live), (first.id, 1, retired)]);
    let known = store.generations("samples").await.unwrap();
    assert_eq!((known[0].note.as_str(), known[1].note.as_str()), ("same checksum", "the first"));
    store.write(write(&first, 1, 2, [Sample::new("x", 3)])).await.unwrap();
    assert_eq!(get(&*store, TENANT, &key("x")).await, Some(Sample::new("x", 2)));
    store.switch(second.id, "said again").await.unwrap();
    assert_eq!(states(&*store).await, [(second.id, 2, live), (first.id, 1, retired)]);
    assert!(store.generations("others").await.unwrap().is_empty());
}

/// One is kept for a rollback, not all.
pub async fn the_second_switch_drops_what_was_retired_before(fixture: impl Fixture) {
    let store = fixture.store();
    let first = live::<Sample>(&*store).await;
    let mut aside = write(&first, 0, 1, [Sample::new("x", 1)]);
    aside.parked.push(parked("default/Job/x", 1));
    store.write(aside).await.unwrap();
    let second = live::<Sample>(&*store).await;
    let building = generation::<Sample>(&*store).await;
    let third = live::<Sample>(&*store).await;
    assert_eq!(
        states(&*store).await,
        [
            (third.id, 1, GenerationState::Live),
            (building.id, 1, GenerationState::Building),
            (second.id, 1, GenerationState::Retired)
        ]
    );
    assert!(matches!(store.positions(first.id).await, Err(StoreError::Absent(_))));
    assert!(matches!(store.write(write(&first, 1, 2, [Sample::new("x", 1)])).await, Err(StoreError::Absent(_))));
    assert!(matches!(store.load(first.id, &[]).await, Err(StoreError::Absent(_))));
    drop(store);
    let fixture = fixture.reopen().await;
    assert_eq!(states(&*fixture.store()).await.len(), 3);
}

/// And back again.
pub async fn a_rollback_makes_the_retired_one_live_again(fixture: impl Fixture) {
    let store = fixture.store();
    let first = live::<Sample>(&*store).await;
    store.write(write(&first, 0, 1, [Sample::new("x", 1)])).await.unwrap();
    let second = live::<Sample>(&*store).await;
    assert_eq!(get::<Sample>(&*store, TENANT, &key("x")).await, None);
    store.switch(first.id, "rolled back").await.unwrap();
    assert_eq!(get(&*store, TENANT, &key("x")).await, Some(Sample::new("x", 1)));
    let (live, retired) = (GenerationState::Live, GenerationState::Retired);
    assert_eq!(states(&*store).await, [(second.id, 1, retired), (first.id, 1, live)]);
    store.switch(second.id, "and forward").await.unwrap();
    assert_eq!(states(&*store).await, [(second.id, 1, live), (first.id, 1, retired)]);
}

/// Queries would have nothing left.
pub async fn a_live_generation_cannot_be_discarded(fixture: impl Fixture) {
    let store = fixture.store();
    let first = live::<Sample>(&*store).await;
    assert!(matches!(store.discard(first.id).await, Err(StoreError::Absent(_))));
    store.write(write(&first, 0, 1, [Sample::new("x", 1)])).await.unwrap();
    assert_eq!(get(&*store, TENANT, &key("x")).await, Some(Sample::new("x", 1)));
}

/// With its rows, positions and parked records; its number does not come again.
pub async fn a_discarded_generation_is_gone(fixture: impl Fixture) {
    let store = fixture.store();
    let first = generation::<Sample>(&*store).await;
    let mut aside = write(&first, 0, 1, [Sample::new("x", 1)]);
    aside.parked.push(parked("default/Job/x", 1));
    store.write(aside).await.unwrap();
    store.discard(first.id).await.unwrap();
    assert!(states(&*store).await.is_empty());
    assert!(matches!(store.scan(first.id).await, Err(StoreError::Absent(_))));
    let second = generation::<Sample>(&*store).await;
    assert!(second.id > first.id);
    assert!(store.positions(second.id).await.unwrap().is_empty());
    assert!(store.parked_aggregates(second.id).await.unwrap().is_empty());
}

/// Before the first switch there is nothing to ask.
pub async fn a_read_model_without_a_live_generation_is_absent(fixture: impl Fixture) {
    let store = fixture.store();
    generation::<Sample>(&*store).await;
    let found = store.get(&Sample::TABLE, TENANT, &Sample::key_values(&key("x"))).await;
    assert!(matches!(found, Err(StoreError::Absent(_))), "{found:?}");
    let found = store.query(&query::<Sample>(vec![], &[], 1)).await;
    assert!(matches!(found, Err(StoreError::Absent(_))), "{found:?}");
    let reached = store.reached("samples", TOPIC, 0, 1, BOUND).await;
    assert!(matches!(reached, Err(StoreError::Absent(_))), "{reached:?}");
}

/// While one switch follows the other, and tables are dropped, a row is always found.
pub async fn readers_never_see_a_half_made_switch(fixture: impl Fixture) {
    let store = fixture.store();
    let first = live::<Sample>(&*store).await;
    store.write(write(&first, 0, 1, [Sample::new("x", 1)])).await.unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..2)
        .map(|_| {
            let (store, over) = (Arc::clone(&store), Arc::clone(&over));
            tokio::spawn(async move {
                let mut seen = 0;
                while !over.load(Ordering::Relaxed) {
                    let row = get::<Sample>(&*store, TENANT, &key("x")).await;
                    assert_eq!(row.map(|row| row.id), Some("x".to_owned()));
                    assert_eq!(ids(&*store, &query::<Sample>(vec![], &[], 5)).await, ["x"]);
                    seen += 1;
                    tokio::task::yield_now().await;
                }
                seen
            })
        })
        .collect();
    for rank in 2..30 {
        let next = generation::<Sample>(&*store).await;
        store.write(write(&next, 0, 1, [Sample::new("x", rank)])).await.unwrap();
        store.switch(next.id, "").await.unwrap();
        assert_eq!(get(&*store, TENANT, &key("x")).await, Some(Sample::new("x", rank)));
    }
    over.store(true, Ordering::Relaxed);
    for reader in readers {
        assert!(tokio::time::timeout(BOUND, reader).await.unwrap().unwrap() > 0);
    }
}

/// The program is newer than the table: what may be absent is, what may not is refused.
pub async fn an_older_generation_serves_a_table_with_a_new_column(fixture: impl Fixture) {
    const OLD: Column = Column { name: "id", kind: Kind::Text, nullable: false };
    const VALUE: Column = Column { name: "value", kind: Kind::I64, nullable: false };
    const NEW: Column = Column { name: "new", kind: Kind::Text, nullable: true };
    const BEFORE: Table = Table { name: "changing", columns: &[OLD, VALUE], key: 1, indexes: &[] };
    const AFTER: Table = Table { name: "changing", columns: &[OLD, NEW, VALUE], key: 1, indexes: &[&["new"]] };
    const STRICTER: Column = Column { name: "new", kind: Kind::Text, nullable: false };
    const OTHERS: [Table; 3] = [
        Table { name: "changing", columns: &[OLD, STRICTER], key: 1, indexes: &[] },
        Table { name: "changing", columns: &[OLD, VALUE], key: 2, indexes: &[] },
        Table { name: "changing", columns: &[OLD, Column { kind: Kind::Time, ..VALUE }], key: 1, indexes: &[] },
    ];
    let store = fixture.store();
    let made = store.create(&BEFORE, 1).await.unwrap();
    store.switch(made.id, "").await.unwrap();
    let id = Value::Text("x".into());
    let mut row = write::<Sample>(&made, 0, 1, []);
    row.upserts.push(vec![Value::Text(TENANT.into()), id.clone(), Value::I64(7)]);
    store.write(row).await.unwrap();
    let expected = vec![id.clone(), Value::Null, Value::I64(7)];
    assert_eq!(store.get(&AFTER, TENANT, std::slice::from_ref(&id)).await.unwrap(), Some(expected.clone()));
    let mut newer = query::<Sample>(vec![], &[], 5);
    newer.table = AFTER;
    assert_eq!(store.query(&newer).await.unwrap(), [expected]);
    newer.order = vec![("new", crate::Direction::Ascending)];
    assert!(matches!(store.query(&newer).await, Err(StoreError::Absent(_))), "the order needs the column");
    for table in &OTHERS {
        let key = &[id.clone(), Value::I64(7)][..table.key];
        assert!(matches!(store.get(table, TENANT, key).await, Err(StoreError::Absent(_))), "{table:?}");
    }
}
