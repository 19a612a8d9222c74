//! Where a process listens. The health pages answer from the first moment, before anything is open behind them.

use crate::{
    Done,
    failure::{Exit, Failure},
};
use service::{
    Lifecycle,
    http::{Pages, WaitingRoom},
};
use std::net::SocketAddr;
use tokio::net::TcpListener;

/// A listener with the health pages on it.
pub struct Door {
    url: String,
    listener: TcpListener,
    pages: Pages,
    room: WaitingRoom,
}

/// A listener on which nobody answers any more.
pub struct Open {
    /// Where it is.
    pub url: String,
    /// It.
    pub listener: TcpListener,
    /// What its pages showed, for whoever answers now.
    pub pages: Pages,
}

impl Door {
    /// Listens; beyond loopback a token is required.
    pub async fn new(address: SocketAddr, token: Option<String>, lifecycle: Lifecycle) -> Done<Self> {
        gateway::check_bind(address, token.as_deref()).map_err(|e| Failure::new(Exit::Usage, e))?;
        let listener = TcpListener::bind(address).await.map_err(|error| {
            let detail = format!("cannot listen on {address}: {error}; name another address with --listen ADDR:PORT");
            Failure::new(Exit::Failed, detail)
        })?;
        let url = format!("http://{}", listener.local_addr()?);
        let pages = Pages { lifecycle, metrics: service::telemetry::start_metrics()?, token };
        let (room, listener) = WaitingRoom::open(listener, pages.clone())?;
        Ok(Self { url, listener, pages, room })
    }

    /// Leaves the listener to somebody who has more to say.
    pub async fn open(self) -> Open {
        let Self { url, listener, pages, room } = self;
        room.close().await;
        Open { url, listener, pages }
    }
}
