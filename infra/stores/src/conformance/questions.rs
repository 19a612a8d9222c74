//! Queries: what they choose, and what they refuse.

use super::{Fixture, sample::*};
use crate::{Direction, Filter, Operator, Query, Store, StoreError};
use schemas::row::{Json, Time, Value};

fn is(column: &'static str, operator: Operator, value: Value) -> Filter {
    Filter { column, operator, value }
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

async fn chosen(store: &dyn Store, filters: Vec<Filter>) -> Vec<String> {
    ids(store, &query::<Sample>(filters, &[("rank", Direction::Ascending)], 100)).await
}

/// Every operator over every kind, alone and together.
pub async fn filters_choose_rows(fixture: impl Fixture) {
    let store = fixture.store();
    let made = live::<Sample>(&*store).await;
    let row = |id: &str, rank: i64| Sample {
        group: if rank < 3 { "low".into() } else { "high".into() },
        weight: rank as f64 / 2.0,
        done: rank == 2,
        config: Json(format!("{rank}")),
        at: Time(rank),
        ..Sample::new(id, rank)
    };
    store.write(write(&made, 0, 1, [row("a", 1), row("b", 2), row("c", 3), row("d", 4)])).await.unwrap();
    use Operator::{Above, AtMost, Equal};
    let cases: [(Vec<Filter>, &[&str]); 14] = [
        (vec![], &["a", "b", "c", "d"]),
        (vec![is("group", Equal, text("low"))], &["a", "b"]),
        (vec![is("rank", AtMost, Value::I64(3))], &["a", "b", "c"]),
        (vec![is("rank", Above, Value::I64(3))], &["d"]),
        (vec![is("rank", Above, Value::I64(1)), is("rank", AtMost, Value::I64(3))], &["b", "c"]),
        (vec![is("weight", Equal, Value::F64(1.5))], &["c"]),
        (vec![is("weight", Above, Value::F64(f64::NEG_INFINITY))], &["a", "b", "c", "d"]),
        (vec![is("done", Equal, Value::Bool(true))], &["b"]),
        (vec![is("done", AtMost, Value::Bool(false))], &["a", "c", "d"]),
        (vec![is("at", Above, Value::Time(2))], &["c", "d"]),
        (vec![is("config", Equal, Value::Json("4".into()))], &["d"]),
        (vec![is("id", Equal, text("c"))], &["c"]),
        (vec![is("group", Equal, text("high")), is("rank", AtMost, Value::I64(3))], &["c"]),
        (vec![is("group", Equal, text("high")), is("rank", AtMost, Value::I64(2))], &[]),
    ];
    for (filters, expected) in cases {
        assert_eq!(chosen(&*store, filters.clone()).await, expected, "{filters:?}");
    }
}

/// As in the order.
pub async fn filters_take_absent_values_as_the_smallest(fixture: impl Fixture) {
    let store = fixture.store();
    let made = live::<Sample>(&*store).await;
    let row = |id: &str, rank: i64, maybe| Sample { maybe, ..Sample::new(id, rank) };
    store.write(write(&made, 0, 1, [row("none", 1, None), row("min", 2, Some(i64::MIN)), row("two", 3, Some(2))])).await.unwrap();
    use Operator::{Above, AtMost, Equal};
    let cases: [(Operator, Value, &[&str]); 7] = [
        (Equal, Value::Null, &["none"]),
        (AtMost, Value::Null, &["none"]),
        (Above, Value::Null, &["min", "two"]),
        (Equal, Value::I64(2), &["two"]),
        (AtMost, Value::I64(i64::MIN), &["none", "min"]),
        (AtMost, Value::I64(2), &["none", "min", "two"]),
        (Above, Value::I64(i64::MIN), &["two"]),
    ];
    for (operator, value, expected) in cases {
        assert_eq!(chosen(&*store, vec![is("maybe", operator, value.clone())]).await, expected, "{operator:?} {value:?}");
    }
    assert!(chosen(&*store, vec![is("group", Equal, Value::Null)]).await.is_empty());
}

/// No collation: bytes.
pub async fn text_compares_bytewise(fixture: impl Fixture) {
    let store = fixture.store();
    let made = live::<Sample>(&*store).await;
    let sorted = ["", "A", "B", "a", "aa", "a\u{1}", "b", "ä", "ﬀ", "😀"];
    let mut bytewise = sorted.to_vec();
    bytewise.sort_unstable();
    let rows = sorted.iter().rev().map(|id| Sample::new(*id, 0));
    store.write(write(&made, 0, 1, rows)).await.unwrap();
    assert_eq!(ids(&*store, &query::<Sample>(vec![], &[], 100)).await, bytewise);
    let above = query::<Sample>(vec![is("id", Operator::Above, text("b"))], &[("id", Direction::Descending)], 100);
    assert_eq!(ids(&*store, &above).await, ["😀", "ﬀ", "ä"]);
}

/// At most so many.
pub async fn a_limit_cuts_and_nought_is_nothing(fixture: impl Fixture) {
    let store = fixture.store();
    let made = live::<Sample>(&*store).await;
    store.write(write(&made, 0, 1, (0..1_000).map(|n| Sample::new(format!("{n:04}"), n)))).await.unwrap();
    for limit in [0, 1, 255, 256, 257, 999, 1_000, 1_001, usize::MAX] {
        let found = ids(&*store, &query::<Sample>(vec![], &[("rank", Direction::Descending)], limit)).await;
        assert_eq!(found.len(), limit.min(1_000));
        assert_eq!(found.first().map(String::as_str), (limit > 0).then_some("0999"));
    }
}

/// Names come from the table only.
pub async fn unknown_columns_are_refused(fixture: impl Fixture) {
    let store = fixture.store();
    live::<Sample>(&*store).await;
    for column in ["nothing", "tenant", "", "rank\" = 1 OR \"rank", "rowid", "RANK", "*"] {
        let by = query::<Sample>(vec![is(column, Operator::Equal, Value::I64(1))], &[], 1);
        assert!(matches!(store.query(&by).await, Err(StoreError::Absent(_))), "filter by {column:?}");
        let by = query::<Sample>(vec![], &[(column, Direction::Ascending)], 1);
        assert!(matches!(store.query(&by).await, Err(StoreError::Absent(_))), "order by {column:?}");
    }
    live::<Record>(&*store).await;
    let by = query::<Record>(vec![is("payload", Operator::Equal, Value::Bytes(vec![]))], &[], 1);
    assert!(matches!(store.query(&by).await, Err(StoreError::Absent(_))), "bytes have no filter");
    let by = query::<Record>(vec![], &[("payload", Direction::Ascending)], 1);
    assert!(matches!(store.query(&by).await, Err(StoreError::Absent(_))), "nor an order");
}

/// A comparison of unlike things would answer something in SQL.
pub async fn values_of_another_kind_are_refused(fixture: impl Fixture) {
    let store = fixture.store();
    live::<Sample>(&*store).await;
    for (column, value) in [
        ("rank", text("1")),
        ("rank", Value::F64(1.0)),
        ("id", Value::I64(1)),
        ("id", Value::Json("1".into())),
        ("done", Value::I64(1)),
        ("at", Value::I64(1)),
        ("weight", Value::F64(f64::NAN)),
    ] {
        let by = query::<Sample>(vec![is(column, Operator::AtMost, value.clone())], &[], 1);
        assert!(matches!(store.query(&by).await, Err(StoreError::Absent(_))), "{column} {value:?}");
    }
    use schemas::Row;
    for key in [vec![], vec![text("x")], vec![text("x"), text("y")], vec![text("x"), Value::Null]] {
        assert!(matches!(store.get(&Sample::TABLE, TENANT, &key).await, Err(StoreError::Absent(_))), "{key:?}");
    }
}

/// A cursor is the caller's word and may be anything.
pub async fn a_cursor_of_another_order_is_refused(fixture: impl Fixture) {
    let store = fixture.store();
    live::<Sample>(&*store).await;
    let after =
        |after: Vec<Value>| Query { after: Some(after), ..query::<Sample>(vec![], &[("rank", Direction::Descending)], 5) };
    assert!(store.query(&after(vec![Value::I64(1), text("x"), Value::I64(0)])).await.unwrap().is_empty());
    for cursor in [
        vec![],
        vec![Value::I64(1)],
        vec![Value::I64(1), text("x")],
        vec![text("1"), text("x"), Value::I64(0)],
        vec![Value::Null, text("x"), Value::I64(0)],
        vec![Value::I64(1), text("x"), Value::I64(0), Value::I64(0)],
    ] {
        assert!(matches!(store.query(&after(cursor.clone())).await, Err(StoreError::Absent(_))), "{cursor:?}");
    }
}

/// Values are bound.
pub async fn no_value_becomes_sql(fixture: impl Fixture) {
    let store = fixture.store();
    let made = live::<Sample>(&*store).await;
    let nasty = "x' OR '1'='1'; DROP TABLE generations; --";
    store.write(write(&made, 0, 1, [Sample::new("x", 1), Sample::new(nasty, 2)])).await.unwrap();
    assert_eq!(chosen(&*store, vec![is("id", Operator::Equal, text(nasty))]).await, [nasty]);
    assert_eq!(get(&*store, TENANT, &key(nasty)).await, Some(Sample::new(nasty, 2)));
    assert_eq!(get::<Sample>(&*store, nasty, &key("x")).await, None);
    assert!(chosen(&*store, vec![is("group", Operator::Equal, text(nasty))]).await.is_empty());
}

/// The same key under two tenants is two rows, and nobody sees the other's.
pub async fn tenants_do_not_see_each_other(fixture: impl Fixture) {
    let store = fixture.store();
    let made = live::<Sample>(&*store).await;
    let mut both = write(&made, 0, 1, [Sample::new("x", 1), Sample::new("mine", 1)]);
    both.upserts.push(full("other", Sample::new("x", 2)));
    both.upserts.push(full("other", Sample::new("theirs", 2)));
    both.upserts.push(full("", Sample::new("nobody's", 3)));
    store.write(both).await.unwrap();
    assert_eq!(get(&*store, TENANT, &key("x")).await, Some(Sample::new("x", 1)));
    assert_eq!(get(&*store, "other", &key("x")).await, Some(Sample::new("x", 2)));
    assert_eq!(get::<Sample>(&*store, TENANT, &key("theirs")).await, None);
    for order in [vec![], vec![("rank", Direction::Ascending)], vec![("maybe", Direction::Descending)]] {
        let mut asked = query::<Sample>(vec![], &order, 100);
        assert_eq!(ids(&*store, &asked).await.len(), 2, "{order:?}");
        asked.tenant = "other".into();
        let found = ids(&*store, &asked).await;
        assert!(found.contains(&"theirs".to_owned()) && found.len() == 2, "{found:?}");
        asked.tenant = "third".into();
        assert!(ids(&*store, &asked).await.is_empty());
    }
    assert_eq!(store.scan(made.id).await.unwrap().rows, 5);
}
