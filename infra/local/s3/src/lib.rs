//! An S3 server over a folder, for development and tests.
//!
//! What enters are signed S3 requests; what leaves are the files of a folder, one folder per bucket inside `root`. `s3s`
//! speaks the protocol and checks signatures. The server promises what the object port needs of S3: an object is seen
//! whole or not at all, `If-None-Match: *` lets exactly one of several writers win, and a list has what was put before.
//! It does no multipart uploads, ranges, versions or deletes, and it makes no bucket: that is a folder to be made.

mod bucket;

use bucket::Buckets;
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use s3s::{auth::SimpleAuth, service::S3ServiceBuilder};
use std::{io, path::Path, time::Duration};
use tokio::net::TcpListener;

/// Pause after a connection could not be accepted, for example because the process has too many files open.
const PAUSE: Duration = Duration::from_millis(50);

/// Serves the buckets in `root` to whoever has the keys, for ever.
pub async fn serve(root: &Path, listener: TcpListener, access_key: &str, secret_key: &str) -> io::Result<()> {
    let mut builder = S3ServiceBuilder::new(Buckets::open(root)?);
    builder.set_auth(SimpleAuth::from_single(access_key, secret_key));
    let service = builder.build();
    loop {
        let Ok((socket, _)) = listener.accept().await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let service = service.clone();
        tokio::spawn(async move {
            let answer = hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
                let service = service.clone();
                async move { service.call(request.map(s3s::Body::from)).await }
            });
            // A client that goes away in the middle is its own affair.
            let _ = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(socket), answer).await;
        });
    }
}
