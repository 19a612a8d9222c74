//! The connections: hyper with rustls, every wait bounded.
//!
//! `object_store`'s own connector would switch TLS on in every HTTP client of the program, together with a second
//! provider of cryptography that takes minutes to build. This one uses `ring` and the certificates of the system
//! (`SSL_CERT_FILE` names others), speaks HTTP/1.1, and goes through no proxy.

use super::answer;
use crate::ObjectError;
use futures::stream;
use http_body_util::{BodyExt, Limited, StreamBody};
use hyper::Method;
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{self, Client, connect::HttpConnector as Tcp},
    rt::{TokioExecutor, TokioTimer},
};
use object_store::{
    ClientOptions,
    client::{
        HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody, HttpResponse, HttpResponseBody,
        HttpService,
    },
};
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier, crypto::ring};
use std::{error::Error, io, sync::Arc, time::Duration};
use tokio::time::timeout;

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How long it may take to send a request, of up to 64 MiB, and to get the head of its answer.
const ANSWER: Duration = Duration::from_secs(60);
/// How long the next part of an answer may take.
const PART: Duration = Duration::from_secs(20);
/// How long a connection stays open unused; shorter than servers keep them.
const IDLE: Duration = Duration::from_secs(15);
/// Most bytes of an answer that is no success.
const EXPLANATION: usize = 64 << 10;

/// Makes the connections of a store.
#[derive(Debug, Clone)]
pub(super) struct Connector(Client<HttpsConnector<Tcp>, HttpRequestBody>);

impl Connector {
    /// Connections to servers that a certificate of the system vouches for.
    pub fn encrypted() -> Result<Self, ObjectError> {
        let tls = tls()?.with_native_roots();
        let tls = tls.map_err(|error| {
            ObjectError::Fatal(format!(
                "no server can be trusted: {error}; install the system's certificates (Debian: ca-certificates), or name a file \
                 with SSL_CERT_FILE"
            ))
        })?;
        Ok(Self::trusting(tls.with_no_client_auth()))
    }

    /// Connections without encryption.
    pub fn plain() -> Result<Self, ObjectError> {
        let tls = tls()?.with_root_certificates(RootCertStore::empty()).with_no_client_auth();
        Ok(Self::over(HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http()))
    }

    fn trusting(tls: ClientConfig) -> Self {
        Self::over(HttpsConnectorBuilder::new().with_tls_config(tls).https_only())
    }

    fn over(schemes: HttpsConnectorBuilder<hyper_rustls::builderstates::WantsProtocols1>) -> Self {
        let mut tcp = Tcp::new();
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(CONNECT));
        tcp.set_nodelay(true);
        let connector = schemes.enable_http1().wrap_connector(tcp);
        let mut client = Client::builder(TokioExecutor::new());
        Self(client.pool_timer(TokioTimer::new()).pool_idle_timeout(IDLE).build(connector))
    }
}

fn tls() -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, ObjectError> {
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| ObjectError::Fatal(format!("TLS cannot be set up: {error}")))
}

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

#[async_trait::async_trait]
impl HttpService for Connector {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let is_head = request.method() == Method::HEAD;
        let answer = timeout(ANSWER, self.0.request(request)).await.map_err(|_| late("an answer", ANSWER))?;
        let (head, body) = answer.map_err(failure)?.into_parts();
        if answer::is_judged(head.status.as_u16()) {
            // What cannot be read explains nothing.
            let body = timeout(PART, Limited::new(body, EXPLANATION).collect()).await;
            let body = body.ok().and_then(Result::ok).map(|body| body.to_bytes()).unwrap_or_default();
            answer::judge(head.status.as_u16(), is_head, &body)?;
            return Ok(HttpResponse::from_parts(head, HttpResponseBody::from(body)));
        }
        let parts = stream::unfold(Some(body), |body| async {
            let mut body = body?;
            match timeout(PART, body.frame()).await {
                Ok(None) => None,
                Ok(Some(Ok(part))) => Some((Ok(part), Some(body))),
                Ok(Some(Err(error))) => Some((Err(HttpError::new(HttpErrorKind::Interrupted, error)), None)),
                Err(_) => Some((Err(late("the next part of an answer", PART)), None)),
            }
        });
        Ok(HttpResponse::from_parts(head, HttpResponseBody::new(StreamBody::new(parts))))
    }
}

fn late(what: &str, time: Duration) -> HttpError {
    let error = io::Error::new(io::ErrorKind::TimedOut, format!("{what} did not come within {} s", time.as_secs()));
    HttpError::new(HttpErrorKind::Timeout, error)
}

/// Whether a request may be repeated depends on whether it was sent.
fn failure(error: legacy::Error) -> HttpError {
    let within = error.source().and_then(|source| source.downcast_ref::<hyper::Error>());
    let kind = if error.is_connect() {
        HttpErrorKind::Connect
    } else if within.is_some_and(hyper::Error::is_canceled) {
        HttpErrorKind::Request
    } else {
        HttpErrorKind::Interrupted
    };
    HttpError::new(kind, error)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use rustls::{ServerConfig, pki_types::PrivateKeyDer};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };
    use tokio_rustls::TlsAcceptor;

    /// Serves one answer over TLS after another; answers its port and its certificate.
    async fn server() -> (u16, RootCertStore) {
        let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(own.signing_key.serialize_der()).unwrap();
        let tls = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let tls = tls.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        let acceptor = TlsAcceptor::from(Arc::new(tls.with_single_cert(vec![own.cert.der().clone()], key).unwrap()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                // A client that trusts somebody else leaves in the middle.
                let Ok(mut socket) = acceptor.accept(socket).await else { continue };
                let _ = socket.read(&mut [0; 4096]).await;
                let _ = socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi").await;
            }
        });
        let mut roots = RootCertStore::empty();
        roots.add(own.cert.der().clone()).unwrap();
        (port, roots)
    }

    async fn get(port: u16, roots: RootCertStore) -> Result<bytes::Bytes, HttpError> {
        let connector = Connector::trusting(tls().unwrap().with_root_certificates(roots).with_no_client_auth());
        let request = hyper::Request::get(format!("https://localhost:{port}/bucket/object")).body(HttpRequestBody::empty());
        connector.call(request.unwrap()).await?.into_body().bytes().await
    }

    #[tokio::test]
    async fn only_a_server_with_a_trusted_certificate_is_talked_to() {
        let (port, roots) = server().await;
        assert_eq!(get(port, roots).await.unwrap(), "hi");
        let refused = get(port, RootCertStore::empty()).await.unwrap_err();
        assert_eq!(refused.kind(), HttpErrorKind::Connect);
        assert!(format!("{refused:?}").contains("UnknownIssuer"), "{refused:?}");
    }
}
