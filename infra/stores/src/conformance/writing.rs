//! Writes: all or nothing, and only from the stored position on.

use super::{Fixture, sample::*};
use crate::{StoreError, Write};
use schemas::{Row, row::Value};

/// Rows and positions of every source are there together.
pub async fn a_write_moves_rows_and_positions_together(fixture: impl Fixture) {
    let store = fixture.store();
    let made = live::<Sample>(&*store).await;
    assert_eq!(store.positions(made.id).await.unwrap().len(), 0);
    let mut both = write(&made, 0, 3, [Sample::new("x", 1), Sample::new("y", 2)]);
    both.advance.push(step(1, 0, 7));
    store.write(both).await.unwrap();
    assert_eq!(position(&*store, &made, 0).await, (3, 30));
    assert_eq!(position(&*store, &made, 1).await, (7, 70));
    assert_eq!(get(&*store, TENANT, &key("x")).await, Some(Sample::new("x", 1)));
    assert_eq!(get::<Sample>(&*store, TENANT, &key("z")).await, None);
}

/// Another owner was here.
pub async fn a_stale_position_is_refused_and_leaves_nothing(fixture: impl Fixture) {
    let store = fixture.store();
    let made = live::<Sample>(&*store).await;
    store.write(write(&made, 0, 3, [Sample::new("x", 1)])).await.unwrap();
    for from in [0, 2, 4] {
        let mut late = write(&made, from, 9, [Sample::new("x", 9), Sample::new("new", 9)]);
        late.deletes.push(full_key::<Sample>(TENANT, &key("x")));
        late.parked.push(parked("default/Job/x", 9));
        match store.write(late).await {
            Err(StoreError::Stale { generation, source_name, stored, expected }) => {
                assert_eq!((generation, source_name.as_str(), stored, expected), (made.id, "work.events/0", 3, from));
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(position(&*store, &made, 0).await, (3, 30));
    assert_eq!(load(&*store, &made, &[key("x"), key("new")]).await, [Some(Sample::new("x", 1)), None]);
    assert!(store.parked_aggregates(made.id).await.unwrap().is_empty());
}

/// A write is one, whatever it touches.
pub async fn one_stale_source_of_two_refuses_the_whole_write(fixture: impl Fixture) {
    let store = fixture.store();
    let made = generation::<Sample>(&*store).await;
    let mut late = write(&made, 0, 3, [Sample::new("x", 1)]);
    late.advance.push(step(1, 5, 7));
    assert!(matches!(store.write(late).await, Err(StoreError::Stale { stored: 0, expected: 5, .. })));
    assert_eq!(store.positions(made.id).await.unwrap().len(), 0);
    assert_eq!(load::<Sample>(&*store, &made, &[key("x")]).await, [None]);
}

/// Positions grow.
pub async fn a_step_back_is_refused(fixture: impl Fixture) {
    let store = fixture.store();
    let made = generation::<Sample>(&*store).await;
    store.write(write(&made, 0, 3, [Sample::new("x", 1)])).await.unwrap();
    assert!(matches!(store.write(write(&made, 3, 2, [Sample::new("x", 2)])).await, Err(StoreError::Fatal(_))));
    assert_eq!(load(&*store, &made, &[key("x")]).await, [Some(Sample::new("x", 1))]);
}

/// No value of the old row stays, not even under an absent one.
pub async fn an_upsert_replaces_the_whole_row(fixture: impl Fixture) {
    let store = fixture.store();
    let made = live::<Sample>(&*store).await;
    let before = Sample { maybe: Some(1), name: Some("n".into()), ..Sample::new("x", 1) };
    store.write(write(&made, 0, 1, [before])).await.unwrap();
    store.write(write(&made, 1, 2, [Sample::new("x", 2)])).await.unwrap();
    assert_eq!(get(&*store, TENANT, &key("x")).await, Some(Sample::new("x", 2)));
    assert_eq!(ids(&*store, &query::<Sample>(vec![], &[], 10)).await, ["x"]);
}

/// Deleting what is not there changes nothing.
pub async fn a_delete_removes_the_row_and_an_absent_key_is_no_error(fixture: impl Fixture) {
    let store = fixture.store();
    let made = live::<Sample>(&*store).await;
    store.write(write(&made, 0, 1, [Sample::new("x", 1), Sample::new("y", 1)])).await.unwrap();
    let mut delete = write::<Sample>(&made, 1, 2, []);
    delete.deletes = vec![
        full_key::<Sample>(TENANT, &key("x")),
        full_key::<Sample>(TENANT, &key("never")),
        full_key::<Sample>("other", &key("y")),
    ];
    store.write(delete).await.unwrap();
    assert_eq!(load(&*store, &made, &[key("x"), key("y")]).await, [None, Some(Sample::new("y", 1))]);
}

/// Deletes go first.
pub async fn a_row_that_is_deleted_and_put_in_one_write_is_there(fixture: impl Fixture) {
    let store = fixture.store();
    let made = generation::<Sample>(&*store).await;
    store.write(write(&made, 0, 1, [Sample::new("x", 1)])).await.unwrap();
    let mut both = write(&made, 1, 2, [Sample::new("x", 2)]);
    both.deletes.push(full_key::<Sample>(TENANT, &key("x")));
    store.write(both).await.unwrap();
    assert_eq!(load(&*store, &made, &[key("x")]).await, [Some(Sample::new("x", 2))]);
}

/// Records set aside are stored with rows and position, and shown for live generations.
pub async fn parked_records_come_with_their_transaction(fixture: impl Fixture) {
    let store = fixture.store();
    let made = generation::<Sample>(&*store).await;
    let mut aside = write(&made, 0, 4, [Sample::new("x", 1)]);
    aside.parked = vec![parked("default/Job/b", 3), parked("default/Job/a", 2), parked("default/Job/b", 4)];
    store.write(aside).await.unwrap();
    assert_eq!(store.parked_aggregates(made.id).await.unwrap(), ["default/Job/a", "default/Job/b"]);
    assert!(store.parked(10).await.unwrap().is_empty(), "a generation that is built is not shown");
    store.switch(made.id, "").await.unwrap();
    let shown = store.parked(2).await.unwrap();
    let named = |record| ("samples".to_owned(), record);
    assert_eq!(shown, [named(parked("default/Job/a", 2)), named(parked("default/Job/b", 3))]);
}

/// A program that is wrong about its table stops, and stores nothing.
pub async fn rows_that_do_not_fit_are_refused_and_leave_nothing(fixture: impl Fixture) {
    let store = fixture.store();
    let made = generation::<Sample>(&*store).await;
    let fit = full(TENANT, Sample::new("x", 1));
    let with = |place: usize, value: Value| {
        let mut row = fit.clone();
        row[place] = value;
        row
    };
    let unfit = [
        with(4, Value::Text("1".into())),
        with(4, Value::Null),
        with(4, Value::Time(1)),
        with(5, Value::F64(f64::NAN)),
        with(3, Value::Text("a\0b".into())),
        with(8, Value::Json("\"\0\"".into())),
        with(0, Value::Null),
        with(0, Value::Text("a\0".into())),
        fit[..fit.len() - 1].to_vec(),
        vec![],
    ];
    for row in unfit {
        let mut wrong = write(&made, 0, 1, [Sample::new("good", 1)]);
        wrong.upserts.push(row.clone());
        assert!(matches!(store.write(wrong).await, Err(StoreError::Fatal(_))), "{row:?}");
    }
    let mut wrong = write::<Sample>(&made, 0, 1, []);
    wrong.deletes.push(vec![Value::Text(TENANT.into()), Value::Text("x".into())]);
    assert!(matches!(store.write(wrong).await, Err(StoreError::Fatal(_))), "half a key");
    assert_eq!(store.scan(made.id).await.unwrap().rows, 0);
    assert_eq!(store.positions(made.id).await.unwrap().len(), 0);
}

/// As after a generation was dropped under its writer.
pub async fn a_write_to_an_unknown_generation_is_absent(fixture: impl Fixture) {
    let store = fixture.store();
    let nobody = Write { generation: 99, advance: vec![step(0, 0, 1)], ..Write::default() };
    assert!(matches!(store.write(nobody).await, Err(StoreError::Absent(_))));
    assert!(matches!(store.positions(99).await, Err(StoreError::Absent(_))));
    assert!(matches!(store.load(99, &[]).await, Err(StoreError::Absent(_))));
    assert!(matches!(store.scan(99).await, Err(StoreError::Absent(_))));
    assert!(matches!(store.switch(99, "").await, Err(StoreError::Absent(_))));
    assert!(matches!(store.discard(99).await, Err(StoreError::Absent(_))));
    assert!(matches!(store.parked_aggregates(99).await, Err(StoreError::Absent(_))));
}

/// Generations, states, notes, rows, positions, parked records.
pub async fn everything_survives_a_reopening(fixture: impl Fixture) {
    let store = fixture.store();
    let first = live::<Sample>(&*store).await;
    let mut aside = write(&first, 0, 4, [Sample { maybe: Some(4), ..Sample::new("x", 1) }]);
    aside.parked.push(parked("default/Job/b", 4));
    store.write(aside).await.unwrap();
    let second = store.create(&Sample::TABLE, 2).await.unwrap();
    store.write(write(&second, 0, 2, [Sample::new("building", 1)])).await.unwrap();
    let (known, scan) = (store.generations("samples").await.unwrap(), store.scan(first.id).await.unwrap());
    drop(store);

    let fixture = fixture.reopen().await;
    let store = fixture.store();
    assert_eq!(store.generations("samples").await.unwrap(), known);
    assert_eq!(store.scan(first.id).await.unwrap(), scan);
    assert_eq!(position(&*store, &first, 0).await, (4, 40));
    assert_eq!(position(&*store, &second, 0).await, (2, 20));
    assert_eq!(get(&*store, TENANT, &key("x")).await, Some(Sample { maybe: Some(4), ..Sample::new("x", 1) }));
    assert_eq!(load(&*store, &second, &[key("building")]).await, [Some(Sample::new("building", 1))]);
    assert_eq!(store.parked(10).await.unwrap().len(), 1);
    store.write(write(&second, 2, 3, [Sample::new("building", 2)])).await.unwrap();
    assert!(matches!(store.write(write::<Sample>(&first, 0, 4, [])).await, Err(StoreError::Stale { stored: 4, .. })));
}

/// Whatever order was asked for, with doubles and gaps.
pub async fn loaded_rows_come_in_the_order_of_their_keys(fixture: impl Fixture) {
    let store = fixture.store();
    let made = generation::<Sample>(&*store).await;
    let rows: Vec<Sample> = (0..300).map(|n| Sample::new(format!("{n}"), n)).collect();
    store.write(write(&made, 0, 1, rows.clone())).await.unwrap();
    let few: Vec<_> = ["7", "none", "3", "7"].map(key).into();
    let found = load(&*store, &made, &few).await;
    assert_eq!(found, [Some(rows[7].clone()), None, Some(rows[3].clone()), Some(rows[7].clone())]);
    let many: Vec<_> = (0..600).rev().map(|n| key(&n.to_string())).collect();
    let found = load(&*store, &made, &many).await;
    let expected: Vec<_> = (0..600).rev().map(|n| rows.get(n).cloned()).collect();
    assert_eq!(found, expected);
    let raw = store.load(made.id, &[full_key::<Sample>(TENANT, &key("3"))]).await.unwrap();
    assert_eq!(raw, [Some(full(TENANT, rows[3].clone()))], "a loaded row starts with the tenant");
}
