//! The embedded store.

use std::{path::Path, sync::Arc};
use stores::{SqliteStore, Store};

pub async fn open(dir: &Path) -> Arc<dyn Store> {
    Arc::new(SqliteStore::open(&dir.join("store")).unwrap())
}
