//! The read models that people may list, and what they may filter and order by.
//!
//! Derived from the registry of projections: the key and every indexed column. What else a collection offers, or that a
//! read model is no collection at all, is said here and nowhere else.

use schemas::{
    AnyProjection,
    row::{Column, Kind, Table},
};
use std::sync::LazyLock;

/// Read models that serve other routes and are no collections.
const INTERNAL: &[&str] = &["history", "job_queue"];
/// Columns to filter by beyond the key and the indexes.
const FILTERS: &[(&str, &str)] = &[("jobs", "kind"), ("jobs", "worker"), ("commands", "state")];
/// Columns to order by beyond the key.
const ORDERS: &[(&str, &str)] = &[("jobs", "submitted_at"), ("commands", "accepted_at")];

/// A list of rows.
pub(crate) struct Collection {
    /// The read model behind it.
    pub projection: &'static dyn AnyProjection,
    /// Its table.
    pub table: Table,
    /// Columns to filter by.
    pub filters: Vec<Column>,
    /// Columns to order by; the first of the key is the order of a list that names none.
    pub orders: Vec<Column>,
    /// Whether a row says in `seq` which event it was last changed by.
    pub versioned: bool,
}

impl Collection {
    fn of(projection: &'static dyn AnyProjection) -> Self {
        let table = projection.table();
        let named = |list: &[(&str, &str)], column: &Column| list.contains(&(table.name, column.name));
        let key = &table.columns[..table.key.min(table.columns.len())];
        let indexed = |column: &Column| table.indexes.iter().any(|index| index.contains(&column.name));
        let filterable = |column: &&Column| !matches!(column.kind, Kind::Json | Kind::Bytes | Kind::F64);
        let filters = table.columns.iter().filter(filterable);
        Self {
            projection,
            filters: filters
                .filter(|column| key.contains(column) || indexed(column) || named(FILTERS, column))
                .copied()
                .collect(),
            orders: table.columns.iter().filter(|column| key.contains(column) || named(ORDERS, column)).copied().collect(),
            versioned: table.columns.iter().any(|column| column.name == "seq" && !column.nullable),
            table,
        }
    }

    /// Its name, as in the path.
    pub fn name(&self) -> &'static str {
        self.table.name
    }

    /// The columns of its key.
    pub fn key(&self) -> &'static [Column] {
        &self.table.columns[..self.table.key.min(self.table.columns.len())]
    }
}

/// Every collection.
pub(crate) fn all() -> &'static [Collection] {
    static ALL: LazyLock<Vec<Collection>> = LazyLock::new(|| {
        let public = projections::all().iter().copied().filter(|projection| !INTERNAL.contains(&projection.name()));
        public.map(Collection::of).collect()
    });
    &ALL
}

/// The collection called `name`.
pub(crate) fn find(name: &str) -> Option<&'static Collection> {
    all().iter().find(|collection| collection.name() == name)
}

/// Where an aggregate is read, if one of the collections holds its type: `job` in `jobs`.
pub(crate) fn of_aggregate(aggregate_type: &str) -> Option<&'static Collection> {
    all().iter().find(|collection| collection.name().strip_suffix('s') == Some(aggregate_type))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn names(columns: &[Column]) -> Vec<&'static str> {
        columns.iter().map(|column| column.name).collect()
    }

    #[test]
    fn jobs_and_commands_are_collections_and_inner_tables_are_not() {
        let jobs = of_aggregate("job").unwrap();
        assert_eq!(jobs.name(), "jobs");
        for filter in ["job_id", "queue", "status", "kind"] {
            assert!(names(&jobs.filters).contains(&filter), "{filter}");
        }
        assert_eq!(names(&jobs.orders), ["job_id", "submitted_at"]);
        assert!(jobs.versioned);
        assert!(find("commands").is_some());
        assert!(find("history").is_none() && find("job_queue").is_none());
    }

    #[test]
    fn every_extra_names_a_column_that_exists() {
        for (table, column) in FILTERS.iter().chain(ORDERS) {
            assert!(find(table).unwrap().table.columns.iter().any(|known| known.name == *column), "{table}.{column}");
        }
    }
}
