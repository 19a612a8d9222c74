//! PostgreSQL from the distribution's packages, as an unprivileged cluster of its own.

use crate::{
    LocalError,
    process::{Place, loopback, start_time, step},
};
use nix::unistd::Uid;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
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
    // A zombie that nobody waits for looks alive to PostgreSQL.
    let lock = data.join("postmaster.pid");
    let holder = fs::read_to_string(&lock).ok().and_then(|text| text.lines().next()?.parse().ok());
    if holder.is_some_and(|pid: i32| start_time(pid).is_none()) {
        fs::remove_file(&lock).map_err(LocalError::at(&lock))?;
    }
    let server = || {
        let mut server = unprivileged(&programs.join("postgres"));
        server.arg("-D").arg(&data).args(["-p", &port.to_string()]);
        server.args(["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "max_connections=200"]);
        server
    };
    patiently(
        || place.start(server(), loopback(port)),
        // Processes of a server that was killed live a moment longer and hold its memory.
        || fs::read_to_string(place.log()).is_ok_and(|log| log.contains("pre-existing shared memory")),
    )?;
    // There is no CREATE DATABASE IF NOT EXISTS; \gexec runs what the SELECT answers, and needs a script.
    let script = data.join("create.sql");
    fs::write(
        &script,
        "SELECT 'CREATE DATABASE swarmlog' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'swarmlog') \\gexec\n",
    )
    .map_err(LocalError::at(&script))?;
    let mut create = Command::new(programs.join("psql"));
    create.args(["-h", "127.0.0.1", "-p", &port.to_string(), "-U", "swarmlog", "-d", "postgres", "-q", "-f"]).arg(&script);
    // The server accepts connections a moment before it answers queries.
    patiently(|| step("making of the database", &mut create), || true)
}

/// Tries again for a while where that may help.
fn patiently(mut attempt: impl FnMut() -> Result<(), LocalError>, may_help: impl Fn() -> bool) -> Result<(), LocalError> {
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        match attempt() {
            Err(_) if Instant::now() < end && may_help() => thread::sleep(Duration::from_millis(50)),
            outcome => return outcome,
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
