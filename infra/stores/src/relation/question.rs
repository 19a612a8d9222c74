//! SQL of a [`Query`]: filters, a total order, and the place in it from which on.
//!
//! Names come from the table's definition only, values are bound. Its shape alone decides the text, so that prepared
//! statements are found again.

use super::{
    Relation,
    definition::{StoredColumn, holds_nul, is_of, kind_name},
    view::View,
};
use crate::{
    Direction, Operator, Query, StoreError,
    ddl::{Dialect, TENANT, quoted},
};
use schemas::row::{Kind, Value};
use std::{fmt::Write, sync::Arc};

/// A question that can be asked.
pub(crate) struct Question {
    pub(crate) sql: String,
    /// The values of its parameters.
    pub(crate) values: Vec<Value>,
    pub(crate) view: Arc<View>,
    dialect: Dialect,
}

/// A column of the order.
struct Step<'q> {
    column: String,
    nullable: bool,
    direction: Direction,
    /// The value of the row behind which to go on.
    after: Option<&'q Value>,
}

impl Question {
    pub(crate) fn of(held: &Relation, query: &Query) -> Result<Self, StoreError> {
        let view = held.view(&query.table)?;
        let mut question = Self { sql: String::with_capacity(512), values: Vec::new(), view, dialect: held.dialect };
        let _ = write!(question.sql, "SELECT {} FROM {} WHERE ", question.view.select, quoted(&held.table));
        let tenant = question.bound(&quoted(TENANT), "=", &Value::Text(query.tenant.clone()));
        question.sql.push_str(&tenant);
        if let Some(condition) = held.dialect.only_if_live(held.id) {
            let _ = write!(question.sql, " AND {condition}");
        }
        for filter in &query.filters {
            let column = searchable(held, filter.column)?;
            fitting(held, column, &filter.value)?;
            question.sql.push_str(" AND ");
            question.filter(&quoted(&column.name), filter.operator, &filter.value);
        }
        let order = total_order(held, query)?;
        if query.after.is_some() {
            question.sql.push_str(" AND ");
            question.behind(&order);
        }
        let order: Vec<String> =
            order.iter().map(|step| held.dialect.ordered(&step.column, step.nullable, step.direction)).collect();
        let limit = question.mark(&Value::I64(i64::try_from(query.limit).unwrap_or(i64::MAX)));
        let _ = write!(question.sql, " ORDER BY {} LIMIT {limit}", order.join(", "));
        Ok(question)
    }

    fn filter(&mut self, column: &str, operator: Operator, value: &Value) {
        let sql = match (operator, value) {
            (Operator::Equal | Operator::AtMost, Value::Null) => format!("{column} IS NULL"),
            (Operator::Above, Value::Null) => format!("{column} IS NOT NULL"),
            (Operator::Equal, _) => self.bound(column, "=", value),
            (Operator::AtMost, _) => format!("({} OR {column} IS NULL)", self.bound(column, "<=", value)),
            (Operator::Above, _) => self.bound(column, ">", value),
        };
        self.sql.push_str(&sql);
    }

    /// A comparison with a value, which becomes the next parameter.
    fn bound(&mut self, column: &str, comparison: &str, value: &Value) -> String {
        format!("{column} {comparison} {}", self.mark(value))
    }

    /// The mark of the next parameter. Marks enter the text in the order in which they are made.
    fn mark(&mut self, value: &Value) -> String {
        self.values.push(value.clone());
        self.dialect.mark(self.values.len())
    }

    /// The rows behind a place in the order.
    fn behind(&mut self, order: &[Step<'_>]) {
        let one_way = order.iter().all(|step| step.direction == order[0].direction && !step.nullable);
        if one_way {
            // One comparison of rows, which can be looked up in an index.
            let columns: Vec<&str> = order.iter().map(|step| step.column.as_str()).collect();
            let comparison = if order[0].direction == Direction::Ascending { ">" } else { "<" };
            let marks: Vec<String> = order.iter().filter_map(|step| Some(self.mark(step.after?))).collect();
            let _ = write!(self.sql, "({}) {comparison} ({})", columns.join(", "), marks.join(", "));
            return;
        }
        // The first column alone bounds the search; the rest decides among equals.
        if let [Step { column, nullable, direction, after: Some(value) }, ..] = order
            && **value != Value::Null
            && (*direction == Direction::Ascending || !nullable)
        {
            let comparison = if *direction == Direction::Ascending { ">=" } else { "<=" };
            let bound = self.bound(column, comparison, value);
            let _ = write!(self.sql, "{bound} AND ");
        }
        self.behind_by(order);
    }

    fn behind_by(&mut self, order: &[Step<'_>]) {
        let [step, rest @ ..] = order else { return self.sql.push_str("FALSE") };
        let (column, value) = (&step.column, step.after.unwrap_or(&Value::Null));
        let strictly = match (step.direction, value) {
            (Direction::Ascending, Value::Null) => format!("{column} IS NOT NULL"),
            (Direction::Ascending, _) => self.bound(column, ">", value),
            (Direction::Descending, Value::Null) => "FALSE".to_owned(),
            (Direction::Descending, _) if step.nullable => format!("({} OR {column} IS NULL)", self.bound(column, "<", value)),
            (Direction::Descending, _) => self.bound(column, "<", value),
        };
        let _ = write!(self.sql, "({strictly}");
        if !rest.is_empty() {
            let same = match value {
                Value::Null => format!("{column} IS NULL"),
                _ => self.bound(column, "=", value),
            };
            let _ = write!(self.sql, " OR ({same} AND ");
            self.behind_by(rest);
            self.sql.push(')');
        }
        self.sql.push(')');
    }
}

/// The order's columns, then those of the key that it lacks.
fn total_order<'q>(held: &Relation, query: &'q Query) -> Result<Vec<Step<'q>>, StoreError> {
    let key = held.definition.key_columns();
    let columns = query.order.len() + key.len();
    let after = query.after.as_deref();
    if after.is_some_and(|after| after.len() != columns) {
        return Err(unfit_cursor(held));
    }
    let last = query.order.last().map_or(Direction::Ascending, |(_, direction)| *direction);
    let key = key.iter().map(|column| (column.name.as_str(), last));
    let mut order: Vec<Step<'q>> = Vec::with_capacity(columns);
    for (place, (name, direction)) in query.order.iter().copied().chain(key).enumerate() {
        let stored = searchable(held, name)?;
        let after = after.and_then(|after| after.get(place));
        if let Some(value) = after {
            let absent = *value == Value::Null && stored.nullable;
            if !absent && (!is_of(stored.kind, value) || is_nan(value) || holds_nul(value)) {
                return Err(unfit_cursor(held));
            }
        }
        let column = quoted(name);
        if order.iter().all(|step| step.column != column) {
            order.push(Step { column, nullable: stored.nullable, direction, after });
        }
    }
    Ok(order)
}

fn searchable<'h>(held: &'h Relation, name: &str) -> Result<&'h StoredColumn, StoreError> {
    match held.definition.column(name) {
        Some(column) if column.kind == Kind::Bytes => {
            Err(StoreError::Absent(format!("column {name} of read model {} cannot be searched or ordered by", held.name)))
        }
        Some(column) => Ok(column),
        None => Err(StoreError::Absent(format!("read model {} has no column {name}", held.name))),
    }
}

fn fitting(held: &Relation, column: &StoredColumn, value: &Value) -> Result<(), StoreError> {
    if *value == Value::Null || is_of(column.kind, value) && !is_nan(value) && !holds_nul(value) {
        return Ok(());
    }
    let (name, kind) = (&column.name, kind_name(column.kind));
    Err(StoreError::Absent(format!(
        "column {name} of read model {} compares with values of kind {kind} without U+0000 only",
        held.name
    )))
}

/// Whether `key` (without the tenant) can be the key of a row.
pub(crate) fn fitting_key(held: &Relation, key: &[Value]) -> Result<(), StoreError> {
    let columns = held.definition.key_columns();
    let fits = |(column, value): (&StoredColumn, &Value)| is_of(column.kind, value) && !holds_nul(value);
    if columns.len() == key.len() && columns.iter().zip(key).all(fits) {
        return Ok(());
    }
    let kinds: Vec<&str> = columns.iter().map(|column| kind_name(column.kind)).collect();
    Err(StoreError::Absent(format!("a key of read model {} is of kind {}", held.name, kinds.join(", "))))
}

fn is_nan(value: &Value) -> bool {
    matches!(value, Value::F64(number) if number.is_nan())
}

fn unfit_cursor(held: &Relation) -> StoreError {
    StoreError::Absent(format!("the cursor does not fit this order of read model {}: begin with the first page", held.name))
}
