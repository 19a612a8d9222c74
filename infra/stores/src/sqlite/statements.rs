//! The SQL of one generation, written once when it becomes known.

use super::definition::Definition;
use crate::ddl::{TENANT, list, quoted};

/// SQL of a generation. Parameters are in the order tenant, key, other columns.
pub(super) struct Statements {
    pub(super) load: String,
    pub(super) scan: String,
    pub(super) delete: String,
    pub(super) upsert: String,
    pub(super) fact: String,
}

impl Statements {
    pub(super) fn of(table: &str, definition: &Definition) -> Self {
        let table = quoted(table);
        let columns = list(names(definition));
        let by_key = by_key(definition);
        let key = list([TENANT].into_iter().chain(definition.key_columns().iter().map(|c| c.name.as_str())));
        let others: Vec<String> = definition.columns[definition.key_columns().len()..]
            .iter()
            .map(|column| format!("{0} = excluded.{0}", quoted(&column.name)))
            .collect();
        let replace = if others.is_empty() { "NOTHING".to_owned() } else { format!("UPDATE SET {}", others.join(", ")) };
        // One row a statement: several at once were measured to cost the same.
        let marks = vec!["?"; definition.columns.len() + 1].join(", ");
        let insert = format!("INSERT INTO {table} ({columns}) VALUES ({marks}) ON CONFLICT ({key}) DO");
        Self {
            load: format!("SELECT {columns} FROM {table} WHERE {by_key}"),
            scan: format!("SELECT {columns} FROM {table}"),
            delete: format!("DELETE FROM {table} WHERE {by_key}"),
            upsert: format!("{insert} {replace}"),
            fact: format!("{insert} NOTHING"),
        }
    }
}

/// The condition on tenant and key.
pub(super) fn by_key(definition: &Definition) -> String {
    let columns = [TENANT].into_iter().chain(definition.key_columns().iter().map(|column| column.name.as_str()));
    columns.map(|column| format!("{} = ?", quoted(column))).collect::<Vec<_>>().join(" AND ")
}

fn names(definition: &Definition) -> impl Iterator<Item = &str> {
    [TENANT].into_iter().chain(definition.columns.iter().map(|column| column.name.as_str()))
}
