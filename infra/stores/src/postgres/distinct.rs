//! One row per key.
//!
//! PostgreSQL refuses a statement that touches a row twice, where a store promises that the last row of a key stays.

use schemas::row::Value;
use std::{
    collections::{HashMap, hash_map::Entry},
    hash::{Hash, Hasher},
};

/// The values of a key, comparable. Kinds were compared before.
#[derive(PartialEq)]
struct Key<'a>(&'a [Value]);

impl Eq for Key<'_> {}

impl Hash for Key<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for value in self.0 {
            match value {
                Value::Null => 0_u8.hash(state),
                Value::Text(text) | Value::Json(text) => text.hash(state),
                Value::I64(number) | Value::Time(number) => number.hash(state),
                Value::F64(number) => (number + 0.0).to_bits().hash(state),
                Value::Bool(truth) => truth.hash(state),
                Value::Bytes(bytes) => bytes.hash(state),
            }
        }
    }
}

/// The last row of every key, in the order in which the keys came first. `key` values of a row are its key.
pub(super) fn last(rows: &[Vec<Value>], key: usize) -> Vec<&[Value]> {
    chosen(rows, key, |_, _| Ok::<_, ()>(())).unwrap_or_default()
}

/// One row of every key; a key that has two different ones is the error.
pub(super) fn same(rows: &[Vec<Value>], key: usize) -> Result<Vec<&[Value]>, &[Value]> {
    chosen(rows, key, |before, row| if before == row { Ok(()) } else { Err(row) })
}

fn chosen<'a, E>(
    rows: &'a [Vec<Value>],
    key: usize,
    meet: impl Fn(&'a [Value], &'a [Value]) -> Result<(), E>,
) -> Result<Vec<&'a [Value]>, E> {
    let mut places: HashMap<Key<'a>, usize> = HashMap::with_capacity(rows.len());
    let mut chosen: Vec<&'a [Value]> = Vec::with_capacity(rows.len());
    for row in rows {
        match places.entry(Key(row.get(..key).unwrap_or(row))) {
            Entry::Vacant(place) => {
                place.insert(chosen.len());
                chosen.push(row);
            }
            Entry::Occupied(place) => {
                meet(chosen[*place.get()], row)?;
                chosen[*place.get()] = row;
            }
        }
    }
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(key: &str, value: i64) -> Vec<Value> {
        vec![Value::Text(key.into()), Value::F64(-0.0), Value::I64(value)]
    }

    #[test]
    fn the_last_row_of_a_key_stays() {
        let mut rows = vec![row("a", 1), row("b", 2), row("a", 3)];
        rows.push(vec![Value::Text("a".into()), Value::F64(0.0), Value::I64(4)]);
        assert_eq!(last(&rows, 2), [rows[3].as_slice(), &rows[1]]);
    }

    #[test]
    fn two_different_rows_of_a_key_are_told() {
        let rows = [row("a", 1), row("b", 2), row("a", 1)];
        assert_eq!(same(&rows, 2), Ok(vec![rows[0].as_slice(), &rows[1]]));
        let rows = [row("a", 1), row("b", 2), row("a", 2)];
        assert_eq!(same(&rows, 2), Err(rows[2].as_slice()));
    }
}
