//! The life of a process that plays roles: listen, open, start, announce, and on SIGTERM drain and leave.
//!
//! The health pages answer from the first moment, while servers that are away are waited for. The gateway drains in a
//! stage before the writer and the consumers, so that they still answer what it has in hand.

mod door;
mod engine;
mod life;

use crate::{
    Done, Global,
    parts::{Opening, Parts},
    roles::Role,
    servers::Servers,
};
use door::{Door, Open};
use life::Life;
use service::{Lifecycle, http};
use std::{net::SocketAddr, path::PathBuf, time::Instant};
use tokio_util::sync::CancellationToken;

/// What every process that serves understands.
#[derive(clap::Args)]
pub struct Process {
    /// Address to listen on; beyond loopback a token is required [default: 127.0.0.1 and the part's own port]
    #[arg(long, env = "SWARMLOG_LISTEN", value_name = "ADDR:PORT")]
    listen: Option<SocketAddr>,
    /// File of the ClickHouse engine [default: where `make chdb` puts it]
    #[arg(long, env = "SWARMLOG_CHDB_LIBRARY", value_name = "FILE")]
    chdb_library: Option<PathBuf>,
    /// File to write once the process is ready; it holds the URL
    #[arg(long, env = "SWARMLOG_READY_FILE", value_name = "FILE")]
    ready_file: Option<PathBuf>,
    #[command(flatten)]
    servers: Servers,
}

impl Process {
    /// Plays one role beside other processes on the same servers.
    pub async fn run_alone(self, global: &Global, role: Role) -> Done {
        role.check_alone(&self.servers)?;
        self.run(global, role.to_string(), &[role]).await
    }

    /// Plays all roles.
    pub async fn run_all(self, global: &Global) -> Done {
        self.run(global, String::new(), &Role::ALL).await
    }

    async fn run(self, global: &Global, name: String, roles: &[Role]) -> Done {
        let started = Instant::now();
        let settings = self.servers.settings();
        let address = self.listen.unwrap_or_else(|| roles.first().unwrap_or(&Role::Gateway).address(&settings.listen));
        let front = Lifecycle::new();
        let back = front.stage();
        let door = Door::new(address, global.token.clone(), front.clone()).await?;
        let opening = Opening { data: &global.data, servers: &self.servers, chdb_library: self.library(), lifecycle: &back };
        let parts = Parts::open(roles, opening).await?;
        let Open { url, listener, pages } = door.open().await;
        for role in roles {
            parts.start(*role, settings, &back)?;
        }
        let served = CancellationToken::new();
        let pages_end = if roles.contains(&Role::Gateway) {
            let config = gateway::Config {
                listener,
                token: global.token.clone(),
                log: parts.log.clone(),
                store: parts.store()?,
                analytics: parts.analytics.clone(),
                objects: parts.objects()?,
                metrics: pages.metrics.clone(),
                lifecycle: front.clone(),
                limits: gateway::Limits::default(),
            };
            front.spawn(Role::Gateway.to_string(), gateway::serve(config));
            None
        } else {
            let router = http::routes(pages.clone()).fallback(http::nothing_else);
            Some(tokio::spawn(http::serve(listener, router, served.clone())))
        };
        let is_whole = roles.len() == Role::ALL.len();
        let life = Life { name, url, is_whole, data: global.data.clone(), ready_file: self.ready_file, started };
        let drained = life.run(pages, &back).await;
        served.cancel();
        if let Some(pages_end) = pages_end {
            pages_end.await??;
        }
        parts.close().await?;
        drained
    }

    /// The engine's file, if somebody named one.
    fn library(&self) -> Option<PathBuf> {
        self.chdb_library.clone().or_else(|| self.servers.settings().clickhouse.library.clone())
    }
}
