//! The SQL of one generation, written once when it becomes known.
//!
//! Rows come as one array per column, in the order tenant, key, other columns; keys as arrays of their columns.

use crate::{
    ddl::{Dialect, list, quoted},
    relation::Relation,
};
use schemas::row::Kind;

/// The table that a large write is copied to first; it ends with the transaction.
const STAGED: &str = "pg_temp.staged";

/// SQL of a generation.
pub(super) struct Statements {
    /// Rows by keys, with the number of the key first.
    pub(super) load: String,
    pub(super) scan: String,
    pub(super) delete: String,
    pub(super) upsert: String,
    /// Inserts what is not there.
    pub(super) fact: String,
    /// The number of the first row that is stored with other content.
    pub(super) changed: String,
    pub(super) stage: String,
    pub(super) copy: String,
    pub(super) upsert_staged: String,
    pub(super) fact_staged: String,
    /// The kinds of all columns, the tenant's first.
    pub(super) kinds: Vec<Kind>,
    /// So many of them are the key.
    pub(super) key: usize,
}

impl Statements {
    pub(super) fn of(relation: &Relation) -> Self {
        let table = quoted(&relation.table);
        let kinds = relation.definition.kinds_with_tenant();
        let key = relation.key().count();
        let columns = list(relation.columns());
        let keys = list(relation.key());
        let arrays = |kinds: &[Kind]| {
            let array = |(n, kind): (usize, &Kind)| format!("${}::{}[]", n + 1, Dialect::Postgres.value(*kind));
            format!("UNNEST({})", kinds.iter().enumerate().map(array).collect::<Vec<_>>().join(", "))
        };
        let given = |count: usize| (1..=count).map(|n| format!("i.c{n}")).collect::<Vec<_>>().join(", ");
        let named = |count: usize| (1..=count).map(|n| format!("c{n}")).collect::<Vec<_>>().join(", ");
        let same_key: Vec<String> =
            relation.key().enumerate().map(|(n, name)| format!("t.{} = i.c{}", quoted(name), n + 1)).collect();
        let same_key = same_key.join(" AND ");
        let stored: Vec<String> = relation.columns().map(|name| format!("t.{}", quoted(name))).collect();
        let stored = stored.join(", ");
        let others: Vec<String> = relation.columns().skip(key).map(|name| format!("{0} = excluded.{0}", quoted(name))).collect();
        let replace = if others.is_empty() { "NOTHING".to_owned() } else { format!("UPDATE SET {}", others.join(", ")) };
        let insert = |from: &str, otherwise: &str| {
            format!("INSERT INTO {table} ({columns}) SELECT * FROM {from} ON CONFLICT ({keys}) DO {otherwise}")
        };
        let (rows, found) = (arrays(&kinds), arrays(&kinds[..key]));
        Self {
            load: format!(
                "SELECT i.n, {stored} FROM {found} WITH ORDINALITY AS i({}, n) JOIN {table} t ON {same_key}",
                named(key)
            ),
            scan: format!("SELECT {columns} FROM {table}"),
            delete: format!("DELETE FROM {table} t USING {found} AS i({}) WHERE {same_key}", named(key)),
            upsert: insert(&rows, &replace),
            fact: insert(&rows, "NOTHING"),
            changed: format!(
                "SELECT i.n FROM {rows} WITH ORDINALITY AS i({}, n) JOIN {table} t ON {same_key} \
                 WHERE ({stored}) IS DISTINCT FROM ({}) ORDER BY i.n LIMIT 1",
                named(kinds.len()),
                given(kinds.len())
            ),
            stage: format!("CREATE TEMP TABLE staged ON COMMIT DROP AS SELECT {columns} FROM {table} WITH NO DATA"),
            copy: format!("COPY {STAGED} ({columns}) FROM STDIN (FORMAT binary)"),
            upsert_staged: insert(STAGED, &replace),
            fact_staged: insert(STAGED, "NOTHING"),
            kinds,
            key,
        }
    }
}
