//! A TCP proxy between a client and a server, that does to their connections what networks and crashes do.
//!
//! What enters are connections, forwarded frame by frame: Kafka's requests and responses, each known by its kind, or
//! plain bytes. A test says what happens to the next frame of a pattern, or to every one: it is held until the test lets
//! it go, delayed, lost, or its connection is cut or falls silent. The test is told when it happened, so nothing has to be
//! timed. The proxy changes no byte, knows no more of the protocol than who asks for what, and lives as long as its
//! value.

mod frame;
mod link;
mod pattern;
mod traps;

pub use frame::{Api, Wire};
pub use pattern::Pattern;
pub use traps::{Act, NotCaught, Trap};

use link::Link;
use parking_lot::Mutex;
use std::{io, net::SocketAddr, sync::Arc};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use traps::Traps;

/// The proxy; dropping it cuts everything.
pub struct Proxy {
    address: SocketAddr,
    traps: Arc<Traps>,
    cut: Arc<Mutex<CancellationToken>>,
    _task: AbortOnDropHandle<()>,
}

impl Proxy {
    /// Forwards what comes to `listener` to `upstream`. The listener comes first, because Kafka must be told where its
    /// clients find it before it starts.
    pub fn start(listener: TcpListener, upstream: SocketAddr, wire: Wire) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let (traps, cut) = (Arc::new(Traps::default()), Arc::<Mutex<CancellationToken>>::default());
        let (its_traps, its_cut) = (traps.clone(), cut.clone());
        let task = tokio::spawn(async move {
            let mut links = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                // Reaps what has ended.
                while links.try_join_next().is_some() {}
                let link = Link::new(its_traps.clone(), its_cut.lock().child_token(), wire);
                links.spawn(async move {
                    // A client whose server is away is sent away, too.
                    if let Ok(server) = TcpStream::connect(upstream).await {
                        link.run(client, server).await;
                    }
                });
            }
        });
        Ok(Self { address, traps, cut, _task: AbortOnDropHandle::new(task) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Does `act` to the next frame of this pattern, once.
    pub fn next(&self, pattern: Pattern, act: Act) -> Trap {
        self.traps.set(pattern, act, true)
    }

    /// Does `act` to every frame of this pattern until the trap is let go or dropped.
    pub fn every(&self, pattern: Pattern, act: Act) -> Trap {
        self.traps.set(pattern, act, false)
    }

    /// Cuts every connection that there is; new ones are taken.
    pub fn cut_all(&self) {
        std::mem::take(&mut *self.cut.lock()).cancel();
    }
}
