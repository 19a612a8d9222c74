//! The SQL of one generation, written once when it becomes known.

use crate::{
    ddl::{list, quoted},
    relation::Relation,
};

/// SQL of a generation. Parameters are in the order tenant, key, other columns.
pub(super) struct Statements {
    pub(super) load: String,
    pub(super) scan: String,
    /// The next rows behind a rowid, which comes last.
    pub(super) next: String,
    pub(super) delete: String,
    pub(super) upsert: String,
    pub(super) fact: String,
}

impl Statements {
    pub(super) fn of(relation: &Relation) -> Self {
        let table = quoted(&relation.table);
        let columns = list(relation.columns());
        let by_key = relation.by_key();
        let key = list(relation.key());
        let others: Vec<String> =
            relation.columns().skip(relation.key().count()).map(|column| format!("{0} = excluded.{0}", quoted(column))).collect();
        let replace = if others.is_empty() { "NOTHING".to_owned() } else { format!("UPDATE SET {}", others.join(", ")) };
        // One row a statement: several at once were measured to cost the same.
        let marks = vec!["?"; relation.columns().count()].join(", ");
        let insert = format!("INSERT INTO {table} ({columns}) VALUES ({marks}) ON CONFLICT ({key}) DO");
        Self {
            load: format!("SELECT {columns} FROM {table} WHERE {by_key}"),
            scan: format!("SELECT {columns} FROM {table}"),
            next: format!("SELECT {columns}, _rowid_ FROM {table} WHERE _rowid_ > ? ORDER BY _rowid_ LIMIT ?"),
            delete: format!("DELETE FROM {table} WHERE {by_key}"),
            upsert: format!("{insert} {replace}"),
            fact: format!("{insert} NOTHING"),
        }
    }
}
