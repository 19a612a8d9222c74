//! Cursors: page by page, every row once, whatever the order.

use super::{Fixture, model, sample::*};
use crate::{Direction, Filter, Operator, Query, Store, Write};
use proptest::{prelude::*, test_runner::TestRunner};
use schemas::{
    Row,
    row::{Json, Time, Value},
};

/// Rows with many equal and absent values.
fn rows() -> impl Strategy<Value = Vec<Sample>> {
    let row = (
        ("[a-cä]{0,2}", 0..3_i64, "[ab]", 0..3_i64),
        (prop::sample::select(vec![-1.5, 0.0, 2.0]), any::<bool>(), 0..3_i64),
        (
            prop::option::of(prop::sample::select(vec![i64::MIN, -1, 0, i64::MAX])),
            prop::option::of("[ab]{0,1}"),
            prop::option::of(prop::sample::select(vec![-1.0, 0.0, f64::INFINITY])),
            prop::option::of(any::<bool>()),
            prop::option::of(0..2_i64),
            prop::option::of("[12]"),
        ),
    );
    let row = row.prop_map(|((id, part, group, rank), (weight, done, at), (maybe, name, share, open, until, result))| Sample {
        id,
        part,
        group,
        rank,
        weight,
        done,
        at: Time(at),
        config: Json("{}".into()),
        maybe,
        name,
        share,
        open,
        until: until.map(Time),
        result: result.map(Json),
    });
    prop::collection::vec(row, 0..40)
}

fn orders() -> impl Strategy<Value = Vec<(&'static str, Direction)>> {
    let columns: Vec<&str> = Sample::TABLE.columns.iter().map(|column| column.name).collect();
    let direction = prop::sample::select(vec![Direction::Ascending, Direction::Descending]);
    prop::collection::vec((prop::sample::select(columns), direction), 0..4)
}

fn filters() -> impl Strategy<Value = Vec<Filter>> {
    let operator = prop::sample::select(vec![Operator::Equal, Operator::AtMost, Operator::Above]);
    let compared = prop::sample::select(vec![
        ("rank", Value::I64(1)),
        ("group", Value::Text("a".into())),
        ("maybe", Value::Null),
        ("maybe", Value::I64(-1)),
        ("name", Value::Text("a".into())),
        ("open", Value::Bool(false)),
        ("id", Value::Text("b".into())),
    ]);
    let filter = (compared, operator).prop_map(|((column, value), operator)| Filter { column, operator, value });
    prop::collection::vec(filter, 0..3)
}

/// Walks with pages of every size give what the model gives at once.
pub async fn a_cursor_visits_every_row_once_in_every_order(fixture: impl Fixture) {
    let store = fixture.store();
    let made = live::<Sample>(&*store).await;
    // A tenant of its own for every table keeps the tables apart without making new ones.
    let mut tables = 0_u64;
    let runtime = tokio::runtime::Handle::current();
    tokio::task::block_in_place(|| {
        let mut runner = TestRunner::new(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() });
        let tables = std::cell::RefCell::new(&mut tables);
        let questions = prop::collection::vec((orders(), filters(), 1..9_usize), 1..6);
        runner
            .run(&(rows(), questions), |(rows, questions)| {
                let number = {
                    let mut tables = tables.borrow_mut();
                    **tables += 1;
                    **tables
                };
                let tenant = format!("tenant {number}");
                let write = Write {
                    generation: made.id,
                    advance: vec![step(0, number - 1, number)],
                    upserts: rows.iter().map(|row| full(&tenant, row.clone())).collect(),
                    ..Write::default()
                };
                let mut stored = std::collections::BTreeMap::new();
                stored.extend(rows.into_iter().map(|row| (row.key(), row.into_values())));
                let stored: Vec<Vec<Value>> = stored.into_values().collect();
                runtime.block_on(async {
                    store.write(write).await.unwrap();
                    for (order, filters, limit) in questions {
                        let query = Query { tenant: tenant.clone(), ..query::<Sample>(filters, &order, limit) };
                        prop_assert_eq!(walk(&*store, query.clone()).await, model::answer(&stored, &query));
                    }
                    Ok(())
                })
            })
            .unwrap();
    });
}

async fn walk(store: &dyn Store, mut query: Query) -> Vec<Vec<Value>> {
    let mut seen = Vec::new();
    loop {
        let page = store.query(&query).await.unwrap();
        assert!(page.len() <= query.limit);
        let Some(last) = page.last() else { return seen };
        query.after = Some(model::cursor(&query, last));
        seen.extend(page);
        assert!(seen.len() <= 1_000, "the walk does not end");
    }
}
