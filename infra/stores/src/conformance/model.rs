//! A query answered in memory, to compare with.

use crate::{Direction, Filter, Operator, Query};
use schemas::row::Value;
use std::cmp::Ordering;

/// The rows (without the tenant) that `query` finds among `rows`, without a cursor and a limit.
pub(super) fn answer(rows: &[Vec<Value>], query: &Query) -> Vec<Vec<Value>> {
    let mut found: Vec<Vec<Value>> =
        rows.iter().filter(|row| query.filters.iter().all(|filter| holds(query, row, filter))).cloned().collect();
    found.sort_by(|left, right| {
        let last = query.order.last().map_or(Direction::Ascending, |(_, direction)| *direction);
        let key = query.table.columns.iter().take(query.table.key).map(|column| (column.name, last));
        query.order.iter().copied().chain(key).fold(Ordering::Equal, |order, (column, direction)| {
            let place = place(query, column);
            let compared = compare(&left[place], &right[place]);
            order.then(if direction == Direction::Ascending { compared } else { compared.reverse() })
        })
    });
    found
}

/// The cursor behind `row`.
pub(super) fn cursor(query: &Query, row: &[Value]) -> Vec<Value> {
    let order = query.order.iter().map(|(column, _)| row[place(query, column)].clone());
    order.chain(row[..query.table.key].iter().cloned()).collect()
}

fn place(query: &Query, column: &str) -> usize {
    query.table.columns.iter().position(|known| known.name == column).unwrap()
}

fn holds(query: &Query, row: &[Value], filter: &Filter) -> bool {
    let compared = compare(&row[place(query, filter.column)], &filter.value);
    match filter.operator {
        Operator::Equal => compared == Ordering::Equal,
        Operator::AtMost => compared != Ordering::Greater,
        Operator::Above => compared == Ordering::Greater,
    }
}

/// NULL is the smallest; text compares bytewise.
fn compare(left: &Value, right: &Value) -> Ordering {
    match (left, right) {
        (Value::Null, Value::Null) => Ordering::Equal,
        (Value::Null, _) => Ordering::Less,
        (_, Value::Null) => Ordering::Greater,
        (Value::Text(left), Value::Text(right)) | (Value::Json(left), Value::Json(right)) => left.cmp(right),
        (Value::I64(left), Value::I64(right)) | (Value::Time(left), Value::Time(right)) => left.cmp(right),
        (Value::F64(left), Value::F64(right)) => left.partial_cmp(right).unwrap(),
        (Value::Bool(left), Value::Bool(right)) => left.cmp(right),
        _ => panic!("{left:?} and {right:?} do not compare"),
    }
}
