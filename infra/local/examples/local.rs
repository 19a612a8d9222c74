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
    let servers = Servers::open(folder, myself)?.with_engine(swarmlog);
    servers.up(&Server::ALL).context("not every server could be started")?;
    servers.up(&[Server::Engine]).context("the ClickHouse engine could not be started; without it leave out --clickhouse")?;
    let addresses = servers.addresses();
    eprintln!("all servers answer after {:.1} s; their logs are {}/*.log", started.elapsed().as_secs_f64(), folder.display());
    let keys = &addresses.credentials;
    println!(
        "swarmlog up --kafka {} --postgres {} --s3 {} --s3-bucket {} --s3-access-key {} --s3-secret-key {} --clickhouse {}",
        addresses.kafka, addresses.postgres, addresses.s3, keys.bucket, keys.access_key, keys.secret_key, addresses.clickhouse
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

/// The program, which cargo puts into the folder above the examples.
fn swarmlog() -> Command {
    let examples = env::current_exe().unwrap_or_default();
    Command::new(examples.ancestors().nth(2).unwrap_or(Path::new(".")).join("swarmlog"))
}
