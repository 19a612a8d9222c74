//! The HTTP server: connections, their bounds in number and time, and an orderly end.
//!
//! HTTP/1.1 only, straight on hyper. A head that does not arrive in time is answered 408. When the program ends no
//! connection is accepted any more, requests in flight are answered, and idle connections are closed.

use crate::{Gateway, GatewayError, codes, problem::Problem};
use axum::{Router, body::Body, http::Request};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{convert::Infallible, sync::Arc, time::Duration};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::Service;

/// Pause after a connection could not be accepted, for example because the process has too many files open.
const PAUSE: Duration = Duration::from_millis(50);
/// How long an answer to a late head may take.
const GOODBYE: Duration = Duration::from_secs(1);
/// Most bytes of a head, and of one read of a body.
const BUFFER: usize = 64 << 10;

/// Serves `router` until the program ends.
pub(crate) async fn run(gateway: Arc<Gateway>, listener: TcpListener, router: Router) -> Result<(), GatewayError> {
    let shutdown = gateway.lifecycle.shutdown();
    let connections = TaskTracker::new();
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(gateway.limits.head_time).max_buf_size(BUFFER);
    loop {
        let permit = tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            permit = gateway.connections.clone().acquire_owned() => match permit {
                Ok(permit) => permit,
                Err(_) => break,
            },
        };
        let accepted = tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                // An answer goes out whole; waiting for more of it helps nobody.
                let _ = stream.set_nodelay(true);
                let (http, router, shutdown) = (http.clone(), router.clone(), shutdown.child_token());
                connections.spawn(async move {
                    connection(http, stream, router, shutdown).await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    drop(listener);
    connections.close();
    let drained = tokio::time::timeout(gateway.limits.drain, connections.wait()).await;
    // Whoever still waits for a result is told that the command is on record.
    gateway.waiters.give_up();
    if drained.is_err() && tokio::time::timeout(gateway.limits.drain, connections.wait()).await.is_err() {
        tracing::warn!(connections = connections.len(), "connections were still open at the end");
    }
    Ok(())
}

async fn connection(http: http1::Builder, stream: TcpStream, router: Router, shutdown: CancellationToken) {
    let service = service_fn(move |request: Request<Incoming>| {
        let answer = router.clone().call(request);
        async move { answer.await.map_err(|never: Infallible| match never {}) }
    });
    let mut connection = http.serve_connection(TokioIo::new(stream), service);
    let ended = tokio::select! {
        biased;
        ended = &mut connection => ended,
        () = shutdown.cancelled() => {
            Pin::new(&mut connection).graceful_shutdown();
            (&mut connection).await
        }
    };
    let Err(error) = ended else { return };
    tracing::debug!(%error, "a connection ended early");
    if error.is_timeout() {
        let parts = connection.into_parts();
        // An idle connection is just closed; only the beginning of a request deserves an answer.
        if !parts.read_buf.is_empty() {
            let _ = tokio::time::timeout(GOODBYE, too_slow(parts.io.into_inner())).await;
        }
    }
}

async fn too_slow(mut stream: TcpStream) -> std::io::Result<()> {
    let problem = Problem::new(codes::SLOW_REQUEST, "the head of the request did not arrive in time");
    let (parts, body) = problem.into_response("", "").into_parts();
    let body = axum::body::to_bytes(Body::new(body), BUFFER).await.unwrap_or_default();
    let mut answer = format!("HTTP/1.1 {}\r\nconnection: close\r\ncontent-length: {}\r\n", parts.status, body.len()).into_bytes();
    for (name, value) in &parts.headers {
        answer.extend_from_slice(name.as_str().as_bytes());
        answer.extend_from_slice(b": ");
        answer.extend_from_slice(value.as_bytes());
        answer.extend_from_slice(b"\r\n");
    }
    answer.extend_from_slice(b"\r\n");
    answer.extend_from_slice(&body);
    stream.write_all(&answer).await?;
    stream.shutdown().await
}
