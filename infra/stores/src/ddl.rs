//! The statements that make a table, from its typed definition.
//!
//! Enters: a [`Table`] and the name of the physical table. Leaves: statements of a dialect, the table's first. Promised:
//! the tenant is the first column, the first of the key and of every index, so that no index serves two tenants at
//! once; every index ends with the key, so that a total order needs no sort. Not done: changing a table. A new version
//! is a new table.
//!
//! On PostgreSQL rows are the very ones that SQLite keeps, byte for byte, because checksums and cursors are compared
//! between stores. So text sorts by bytes whatever the database's locale is; a time is its microseconds in a `bigint`,
//! since a `timestamptz` ends in the year 294276 and a time of the port does not; JSON is `text`, since `jsonb` orders
//! keys anew and drops the spelling of numbers, and both JSON types refuse what a projection may have been given. Where
//! people ask the database itself, `config::jsonb` and `to_timestamp(submitted_at / 1e6)` make one of the other.

use crate::Direction;
use schemas::row::{Column, Kind, Table};

/// The column that the host puts before the first.
pub const TENANT: &str = "tenant";

/// Whose SQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// SQLite 3.37 or later, with strict tables.
    Sqlite,
    /// PostgreSQL 15 or later.
    Postgres,
}

impl Dialect {
    /// The statements that make `table` under the name `physical`.
    pub fn create(self, table: &Table, physical: &str) -> Vec<String> {
        let mut columns = vec![format!("  {} {} NOT NULL", quoted(TENANT), self.kind(Kind::Text))];
        columns.extend(table.columns.iter().map(|column| self.column(column)));
        let key = list([TENANT].into_iter().chain(key_of(table)));
        columns.push(format!("  PRIMARY KEY ({key})"));
        let mut statements = vec![format!("CREATE TABLE {} (\n{}\n){}", quoted(physical), columns.join(",\n"), self.options())];
        for (number, index) in table.indexes.iter().enumerate() {
            let rest = key_of(table).filter(|column| !index.contains(column));
            let columns = index.iter().copied().chain(rest).map(|name| {
                let nullable = table.columns.iter().any(|column| column.name == name && column.nullable);
                self.ordered(&quoted(name), nullable, Direction::Ascending)
            });
            let columns = [quoted(TENANT)].into_iter().chain(columns).collect::<Vec<_>>().join(", ");
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
            (Self::Postgres, Kind::Text | Kind::Json) => "text COLLATE \"C\"",
            (Self::Postgres, _) => self.value(kind),
        }
    }

    /// The type of a value that is bound or selected.
    pub(crate) fn value(self, kind: Kind) -> &'static str {
        match (self, kind) {
            (Self::Sqlite, _) => self.kind(kind),
            (Self::Postgres, Kind::Text | Kind::Json) => "text",
            (Self::Postgres, Kind::I64 | Kind::Time) => "bigint",
            (Self::Postgres, Kind::Bool) => "boolean",
            (Self::Postgres, Kind::F64) => "double precision",
            (Self::Postgres, Kind::Bytes) => "bytea",
        }
    }

    /// The mark of parameter `number`, counted from 1.
    pub(crate) fn mark(self, number: usize) -> String {
        match self {
            Self::Sqlite => "?".to_owned(),
            Self::Postgres => format!("${number}"),
        }
    }

    /// An absent value in place of a column of `kind`.
    pub(crate) fn null(self, kind: Kind) -> String {
        format!("CAST(NULL AS {})", self.value(kind))
    }

    /// A column of an order, in which an absent value is the smallest. PostgreSQL takes it for the largest unless told,
    /// and uses an index only if that says the same.
    pub(crate) fn ordered(self, column: &str, nullable: bool, direction: Direction) -> String {
        let absent_first = nullable && self == Self::Postgres;
        match (direction, absent_first) {
            (Direction::Ascending, false) => column.to_owned(),
            (Direction::Descending, false) => format!("{column} DESC"),
            (Direction::Ascending, true) => format!("{column} NULLS FIRST"),
            (Direction::Descending, true) => format!("{column} DESC NULLS LAST"),
        }
    }

    /// A condition that makes a question find nothing once `generation` is not live any more, where another process may
    /// have switched.
    pub(crate) fn only_if_live(self, generation: u64) -> Option<String> {
        match self {
            Self::Sqlite => None,
            Self::Postgres => Some(format!("(SELECT state FROM generations WHERE id = {generation}) = 'live'")),
        }
    }

    fn options(self) -> &'static str {
        // Not WITHOUT ROWID: rows that are made together change together and then share pages, which a key that is a
        // hash would scatter. Measured with such keys: half the work for new rows.
        match self {
            Self::Sqlite => " STRICT",
            Self::Postgres => "",
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

    #[test]
    fn the_tenant_leads_and_the_key_follows() {
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
) STRICT"#,
                r#"CREATE INDEX "orders_g7_1" ON "orders_g7" ("tenant", "group", "placed_at", "id", "line")"#,
                r#"CREATE INDEX "orders_g7_2" ON "orders_g7" ("tenant", "id", "line")"#,
            ]
        );
    }

    #[test]
    fn postgres_compares_bytes_and_puts_absent_values_first() {
        let statements = Dialect::Postgres.create(&Order::TABLE, "orders_g7");
        assert_eq!(
            statements,
            [
                r#"CREATE TABLE "orders_g7" (
  "tenant" text COLLATE "C" NOT NULL,
  "id" text COLLATE "C" NOT NULL,
  "line" bigint NOT NULL,
  "group" text COLLATE "C",
  "price" double precision NOT NULL,
  "paid" boolean NOT NULL,
  "placed_at" bigint NOT NULL,
  "config" text COLLATE "C" NOT NULL,
  PRIMARY KEY ("tenant", "id", "line")
)"#,
                r#"CREATE INDEX "orders_g7_1" ON "orders_g7" ("tenant", "group" NULLS FIRST, "placed_at", "id", "line")"#,
                r#"CREATE INDEX "orders_g7_2" ON "orders_g7" ("tenant", "id", "line")"#,
            ]
        );
    }

    #[test]
    fn a_quote_in_a_name_stays_in_the_name() {
        assert_eq!(quoted(r#"a"b"#), r#""a""b""#);
    }
}
