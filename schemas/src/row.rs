//! Rows of read models: typed columns from which tables, binds, filters and documents derive.

use std::{fmt::Debug, hash::Hash};

pub use schemas_derive::Row;

/// The kinds of column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// UTF-8 text, sorted bytewise.
    Text,
    /// 64-bit integer.
    I64,
    /// 64-bit float.
    F64,
    /// Truth value.
    Bool,
    /// Microseconds since 1970-01-01 UTC.
    Time,
    /// JSON text.
    Json,
    /// Raw bytes of an encoded record; it has no filter.
    Bytes,
}

/// One value of a column; its variant is the column's kind, or `Null`.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Absent.
    Null,
    /// Of [`Kind::Text`].
    Text(String),
    /// Of [`Kind::I64`].
    I64(i64),
    /// Of [`Kind::F64`].
    F64(f64),
    /// Of [`Kind::Bool`].
    Bool(bool),
    /// Of [`Kind::Time`], in microseconds.
    Time(i64),
    /// Of [`Kind::Json`].
    Json(String),
    /// Of [`Kind::Bytes`].
    Bytes(Vec<u8>),
}

/// A moment in microseconds since 1970-01-01 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time(pub i64);

/// A JSON text.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Json(pub String);

/// One column of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// Whether it may be absent.
    pub nullable: bool,
}

/// A table of a read model. The host puts a column `tenant` before the first, into the key and into every index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Table {
    /// Its name, which is the name of the read model.
    pub name: &'static str,
    /// Its columns, those of the key first and in the key's order.
    pub columns: &'static [Column],
    /// How many of the columns are the key.
    pub key: usize,
    /// Further indexes, by the names of their columns.
    pub indexes: &'static [&'static [&'static str]],
}

/// A stored row that does not fit its type: the table was changed by somebody else.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("column {column} of table {table} does not hold what its type says")]
pub struct RowError {
    /// The table.
    pub table: &'static str,
    /// The column.
    pub column: &'static str,
}

/// A typed row. Derive it: `#[derive(Row)] #[row(table = "jobs", index(queue, status))]` on the struct and
/// `#[row(key)]` on the fields of the key, which come first.
pub trait Row: Clone + PartialEq + Debug + Send + Sync + 'static {
    /// The key: the type of the key field, or a tuple of them in order.
    type Key: Clone + Eq + Hash + Ord + Debug + Send + Sync + 'static;
    /// The table.
    const TABLE: Table;
    /// The key of this row.
    fn key(&self) -> Self::Key;
    /// The key as values, in the order of the columns.
    fn key_values(key: &Self::Key) -> Vec<Value>;
    /// The row as values, in the order of the columns.
    fn into_values(self) -> Vec<Value>;
    /// Reads values in the order of the columns.
    fn from_values(values: Vec<Value>) -> Result<Self, RowError>;
}

/// A Rust type that a column can hold.
pub trait ColumnType: Sized {
    /// Its kind.
    const KIND: Kind;
    /// Whether it may be absent.
    const NULLABLE: bool = false;
    /// As a value.
    fn into_value(self) -> Value;
    /// From a value; `None` if the value is of another kind.
    fn from_value(value: Value) -> Option<Self>;
}

macro_rules! column_type {
    ($rust:ty, $kind:ident, $into:expr, $from:expr) => {
        impl ColumnType for $rust {
            const KIND: Kind = Kind::$kind;
            fn into_value(self) -> Value {
                Value::$kind($into(self))
            }
            fn from_value(value: Value) -> Option<Self> {
                match value {
                    Value::$kind(inner) => Some($from(inner)),
                    _ => None,
                }
            }
        }
    };
}

column_type!(String, Text, |v| v, |v| v);
column_type!(i64, I64, |v| v, |v| v);
column_type!(f64, F64, |v| v, |v| v);
column_type!(bool, Bool, |v| v, |v| v);
column_type!(Time, Time, |v: Time| v.0, Time);
column_type!(Json, Json, |v: Json| v.0, Json);
column_type!(Vec<u8>, Bytes, |v| v, |v| v);

impl<T: ColumnType> ColumnType for Option<T> {
    const KIND: Kind = T::KIND;
    const NULLABLE: bool = true;
    fn into_value(self) -> Value {
        self.map_or(Value::Null, T::into_value)
    }
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Null => Some(None),
            other => T::from_value(other).map(Some),
        }
    }
}
