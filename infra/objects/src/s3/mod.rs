//! Objects in a bucket of S3, or of anything that speaks its protocol.
//!
//! What enters is where the bucket is and the keys to it. Requests are signed and put-if-absent is `If-None-Match: *`,
//! which the store must know (AWS since 2024). Connecting, waiting for an answer and every step of its body are bounded in
//! time, and failed requests are repeated a few times. A put whose outcome is unknown is not repeated: its caller finds
//! out by putting again. Keys stay what they are: whoever changes them opens the bucket anew.

mod answer;
mod connector;

pub(crate) use answer::Refused;

use crate::{ObjectError, Objects};
use connector::Connector;
use object_store::{BackoffConfig, RetryConfig, aws::AmazonS3Builder};
use std::{fmt, sync::Arc, time::Duration};

/// How failed requests are repeated: at most three times, within half a minute from the first.
const RETRY: RetryConfig = RetryConfig {
    backoff: BackoffConfig { init_backoff: Duration::from_millis(100), max_backoff: Duration::from_secs(2), base: 3.0 },
    max_retries: 3,
    retry_timeout: Duration::from_secs(30),
};

/// Where a bucket is, and the keys to it.
#[derive(Clone, PartialEq, Eq)]
pub struct S3Config {
    /// URL of the server: `https://s3.eu-central-1.amazonaws.com`.
    pub endpoint: String,
    /// Name of the bucket, which must exist.
    pub bucket: String,
    /// Region that requests are signed for; `us-east-1` where the server has none.
    pub region: String,
    /// Access key.
    pub access_key: String,
    /// Secret key.
    pub secret_key: String,
    /// Whether the endpoint may be `http`, which shows the objects to everybody on the way.
    pub allow_http: bool,
}

impl fmt::Debug for S3Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { endpoint, bucket, region, access_key, secret_key: _, allow_http } = self;
        f.debug_struct("S3Config")
            .field("endpoint", endpoint)
            .field("bucket", bucket)
            .field("region", region)
            .field("access_key", access_key)
            .field("allow_http", allow_http)
            .finish_non_exhaustive()
    }
}

impl Objects {
    /// Objects in a bucket. Nothing is asked of the server yet: a wrong key or bucket is told by the first call.
    pub fn s3(config: S3Config) -> Result<Self, ObjectError> {
        let S3Config { endpoint, bucket, region, access_key, secret_key, allow_http } = config;
        let connector = match endpoint.split_once("://") {
            Some(("https", _)) => Connector::encrypted()?,
            Some(("http", _)) if allow_http => Connector::plain()?,
            Some(("http", _)) => {
                return Err(ObjectError::Fatal(format!("{endpoint} is not encrypted: use https, or allow http for it")));
            }
            _ => return Err(ObjectError::Fatal(format!("{endpoint:?} is no URL of an S3 server: it begins with https://"))),
        };
        let built = AmazonS3Builder::new()
            .with_endpoint(endpoint.trim_end_matches('/'))
            .with_bucket_name(&bucket)
            .with_region(region)
            .with_access_key_id(access_key)
            .with_secret_access_key(secret_key)
            .with_virtual_hosted_style_request(false)
            // One object at a time is removed, by the call that every server knows.
            .with_disable_bulk_delete(true)
            .with_retry(RETRY)
            .with_http_connector(connector)
            .build();
        let store = built.map_err(|error| ObjectError::Fatal(format!("cannot open the bucket {bucket:?}: {error}")))?;
        Ok(Self::over(Arc::new(store)))
    }
}
