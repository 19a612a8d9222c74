//! The connections: hyper, with rustls where the URL says so, every wait bounded.
//!
//! The crate's own connector has no time-outs, and its TLS would bring a second provider of cryptography. This one uses
//! `ring` and the certificates of the system (`SSL_CERT_FILE` names others).

use crate::AnalyticsError;
use clickhouse::Client;
use hyper_rustls::{ConfigBuilderExt, HttpsConnectorBuilder};
use hyper_timeout::TimeoutConnector;
use hyper_util::{
    client::legacy::{Builder, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use std::{sync::Arc, time::Duration};

/// How long connecting may take, TLS included.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a connection may be silent: longer than a trusted statement may run.
const SILENCE: Duration = Duration::from_secs(310);
/// How long a server may take nothing of what is sent.
const SEND: Duration = Duration::from_secs(60);
/// How soon a host that is gone is noticed.
const KEEPALIVE: Duration = Duration::from_secs(30);
/// How long a connection stays open unused; ClickHouse itself closes after 3 s, the shortest of its defaults.
const IDLE: Duration = Duration::from_secs(2);

/// A client that is not connected yet.
pub(super) fn client(encrypted: bool) -> Result<Client, AnalyticsError> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_connect_timeout(Some(CONNECT));
    tcp.set_keepalive(Some(KEEPALIVE));
    tcp.set_nodelay(true);
    let schemes = HttpsConnectorBuilder::new().with_tls_config(tls(encrypted)?);
    let schemes = if encrypted { schemes.https_only() } else { schemes.https_or_http() };
    let mut bounded = TimeoutConnector::new(schemes.enable_http1().wrap_connector(tcp));
    bounded.set_connect_timeout(Some(CONNECT));
    bounded.set_read_timeout(Some(SILENCE));
    bounded.set_write_timeout(Some(SEND));
    bounded.set_reset_reader_on_write(true);
    let mut http = Builder::new(TokioExecutor::new());
    Ok(Client::with_http_client(http.pool_timer(TokioTimer::new()).pool_idle_timeout(IDLE).build(bounded)))
}

/// Whom to trust: nobody where nothing is encrypted, which spares a machine without certificates an error.
fn tls(encrypted: bool) -> Result<ClientConfig, AnalyticsError> {
    let failed = |error: &dyn std::fmt::Display| AnalyticsError::Fatal(format!("TLS cannot be set up: {error}"));
    let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(&error))?;
    let tls = if encrypted {
        tls.with_native_roots().map_err(|error| {
            failed(&format!(
                "{error}; install the system's certificates (Debian: ca-certificates), or name a file with SSL_CERT_FILE"
            ))
        })?
    } else {
        tls.with_root_certificates(RootCertStore::empty())
    };
    Ok(tls.with_no_client_auth())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use tokio::{io::AsyncReadExt, net::TcpListener};

    /// The first byte that a server gets from a client with its URL.
    async fn first_byte(scheme: &str) -> u8 {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("{scheme}://{}", server.local_addr().unwrap());
        let client = client(scheme == "https").unwrap().with_url(url);
        let asking = tokio::spawn(async move { client.query("SELECT 1").execute().await });
        let (mut socket, _) = server.accept().await.unwrap();
        let byte = socket.read_u8().await.unwrap();
        asking.abort();
        byte
    }

    #[tokio::test]
    async fn https_is_spoken_with_tls_and_http_without() {
        const HANDSHAKE: u8 = 0x16;
        assert_eq!(first_byte("https").await, HANDSHAKE);
        assert_eq!(first_byte("http").await, b'P');
    }
}
