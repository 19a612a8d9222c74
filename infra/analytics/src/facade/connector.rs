//! Connections through memory.

use axum::Router;
use hyper::{Uri, rt};
use hyper_util::{
    client::legacy::connect::{Connected, Connection},
    rt::TokioIo,
    service::TowerToHyperService,
};
use std::{
    future::{Ready, ready},
    io,
    pin::Pin,
    task::{Context, Poll},
};
use tokio::io::{DuplexStream, duplex};

/// How much a connection holds in each direction.
const BUFFER_BYTES: usize = 512 << 10;

/// Connects to the router of this process, whatever the address.
#[derive(Clone)]
pub(super) struct InProcess(Router);

impl InProcess {
    pub(super) fn new(router: Router) -> Self {
        Self(router)
    }
}

impl tower::Service<Uri> for InProcess {
    type Response = Pipe;
    type Error = io::Error;
    type Future = Ready<io::Result<Pipe>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let (client, server) = duplex(BUFFER_BYTES);
        let service = TowerToHyperService::new(self.0.clone());
        // It ends with the client's side; its errors are the client's too.
        tokio::spawn(async move {
            let mut http = hyper::server::conn::http1::Builder::new();
            let _ = http.max_buf_size(BUFFER_BYTES).serve_connection(TokioIo::new(server), service).await;
        });
        ready(Ok(Pipe(TokioIo::new(client))))
    }
}

/// The client's side of a connection.
pub(super) struct Pipe(TokioIo<DuplexStream>);

impl Connection for Pipe {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl rt::Read for Pipe {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: rt::ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl rt::Write for Pipe {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}
