//! The tables, described beside the types of their rows.
//!
//! The sorting key of a table is the identity of its rows: a row that comes twice is merged, and queries of strangers
//! see it once even before. The main defence against doubles stands before that: the deduplication token of an insert,
//! which the engine remembers for the last [`DEDUPLICATION_WINDOW`] inserts into a table.

mod events;
mod parked;
mod run_metrics;

pub use events::EventRow;
pub use parked::ParkedRow;
pub use run_metrics::MetricRow;

/// The database of the engine in the process. A server's may have another name.
pub const DATABASE: &str = "swarmlog";

/// How many insert tokens the engine remembers for each table.
pub const DEDUPLICATION_WINDOW: u32 = 10_000;

/// A column.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// Its type, as ClickHouse spells it.
    pub kind: &'static str,
    /// What it holds.
    pub comment: &'static str,
}

/// A table.
#[derive(Debug, Clone, Copy)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// What a row is.
    pub comment: &'static str,
    /// Its columns.
    pub columns: &'static [Column],
    /// The expression whose values share parts.
    pub partition_by: &'static str,
    /// The sorting key, which identifies a row.
    pub order_by: &'static str,
    /// The column whose greatest value wins among rows of one identity, if that matters.
    pub version: Option<&'static str>,
}

impl Table {
    /// The statement that makes the table in a database where it is missing.
    pub fn ddl(&self, database: &str) -> String {
        let columns: Vec<String> =
            self.columns.iter().map(|c| format!("    {} {} COMMENT '{}'", c.name, c.kind, c.comment)).collect();
        format!(
            "CREATE TABLE IF NOT EXISTS {database}.{} (\n{}\n)\nENGINE = ReplacingMergeTree({})\nPARTITION BY {}\nORDER BY {}\n\
             SETTINGS non_replicated_deduplication_window = {DEDUPLICATION_WINDOW}\nCOMMENT '{}'",
            self.name,
            columns.join(",\n"),
            self.version.unwrap_or_default(),
            self.partition_by,
            self.order_by,
            self.comment,
        )
    }
}

/// Every table.
pub const ALL: [&Table; 3] = [&events::TABLE, &run_metrics::TABLE, &parked::TABLE];

/// Shorthand for the descriptions.
const fn column(name: &'static str, kind: &'static str, comment: &'static str) -> Column {
    Column { name, kind, comment }
}

/// A type of few different values.
const FEW: &str = "LowCardinality(String)";
/// A type of texts that differ.
const TEXT: &str = "String";
/// Microseconds since 1970 UTC.
const TIME: &str = "DateTime64(6, 'UTC')";

#[cfg(test)]
mod tests {
    use super::*;
    use clickhouse::Row;

    #[test]
    fn the_types_of_the_rows_are_the_columns_of_the_tables() {
        let names = |table: usize| ALL[table].columns.iter().map(|column| column.name).collect::<Vec<_>>();
        assert_eq!(names(0), EventRow::COLUMN_NAMES);
        assert_eq!(names(1), MetricRow::COLUMN_NAMES);
        assert_eq!(names(2), ParkedRow::COLUMN_NAMES);
    }
}
