//! One generation's table, as the program and SQL see it.
//!
//! Enters: what a generation was made as, and the program's idea of its table, which may be newer. Leaves: the SQL of
//! questions in the store's dialect, or why a question cannot be asked. Promised: every name in the SQL comes from the
//! stored definition, every value is bound. Not done: executing any of it.

mod definition;
mod question;
mod view;

pub(crate) use definition::Definition;
pub(crate) use question::{Question, fitting_key};
pub(crate) use view::View;

use crate::{
    StoreError,
    ddl::{Dialect, TENANT, quoted},
};
use parking_lot::RwLock;
use schemas::row::Table;
use std::{collections::HashMap, sync::Arc};

/// A generation's table.
pub(crate) struct Relation {
    pub(crate) dialect: Dialect,
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) version: u32,
    pub(crate) table: String,
    pub(crate) definition: Definition,
    views: RwLock<HashMap<(usize, usize), Arc<View>>>,
}

impl Relation {
    pub(crate) fn new(dialect: Dialect, id: u64, name: String, version: u32, table: String, definition: Definition) -> Self {
        Self { dialect, id, name, version, table, definition, views: RwLock::default() }
    }

    /// How the program's idea of the table maps to this generation of it.
    pub(crate) fn view(&self, table: &Table) -> Result<Arc<View>, StoreError> {
        // Tables are constants of the program, so their address names them.
        let address = (table.columns.as_ptr() as usize, table.columns.len() << 8 | table.key);
        if let Some(view) = self.views.read().get(&address) {
            return Ok(Arc::clone(view));
        }
        let view = Arc::new(View::of(self, table)?);
        self.views.write().insert(address, Arc::clone(&view));
        Ok(view)
    }

    /// The condition on tenant and key, which are the first parameters.
    pub(crate) fn by_key(&self) -> String {
        let conditions = self.key().enumerate().map(|(n, name)| format!("{} = {}", quoted(name), self.dialect.mark(n + 1)));
        conditions.collect::<Vec<_>>().join(" AND ")
    }

    /// The names of the tenant and the key.
    pub(crate) fn key(&self) -> impl Iterator<Item = &str> {
        [TENANT].into_iter().chain(self.definition.key_columns().iter().map(|column| column.name.as_str()))
    }

    /// The names of all columns, the tenant's first.
    pub(crate) fn columns(&self) -> impl Iterator<Item = &str> {
        [TENANT].into_iter().chain(self.definition.columns.iter().map(|column| column.name.as_str()))
    }
}
