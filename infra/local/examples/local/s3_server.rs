//! The S3 server.

use anyhow::Result;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use s3s::{auth::SimpleAuth, service::S3ServiceBuilder};
use s3s_fs::FileSystem;
use std::sync::Arc;
use tokio::{net::TcpListener, sync::Mutex};

/// Serves the folder `root` until the process is told to end.
#[tokio::main(flavor = "current_thread")]
pub async fn serve(root: &str, port: u16, access_key: &str, secret_key: &str) -> Result<()> {
    let files = FileSystem::new(root).map_err(|error| anyhow::anyhow!("{root}: {error:?}"))?;
    let mut builder = S3ServiceBuilder::new(files);
    builder.set_auth(SimpleAuth::from_single(access_key, secret_key));
    let service = builder.build();
    let conditional = Arc::new(Mutex::new(()));
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    loop {
        let (socket, _) = listener.accept().await?;
        let (service, conditional) = (service.clone(), Arc::clone(&conditional));
        tokio::spawn(async move {
            let answer = hyper::service::service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
                let (service, conditional) = (service.clone(), Arc::clone(&conditional));
                async move {
                    let _guard = match request.headers().contains_key("if-none-match") {
                        true => Some(conditional.lock().await),
                        false => None,
                    };
                    service.call(request.map(s3s::Body::from)).await
                }
            });
            // A client that goes away in the middle is its own affair.
            let _ = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(socket), answer).await;
        });
    }
}
