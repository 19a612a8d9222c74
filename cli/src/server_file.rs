//! `server.json` in the data folder: how the verbs find the server that holds it.

use serde::{Deserialize, Serialize};
use std::{
    fs,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

/// Where a server listens. The file is readable by its owner only, for it holds the token.
#[derive(Debug, Serialize, Deserialize)]
pub struct ServerFile {
    /// Base URL.
    pub url: String,
    /// Process that serves.
    pub pid: u32,
    /// Bearer token, if one is needed.
    pub token: Option<String>,
}

impl ServerFile {
    const NAME: &str = "server.json";

    /// Writes the file, all or nothing.
    pub fn write(&self, data: &Path) -> io::Result<()> {
        let (new, file) = (data.join("server.json.new"), data.join(Self::NAME));
        let mut out = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        out.write_all(serde_json::to_string_pretty(self)?.as_bytes())?;
        out.sync_all()?;
        fs::rename(new, file)
    }

    /// Reads the file, if there is one.
    pub fn read(data: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(data.join(Self::NAME)).ok()?).ok()
    }

    /// Removes the file, if there is one.
    pub fn remove(data: &Path) {
        // It may be gone already; a stale file only makes a verb say that nobody listens.
        let _ = fs::remove_file(data.join(Self::NAME));
    }
}
