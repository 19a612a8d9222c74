//! What lies on this machine: the data folder, the engine's file, the port.

use super::{Check, Finding};
use crate::{parts::FORMAT, server_file::ServerFile, servers::Servers};
use rustix::fs::statvfs;
use std::{fs, io, net::SocketAddr, path::Path};
use tokio::net::TcpListener;

/// With less room than this the log, the store and the engine may stop within minutes.
const ROOM: u64 = 1 << 30;

/// The checks that need no server.
pub fn checks(servers: &Servers) -> Vec<Check<'_>> {
    let settings = servers.settings();
    let (data, listen) = (settings.data.as_path(), settings.listen.gateway);
    let mut checks = vec![
        Check::new("folder", data.display().to_string(), async move { folder(data) }),
        Check::new("port", listen.to_string(), port(listen, data)),
    ];
    if settings.clickhouse.url.is_none() {
        let has_kafka = settings.kafka.get("bootstrap.servers").is_some_and(|brokers| !brokers.is_empty());
        let library = settings.clickhouse.library.clone().unwrap_or_else(analytics::find_library);
        checks.push(Check::new("engine", library.display().to_string(), async move { engine(&library, has_kafka) }));
    }
    checks
}

/// Writable, of our format, with room.
fn folder(data: &Path) -> Finding {
    let there = data.ancestors().map(|path| if path.as_os_str().is_empty() { Path::new(".") } else { path });
    let Some(place) = there.into_iter().find(|path| path.exists()) else { return Err("no part of the path exists".into()) };
    let probe = place.join(format!(".swarmlog-doctor-{}", std::process::id()));
    fs::write(&probe, b"probe").and_then(|()| fs::remove_file(&probe)).map_err(|error| {
        format!("cannot write in {}: {error}; change its owner, or name another folder (data)", place.display())
    })?;
    match fs::read_to_string(data.join("format")) {
        Ok(text) if text.trim() != FORMAT.to_string() => {
            return Err(format!("has format {}, this program knows {FORMAT}: use the program that wrote it", text.trim()));
        }
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(format!("cannot read its format: {error}")),
        _ => {}
    }
    let disk = statvfs(place).map_err(|error| format!("cannot tell the free space of {}: {error}", place.display()))?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    let gigabytes = format!("{:.1} GiB free", free as f64 / ROOM as f64);
    if free < ROOM {
        return Err(format!("only {gigabytes}: make room, or name a folder on another disk (data)"));
    }
    let state = if data.exists() { "writable" } else { "can be made" };
    Ok(format!("{state}, format {FORMAT}, {gigabytes}"))
}

/// Free, or held by the server of the folder.
async fn port(listen: SocketAddr, data: &Path) -> Finding {
    match TcpListener::bind(listen).await {
        Ok(_) => Ok("free".into()),
        Err(error) => match ServerFile::read(data) {
            Some(server) if server.url == format!("http://{listen}") => {
                Ok(format!("held by the server of this folder, process {}", server.pid))
            }
            _ => Err(format!("cannot listen there: {error}; end what listens, or name another address (listen.gateway)")),
        },
    }
}

/// There, or not needed: parts that run alone on servers have no engine.
fn engine(library: &Path, has_kafka: bool) -> Finding {
    match fs::metadata(library) {
        Ok(file) if file.is_file() => Ok(format!("there, {} MB", file.len() >> 20)),
        _ if has_kafka => Ok("missing; only `swarmlog up` and `swarmlog engine` would use it".into()),
        _ => Err("the ClickHouse engine is missing: `make chdb` fetches it; all but analytics works without".into()),
    }
}
