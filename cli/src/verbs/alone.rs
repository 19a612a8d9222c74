//! `swarmlog gateway`, `writer` and `consumer NAME`: one part alone, as many processes of each as are wanted, beside
//! others on the same servers; and `swarmlog engine`, which is one of those servers.

use crate::{Done, Global, process::Process, roles::Role};

/// Run the gateway alone.
#[derive(clap::Args)]
pub struct Gateway {
    #[command(flatten)]
    process: Process,
}

/// Run the writer alone.
#[derive(clap::Args)]
pub struct Writer {
    #[command(flatten)]
    process: Process,
}

/// Run one consumer alone.
#[derive(clap::Args)]
pub struct Consumer {
    /// Which one
    #[arg(value_enum)]
    name: Name,
    #[command(flatten)]
    process: Process,
}

/// Serve the ClickHouse engine.
#[derive(clap::Args)]
pub struct Engine {
    #[command(flatten)]
    process: Process,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Name {
    /// Read models in PostgreSQL.
    Operational,
    /// Events and metrics in ClickHouse.
    Analytics,
    /// Files in the object store.
    Archive,
}

impl Gateway {
    /// Serves until SIGTERM or Ctrl-C.
    pub async fn run(self, global: &Global) -> Done {
        self.process.run_alone(global, Role::Gateway).await
    }
}

impl Writer {
    /// Decides until SIGTERM or Ctrl-C.
    pub async fn run(self, global: &Global) -> Done {
        self.process.run_alone(global, Role::Writer).await
    }
}

impl Consumer {
    /// Consumes until SIGTERM or Ctrl-C.
    pub async fn run(self, global: &Global) -> Done {
        let role = match self.name {
            Name::Operational => Role::Operational,
            Name::Analytics => Role::Analytics,
            Name::Archive => Role::Archive,
        };
        self.process.run_alone(global, role).await
    }
}

impl Engine {
    /// Serves until SIGTERM or Ctrl-C.
    pub async fn run(self, global: &Global) -> Done {
        self.process.run_engine(global).await
    }
}
