//! An S3 server: a program that the caller names, told where to listen by its environment.

use crate::{
    LocalError,
    process::{Place, loopback},
};
use serde::{Deserialize, Serialize};
use std::{fs, process::Command};

/// Name of the one bucket.
pub const BUCKET: &str = "swarmlog";

/// What a client of the S3 server needs to know beside its address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credentials {
    /// Access key.
    pub access_key: String,
    /// Secret key.
    pub secret_key: String,
    /// The bucket.
    pub bucket: String,
}

impl Default for Credentials {
    fn default() -> Self {
        Self { access_key: "local".into(), secret_key: "local-secret".into(), bucket: BUCKET.into() }
    }
}

/// Starts `program` (an S3 server that takes `s3 ROOT PORT ACCESS_KEY SECRET_KEY`) on `port`, with the bucket made.
pub fn start(place: &Place, mut program: Command, port: u16) -> Result<(), LocalError> {
    let data = place.data();
    fs::create_dir_all(data.join(BUCKET)).map_err(LocalError::at(&data))?;
    let credentials = Credentials::default();
    program.arg("s3").arg(&data).arg(port.to_string()).args([credentials.access_key, credentials.secret_key]);
    place.start(program, loopback(port))
}
