//! PostgreSQL from the distribution's packages, as an unprivileged cluster of its own.

use crate::{
    LocalError,
    process::{Place, loopback, step},
};
use nix::unistd::Uid;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Oldest version that the project supports.
const OLDEST: u32 = 15;

/// Starts a cluster on `port`, made first if its folder is new. The superuser and database are called `swarmlog`.
pub fn start(place: &Place, port: u16) -> Result<(), LocalError> {
    let programs = programs()?;
    let data = place.data();
    if !data.join("PG_VERSION").exists() {
        let mut init = unprivileged(&programs.join("initdb"));
        init.arg("-D").arg(&data).args(["-U", "swarmlog", "--locale=C.UTF-8", "-E", "UTF8", "--auth=trust"]);
        step("making of the PostgreSQL cluster", &mut init)?;
    }
    let mut server = unprivileged(&programs.join("postgres"));
    server.arg("-D").arg(&data).args(["-p", &port.to_string()]);
    server.args(["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "max_connections=200"]);
    place.start(server, loopback(port))?;
    // There is no CREATE DATABASE IF NOT EXISTS; \gexec runs what the SELECT answers, and needs a script.
    let script = data.join("create.sql");
    fs::write(
        &script,
        "SELECT 'CREATE DATABASE swarmlog' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'swarmlog') \\gexec\n",
    )
    .map_err(LocalError::at(&script))?;
    let mut create = Command::new(programs.join("psql"));
    create.args(["-h", "127.0.0.1", "-p", &port.to_string(), "-U", "swarmlog", "-d", "postgres", "-q", "-f"]).arg(&script);
    ready(&mut create)
}

/// The server accepts connections a moment before it answers queries.
fn ready(create: &mut Command) -> Result<(), LocalError> {
    let end = std::time::Instant::now() + std::time::Duration::from_secs(30);
    loop {
        match step("making of the database", create) {
            Err(error) if std::time::Instant::now() > end => return Err(error),
            Err(_) => std::thread::sleep(std::time::Duration::from_millis(50)),
            Ok(()) => return Ok(()),
        }
    }
}

/// PostgreSQL refuses to run as root; in a user namespace root is somebody else and still owns the files.
fn unprivileged(program: &Path) -> Command {
    if !Uid::effective().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-user=1000", "--map-group=1000", "--"]).arg(program);
    command
}

/// The folder of the newest installed version; installed by apt where that is possible.
fn programs() -> Result<PathBuf, LocalError> {
    if let Some(found) = newest() {
        return Ok(found);
    }
    let missing = |output: String| LocalError::Missing {
        program: format!("PostgreSQL {OLDEST} or newer"),
        remedy: format!("install it (Debian: apt-get install postgresql-{OLDEST}); {output}"),
    };
    let mut install = Command::new("apt-get");
    install.env("DEBIAN_FRONTEND", "noninteractive").args(["install", "-y", "--no-install-recommends"]);
    install.arg(format!("postgresql-{OLDEST}"));
    step("apt-get update", Command::new("apt-get").arg("update")).map_err(|e| missing(e.to_string()))?;
    step("apt-get install", &mut install).map_err(|e| missing(e.to_string()))?;
    newest().ok_or_else(|| missing("apt-get brought none".into()))
}

fn newest() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?;
    let mut versions: Vec<u32> = versions.filter_map(|v| v.ok()?.file_name().to_str()?.parse().ok()).collect();
    versions.sort_unstable();
    let newest = versions.pop().filter(|version| *version >= OLDEST)?;
    let folder = PathBuf::from(format!("/usr/lib/postgresql/{newest}/bin"));
    folder.join("postgres").exists().then_some(folder)
}
