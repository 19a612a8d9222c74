//! Values on their way into and out of SQLite.

use rusqlite::{
    CachedStatement, Error, Row, ToSql,
    types::{FromSqlError, ToSqlOutput, ValueRef},
};
use schemas::row::{Kind, Value};

/// A value of the port, bound without a copy of ours.
pub(super) struct Bound<'a>(pub &'a Value);

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self.0 {
            Value::Null => ValueRef::Null,
            Value::Text(text) | Value::Json(text) => ValueRef::Text(text.as_bytes()),
            Value::I64(number) | Value::Time(number) => ValueRef::Integer(*number),
            Value::F64(number) => ValueRef::Real(number + 0.0),
            Value::Bool(truth) => ValueRef::Integer((*truth).into()),
            Value::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// Binds `values` from the parameter `first` (counted from 1) on; answers the next free one.
pub(super) fn bind<'a>(
    statement: &mut CachedStatement<'_>,
    first: usize,
    values: impl IntoIterator<Item = &'a Value>,
) -> rusqlite::Result<usize> {
    let mut place = first;
    for value in values {
        statement.raw_bind_parameter(place, Bound(value))?;
        place += 1;
    }
    Ok(place)
}

/// The values of a row, of these kinds.
pub(super) fn read(row: &Row<'_>, kinds: &[Kind]) -> rusqlite::Result<Vec<Value>> {
    kinds.iter().enumerate().map(|(place, kind)| read_one(place, *kind, row.get_ref(place)?)).collect()
}

fn read_one(place: usize, kind: Kind, stored: ValueRef<'_>) -> rusqlite::Result<Value> {
    let text = |bytes: &[u8]| {
        String::from_utf8(bytes.to_vec())
            .map_err(|error| Error::FromSqlConversionFailure(place, stored.data_type(), Box::new(error)))
    };
    Ok(match (kind, stored) {
        (_, ValueRef::Null) => Value::Null,
        (Kind::Text, ValueRef::Text(bytes)) => Value::Text(text(bytes)?),
        (Kind::Json, ValueRef::Text(bytes)) => Value::Json(text(bytes)?),
        (Kind::I64, ValueRef::Integer(number)) => Value::I64(number),
        (Kind::Time, ValueRef::Integer(number)) => Value::Time(number),
        (Kind::F64, ValueRef::Real(number)) => Value::F64(number),
        (Kind::Bool, ValueRef::Integer(number)) => Value::Bool(number != 0),
        (Kind::Bytes, ValueRef::Blob(bytes)) => Value::Bytes(bytes.to_vec()),
        (_, other) => {
            return Err(Error::FromSqlConversionFailure(place, other.data_type(), Box::new(FromSqlError::InvalidType)));
        }
    })
}
