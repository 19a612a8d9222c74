//! A proxy that cuts a connection at its next commit.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// Where the connection is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Cut {
    /// The commit does not arrive.
    Before = 1,
    /// It arrives, and the connection ends while the server is at work on it.
    Within = 2,
    /// It is done, and its answer is lost.
    After = 3,
}

/// Listens, and cuts once per [`Proxy::arm`].
pub struct Proxy {
    pub port: u16,
    armed: Arc<AtomicU8>,
}

impl Proxy {
    pub async fn before(target: String) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let armed = Arc::new(AtomicU8::new(0));
        let armed_there = Arc::clone(&armed);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&target).await.unwrap();
                tokio::spawn(carry(client, server, Arc::clone(&armed_there)));
            }
        });
        Self { port, armed }
    }

    pub fn arm(&self, cut: Cut) {
        self.armed.store(cut as u8, Ordering::SeqCst);
    }

    /// Whether the cut was made.
    pub fn has_cut(&self) -> bool {
        self.armed.load(Ordering::SeqCst) == 0
    }
}

async fn carry(mut client: TcpStream, mut server: TcpStream, armed: Arc<AtomicU8>) -> io::Result<()> {
    let (mut asked, mut answered) = (vec![0; 65_536], vec![0; 65_536]);
    loop {
        tokio::select! {
            read = client.read(&mut asked) => {
                let read = read?;
                let bytes = &asked[..read];
                if read == 0 {
                    return Ok(());
                }
                let commits = bytes.windows(7).any(|window| window == b"COMMIT\0");
                let cut = if commits { armed.swap(0, Ordering::SeqCst) } else { 0 };
                if cut == Cut::Before as u8 {
                    return Ok(());
                }
                server.write_all(bytes).await?;
                if cut == Cut::After as u8 {
                    // Something is answered, so it is done.
                    server.readable().await?;
                }
                if cut != 0 {
                    return Ok(());
                }
            }
            read = server.read(&mut answered) => {
                let read = read?;
                if read == 0 {
                    return Ok(());
                }
                client.write_all(&answered[..read]).await?;
            }
        }
    }
}
