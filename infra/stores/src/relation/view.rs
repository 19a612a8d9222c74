//! How the program's idea of a table maps to a generation of it, which may be older.

use super::Relation;
use crate::{StoreError, ddl::quoted};
use schemas::row::{Kind, Table};

/// What is read for a table, worked out once.
pub(crate) struct View {
    /// The list of what to select.
    pub(crate) select: String,
    /// The kinds of it.
    pub(crate) kinds: Vec<Kind>,
    /// SQL of one row by tenant and key.
    pub(crate) get: String,
}

impl View {
    pub(crate) fn of(held: &Relation, table: &Table) -> Result<Self, StoreError> {
        let differs = |column: &str, how: &str| {
            let (name, version) = (&held.name, held.version);
            StoreError::Absent(format!("column {column} of read model {name} {how} in its live version {version}: rebuild it"))
        };
        let key = table.columns.iter().take(table.key).map(|column| column.name);
        if !key.eq(held.definition.key_columns().iter().map(|column| column.name.as_str())) {
            return Err(StoreError::Absent(format!(
                "the key of read model {} is another one in its live version {}: rebuild it",
                held.name, held.version
            )));
        }
        let mut select = Vec::with_capacity(table.columns.len());
        for column in table.columns {
            select.push(match held.definition.column(column.name) {
                Some(stored) if stored.kind != column.kind => return Err(differs(column.name, "is of another kind")),
                Some(stored) if stored.nullable && !column.nullable => return Err(differs(column.name, "may be absent")),
                Some(_) => quoted(column.name),
                None if column.nullable => held.dialect.null(column.kind),
                None => return Err(differs(column.name, "does not exist")),
            });
        }
        let select = select.join(", ");
        let live = held.dialect.only_if_live(held.id).map(|live| format!(" AND {live}")).unwrap_or_default();
        let get = format!("SELECT {select} FROM {} WHERE {}{live}", quoted(&held.table), held.by_key());
        Ok(Self { select, kinds: table.columns.iter().map(|column| column.kind).collect(), get })
    }
}
