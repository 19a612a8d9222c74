//! One connection through the proxy.
//!
//! Its two directions are forwarded apart from each other, so that a response may be held while requests pass. When one
//! end leaves, the other is told after everything that was on its way, also what is held.

use crate::{
    frame::{self, Head, Wire},
    pattern::Direction,
    traps::{Act, Gate, Traps},
};
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};
use tokio_util::sync::CancellationToken;

pub(crate) struct Link {
    traps: Arc<Traps>,
    cut: CancellationToken,
    wire: Wire,
    /// Requests without a response yet, by their correlation id.
    asked: Mutex<HashMap<i32, Head>>,
    is_silent: AtomicBool,
}

impl Link {
    pub(crate) fn new(traps: Arc<Traps>, cut: CancellationToken, wire: Wire) -> Self {
        Self { traps, cut, wire, asked: Mutex::default(), is_silent: AtomicBool::new(false) }
    }

    /// Forwards until both ends have left, or the connection is cut.
    pub(crate) async fn run(self, client: TcpStream, server: TcpStream) {
        // Frames go on their way when they come.
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        let both = async {
            tokio::join!(
                self.forward(Direction::ToServer, from_client, to_server),
                self.forward(Direction::ToClient, from_server, to_client)
            )
        };
        tokio::select! {
            () = self.cut.cancelled() => {}
            _ = both => {}
        }
    }

    async fn forward(&self, direction: Direction, mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) {
        while let Ok(Some(frame)) = frame::read(self.wire, &mut from).await {
            let caught = self.traps.catch(direction, self.head(direction, &frame));
            let mut is_last = false;
            if let Some((act, mut gate)) = caught {
                match act {
                    Act::Pass => {}
                    Act::Hold => match gate.wait_for(|gate| *gate != Gate::Closed).await.map(|gate| *gate) {
                        Ok(Gate::Discarded) | Err(_) => return self.cut.cancel(),
                        Ok(Gate::Open | Gate::Closed) => {}
                    },
                    Act::Delay(time) => tokio::time::sleep(time).await,
                    Act::Drop => continue,
                    Act::Cut => return self.cut.cancel(),
                    Act::PassAndCut => is_last = true,
                    Act::Silence => self.is_silent.store(true, Ordering::Release),
                }
            }
            if self.is_silent.load(Ordering::Acquire) {
                continue;
            }
            // An end that has left is not told, and what the other still says is read, so that it can go on saying it.
            let _ = to.write_all(&frame).await;
            if is_last {
                let _ = to.flush().await;
                return self.cut.cancel();
            }
        }
        if !self.is_silent.load(Ordering::Acquire) {
            let _ = to.shutdown().await;
        }
    }

    /// What is known of a frame: of a request what it says, of a response what its request said.
    fn head(&self, direction: Direction, frame: &[u8]) -> Option<Head> {
        match (self.wire, direction) {
            (Wire::Bytes, _) => None,
            (Wire::Kafka, Direction::ToServer) => {
                let head = Head::of_request(frame)?;
                self.asked.lock().insert(head.correlation, head);
                Some(head)
            }
            (Wire::Kafka, Direction::ToClient) => self.asked.lock().remove(&Head::answered(frame)?),
        }
    }
}
