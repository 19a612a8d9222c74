//! A store of its own for every test, on a server that all of them share.

use local::{Server, Servers};
use std::{
    path::Path,
    process::Command,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};
use stores::{PostgresConfig, PostgresStore, Store};

pub async fn open(_: &Path) -> Arc<dyn Store> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let url = tokio::task::spawn_blocking(|| server().addresses().postgres.clone()).await.unwrap();
    let schema = format!("test_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    Arc::new(PostgresStore::connect(PostgresConfig { schema, ..PostgresConfig::new(url) }).await.unwrap())
}

fn server() -> &'static Servers {
    static SERVER: OnceLock<Servers> = OnceLock::new();
    SERVER.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap().keep();
        let servers = Servers::open(&folder, || Command::new("false")).unwrap();
        servers.end_with_this_process().unwrap();
        servers.up(&[Server::Postgres]).unwrap();
        servers
    })
}
