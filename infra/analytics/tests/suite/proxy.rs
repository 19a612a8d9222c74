//! A proxy that can lose the answer to an insert, and behind which a server may come and go.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// Clones are one proxy.
#[derive(Clone, Default)]
pub struct Proxy {
    upstream: Arc<Mutex<Option<SocketAddr>>>,
    /// How many answers to inserts are still to be lost.
    lose: Arc<AtomicUsize>,
}

impl Proxy {
    /// Listens on a free port as long as the runtime lives; without a server it hangs up.
    pub async fn start() -> (Self, SocketAddr) {
        let proxy = Self::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = proxy.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serving.clone().relay(client));
            }
        });
        (proxy, address)
    }

    /// Where new connections go.
    pub fn lead_to(&self, upstream: Option<SocketAddr>) {
        *self.upstream.lock().unwrap() = upstream;
    }

    /// From now on the answers to so many inserts are lost, each together with its connection.
    pub fn lose_answers(&self, count: usize) {
        self.lose.store(count, SeqCst);
    }

    /// How many answers are still to be lost.
    pub fn to_lose(&self) -> usize {
        self.lose.load(SeqCst)
    }

    async fn relay(self, mut client: TcpStream) {
        let upstream = *self.upstream.lock().unwrap();
        let Some(upstream) = upstream else { return };
        let Ok(mut server) = TcpStream::connect(upstream).await else { return };
        let (mut from_client, mut to_client) = client.split();
        let (mut from_server, mut to_server) = server.split();
        let insert = AtomicBool::new(false);
        let forth = async {
            let mut piece = vec![0; 64 << 10];
            while let Ok(count @ 1..) = from_client.read(&mut piece).await {
                if piece[..count].starts_with(b"POST ") {
                    insert.store(piece[..count].windows(11).any(|text| text == b"INSERT+INTO"), SeqCst);
                }
                if to_server.write_all(&piece[..count]).await.is_err() {
                    break;
                }
            }
        };
        let back = async {
            let mut piece = vec![0; 64 << 10];
            while let Ok(count @ 1..) = from_server.read(&mut piece).await {
                let less = |left: usize| left.checked_sub(1);
                if insert.load(SeqCst) && self.lose.fetch_update(SeqCst, SeqCst, less).is_ok() {
                    break;
                }
                if to_client.write_all(&piece[..count]).await.is_err() {
                    break;
                }
            }
        };
        // Whoever hangs up ends both directions.
        tokio::select! {
            () = forth => {}
            () = back => {}
        }
    }
}
