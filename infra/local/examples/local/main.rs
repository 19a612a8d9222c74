//! `make up`, `make down`, and the S3 server that they start.
//!
//! The S3 server is `s3s` over a folder (`s3s-fs`). That file system checks for `If-None-Match: *` and then writes; here a
//! lock around the two makes put-if-absent atomic, as S3 itself promises.

use anyhow::{Context, Result, bail};
use std::{env, path::Path, process::Command};
use swarmlog_local::{Server, Servers};

mod s3_server;

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["up", folder] => up(Path::new(folder)),
        ["down", folder] => Ok(Servers::open(Path::new(folder), myself)?.down()?),
        ["s3", root, port, access_key, secret_key] => s3_server::serve(root, port.parse()?, access_key, secret_key),
        _ => bail!("usage: local up|down FOLDER"),
    }
}

fn up(folder: &Path) -> Result<()> {
    let started = std::time::Instant::now();
    let servers = Servers::open(folder, myself)?;
    servers.up(&Server::ALL).context("not every server could be started")?;
    let addresses = servers.addresses();
    eprintln!("all servers answer after {:.1} s; their logs are in {}", started.elapsed().as_secs_f64(), folder.display());
    println!(
        "kafka     {}\npostgres  {}\ns3        {} (bucket {})",
        addresses.kafka, addresses.postgres, addresses.s3, addresses.credentials.bucket
    );
    Ok(())
}

fn myself() -> Command {
    Command::new(env::current_exe().unwrap_or_default())
}
