//! `make up`, `make down`, and the S3 server that they start.

use anyhow::{Context, Result, bail};
use std::{env, path::Path, process::Command};
use swarmlog_local::{Server, Servers};

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["up", folder] => up(Path::new(folder)),
        ["down", folder] => Ok(Servers::open(Path::new(folder), myself)?.down()?),
        ["s3", root, port, access_key, secret_key] => s3(Path::new(root), port.parse()?, access_key, secret_key),
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

#[tokio::main(flavor = "current_thread")]
async fn s3(root: &Path, port: u16, access_key: &str, secret_key: &str) -> Result<()> {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    Ok(local_s3::serve(root, listener, access_key, secret_key).await?)
}

fn myself() -> Command {
    Command::new(env::current_exe().unwrap_or_default())
}
