//! The statements that make a table, from its typed definition.
//!
//! Enters: a [`Table`] and the name of the physical table. Leaves: statements of a dialect, the table's first. Promised:
//! the tenant is the first column, the first of the key and of every index, so that no index serves two tenants at
//! once; every index ends with the key, so that a total order needs no sort. Not done: changing a table. A new version
//! is a new table.

use schemas::row::{Column, Kind, Table};

/// The column that the host puts before the first.
pub const TENANT: &str = "tenant";

/// Whose SQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// SQLite 3.37 or later, with strict tables.
    Sqlite,
}

impl Dialect {
    /// The statements that make `table` under the name `physical`.
    pub fn create(self, table: &Table, physical: &str) -> Vec<String> {
        let mut columns = vec![format!("  {} {} NOT NULL", quoted(TENANT), self.kind(Kind::Text))];
        columns.extend(table.columns.iter().map(|column| self.column(column)));
        let key = list([TENANT].into_iter().chain(key_of(table)));
        columns.push(format!("  PRIMARY KEY ({key})"));
        let mut statements =
            vec![format!("CREATE TABLE {} (\n{}\n) {}", quoted(physical), columns.join(",\n"), self.options(table))];
        for (number, index) in table.indexes.iter().enumerate() {
            let rest = key_of(table).filter(|column| !index.contains(column));
            let columns = list([TENANT].into_iter().chain(index.iter().copied()).chain(rest));
            let name = quoted(&format!("{physical}_{}", number + 1));
            statements.push(format!("CREATE INDEX {name} ON {} ({columns})", quoted(physical)));
        }
        statements
    }

    fn column(self, column: &Column) -> String {
        let absence = if column.nullable { "" } else { " NOT NULL" };
        format!("  {} {}{absence}", quoted(column.name), self.kind(column.kind))
    }

    fn kind(self, kind: Kind) -> &'static str {
        match (self, kind) {
            (Self::Sqlite, Kind::Text | Kind::Json) => "TEXT",
            (Self::Sqlite, Kind::I64 | Kind::Bool | Kind::Time) => "INTEGER",
            (Self::Sqlite, Kind::F64) => "REAL",
            (Self::Sqlite, Kind::Bytes) => "BLOB",
        }
    }

    fn options(self, table: &Table) -> &'static str {
        // Clustered by key, a row costs one tree instead of two. That tree keeps whole rows in its inner pages too, so
        // it grows deep when rows are wide; records in their encoded form are.
        match self {
            Self::Sqlite if table.columns.iter().any(|column| column.kind == Kind::Bytes) => "STRICT",
            Self::Sqlite => "STRICT, WITHOUT ROWID",
        }
    }
}

/// An identifier in quotes. The names of columns are words of the program, never of a request.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Quoted identifiers with commas between them.
pub(crate) fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(quoted).collect::<Vec<_>>().join(", ")
}

fn key_of(table: &Table) -> impl Iterator<Item = &'static str> {
    table.columns.iter().take(table.key).map(|column| column.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::{
        Row,
        row::{Json, Time},
    };

    #[derive(Debug, Clone, PartialEq, Row)]
    #[row(table = "orders", index(group, placed_at), index(id))]
    struct Order {
        #[row(key)]
        id: String,
        #[row(key)]
        line: i64,
        group: Option<String>,
        price: f64,
        paid: bool,
        placed_at: Time,
        config: Json,
    }

    #[derive(Debug, Clone, PartialEq, Row)]
    #[row(table = "records")]
    struct Record {
        #[row(key)]
        id: String,
        payload: Vec<u8>,
    }

    #[test]
    fn a_narrow_table_is_clustered_by_tenant_and_key() {
        let statements = Dialect::Sqlite.create(&Order::TABLE, "orders_g7");
        assert_eq!(
            statements,
            [
                r#"CREATE TABLE "orders_g7" (
  "tenant" TEXT NOT NULL,
  "id" TEXT NOT NULL,
  "line" INTEGER NOT NULL,
  "group" TEXT,
  "price" REAL NOT NULL,
  "paid" INTEGER NOT NULL,
  "placed_at" INTEGER NOT NULL,
  "config" TEXT NOT NULL,
  PRIMARY KEY ("tenant", "id", "line")
) STRICT, WITHOUT ROWID"#,
                r#"CREATE INDEX "orders_g7_1" ON "orders_g7" ("tenant", "group", "placed_at", "id", "line")"#,
                r#"CREATE INDEX "orders_g7_2" ON "orders_g7" ("tenant", "id", "line")"#,
            ]
        );
    }

    #[test]
    fn a_table_of_records_is_not_clustered() {
        let statements = Dialect::Sqlite.create(&Record::TABLE, "records_g1");
        assert!(statements[0].ends_with(") STRICT"), "{}", statements[0]);
    }

    #[test]
    fn a_quote_in_a_name_stays_in_the_name() {
        assert_eq!(quoted(r#"a"b"#), r#""a""b""#);
    }
}
