//! Values on their way into and out of PostgreSQL.
//!
//! Rows go in as one array per column (`UNNEST`) or one by one (`COPY`), and come out by the kinds of their columns.

use bytes::BytesMut;
use schemas::row::{Kind, Value};
use sqlx::{
    Postgres, Row,
    postgres::{PgArguments, PgRow},
    query::Query,
};
use std::error::Error;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

/// The values of one column of many rows.
#[derive(Debug, Clone)]
pub(super) enum Vector<'a> {
    Text(Vec<Option<&'a str>>),
    Number(Vec<Option<i64>>),
    Float(Vec<Option<f64>>),
    Truth(Vec<Option<bool>>),
    Bytes(Vec<Option<&'a [u8]>>),
}

impl<'a> Vector<'a> {
    fn of(kind: Kind, values: impl Iterator<Item = &'a Value>) -> Self {
        match kind {
            Kind::Text | Kind::Json => Self::Text(values.map(text).collect()),
            Kind::I64 | Kind::Time => Self::Number(values.map(number).collect()),
            Kind::F64 => Self::Float(values.map(float).collect()),
            Kind::Bool => Self::Truth(values.map(truth).collect()),
            Kind::Bytes => Self::Bytes(values.map(bytes).collect()),
        }
    }

    /// As a parameter of a write.
    pub(super) fn parameter(&self) -> &(dyn ToSql + Sync) {
        match self {
            Self::Text(values) => values,
            Self::Number(values) => values,
            Self::Float(values) => values,
            Self::Truth(values) => values,
            Self::Bytes(values) => values,
        }
    }

    /// As the next parameter of a question.
    pub(super) fn bind(self, question: Query<'_, Postgres, PgArguments>) -> Query<'_, Postgres, PgArguments> {
        match self {
            Self::Text(values) => question.bind(values),
            Self::Number(values) => question.bind(values),
            Self::Float(values) => question.bind(values),
            Self::Truth(values) => question.bind(values),
            Self::Bytes(values) => question.bind(values),
        }
    }
}

/// Rows of `kinds`, column by column.
pub(super) fn vectors<'a>(kinds: &[Kind], rows: &[&'a [Value]]) -> Vec<Vector<'a>> {
    let column = |(place, kind): (usize, &Kind)| Vector::of(*kind, rows.iter().filter_map(move |row| row.get(place)));
    kinds.iter().enumerate().map(column).collect()
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::Text(text) | Value::Json(text) => Some(text),
        _ => None,
    }
}

fn number(value: &Value) -> Option<i64> {
    match value {
        Value::I64(number) | Value::Time(number) => Some(*number),
        _ => None,
    }
}

fn float(value: &Value) -> Option<f64> {
    match value {
        Value::F64(number) => Some(number + 0.0),
        _ => None,
    }
}

fn truth(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(truth) => Some(*truth),
        _ => None,
    }
}

fn bytes(value: &Value) -> Option<&[u8]> {
    match value {
        Value::Bytes(bytes) => Some(bytes),
        _ => None,
    }
}

/// A value of a row that is copied.
#[derive(Debug)]
pub(super) struct Copied<'a>(pub(super) &'a Value);

impl ToSql for Copied<'_> {
    fn to_sql(&self, of: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self.0 {
            Value::Null => Ok(IsNull::Yes),
            Value::Text(text) | Value::Json(text) => text.to_sql(of, out),
            Value::I64(number) | Value::Time(number) => number.to_sql(of, out),
            Value::F64(number) => (number + 0.0).to_sql(of, out),
            Value::Bool(truth) => truth.to_sql(of, out),
            Value::Bytes(bytes) => bytes.to_sql(of, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        // The row was compared with the definition that the table was made from.
        true
    }

    to_sql_checked!();
}

/// The type of a copied column.
pub(super) fn copied_type(kind: Kind) -> Type {
    match kind {
        Kind::Text | Kind::Json => Type::TEXT,
        Kind::I64 | Kind::Time => Type::INT8,
        Kind::F64 => Type::FLOAT8,
        Kind::Bool => Type::BOOL,
        Kind::Bytes => Type::BYTEA,
    }
}

/// Binds `value` as the next parameter of a question.
pub(super) fn bind<'q>(question: Query<'q, Postgres, PgArguments>, value: &Value) -> Query<'q, Postgres, PgArguments> {
    match value {
        Value::Null => question.bind(None::<&str>),
        Value::Text(text) | Value::Json(text) => question.bind(text.as_str()),
        Value::I64(number) | Value::Time(number) => question.bind(*number),
        Value::F64(number) => question.bind(number + 0.0),
        Value::Bool(truth) => question.bind(*truth),
        Value::Bytes(bytes) => question.bind(bytes.as_slice()),
    }
}

/// The values of a row from the column `first` on, of these kinds.
pub(super) fn read(row: &PgRow, first: usize, kinds: &[Kind]) -> sqlx::Result<Vec<Value>> {
    kinds.iter().enumerate().map(|(place, kind)| read_one(row, first + place, *kind)).collect()
}

fn read_one(row: &PgRow, place: usize, kind: Kind) -> sqlx::Result<Value> {
    Ok(match kind {
        Kind::Text => row.try_get::<Option<String>, _>(place)?.map_or(Value::Null, Value::Text),
        Kind::Json => row.try_get::<Option<String>, _>(place)?.map_or(Value::Null, Value::Json),
        Kind::I64 => row.try_get::<Option<i64>, _>(place)?.map_or(Value::Null, Value::I64),
        Kind::Time => row.try_get::<Option<i64>, _>(place)?.map_or(Value::Null, Value::Time),
        Kind::F64 => row.try_get::<Option<f64>, _>(place)?.map_or(Value::Null, Value::F64),
        Kind::Bool => row.try_get::<Option<bool>, _>(place)?.map_or(Value::Null, Value::Bool),
        Kind::Bytes => row.try_get::<Option<Vec<u8>>, _>(place)?.map_or(Value::Null, Value::Bytes),
    })
}
