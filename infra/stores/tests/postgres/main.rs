//! The store on a real PostgreSQL server: the suite of the port, and what only a server can show.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod faults;
mod opening;
mod processes;
mod proxy;
mod rows;
mod server;

use server::shared;
use std::sync::Arc;
use swarmlog_stores::{PostgresConfig, PostgresStore, Store, conformance::Fixture};

/// A schema of its own on the shared server.
struct World {
    config: PostgresConfig,
    store: Arc<PostgresStore>,
}

impl Fixture for World {
    async fn start() -> Self {
        let config = shared().schema();
        let store = Arc::new(PostgresStore::connect(config.clone()).await.unwrap());
        Self { config, store }
    }

    fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    async fn reopen(self) -> Self {
        drop(Arc::into_inner(self.store).expect("nobody else holds the store"));
        let store = Arc::new(PostgresStore::connect(self.config.clone()).await.unwrap());
        Self { config: self.config, store }
    }
}

swarmlog_stores::conformance_suite!(World);
