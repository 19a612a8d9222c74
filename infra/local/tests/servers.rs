//! The servers, really started.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::{
    env, fs,
    net::TcpStream,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};
use swarmlog_local::{Server, Servers};

/// The example's program, which is an S3 server when told so; cargo builds it before the tests.
fn s3_program() -> Command {
    let tests = env::current_exe().unwrap();
    Command::new(tests.parent().and_then(Path::parent).unwrap().join("examples/local"))
}

fn accepts(address: &str) -> bool {
    let host = address.rsplit('/').find(|part| part.contains(':')).unwrap();
    let host = host.rsplit('@').next().unwrap();
    TcpStream::connect(host).is_ok()
}

/// Pid and start time of every server.
fn pids(folder: &Path) -> Vec<String> {
    ["kafka", "postgres", "s3"].map(|name| fs::read_to_string(folder.join(format!("{name}.pid"))).unwrap_or_default()).into()
}

#[test]
fn up_twice_is_up_once_a_kill_is_noticed_and_down_stops_all() {
    let folder = tempfile::tempdir().unwrap();
    let servers = Servers::open(folder.path(), s3_program).unwrap();
    servers.end_with_this_process().unwrap();
    assert!(Server::ALL.iter().all(|server| !servers.is_running(*server)));
    servers.up(&Server::ALL).unwrap();
    let addresses = servers.addresses().clone();
    for address in [&addresses.kafka, &addresses.postgres, &addresses.s3] {
        assert!(accepts(address), "{address}");
    }

    // Another program that opens the folder finds everything as it is.
    let (first, again) = (pids(folder.path()), Servers::open(folder.path(), s3_program).unwrap());
    again.up(&Server::ALL).unwrap();
    assert_eq!((again.addresses(), pids(folder.path())), (&addresses, first.clone()));

    for server in Server::ALL {
        servers.kill(server).unwrap();
        assert!(!again.is_running(server), "{server:?}");
    }
    // A killed server holds its port no longer, so the next one is not taken for it.
    assert!(!accepts(&addresses.kafka) && !accepts(&addresses.s3));
    again.up(&Server::ALL).unwrap();
    let second = pids(folder.path());
    assert!(first.iter().zip(&second).all(|(first, second)| first != second), "{first:?} {second:?}");
    assert_eq!(servers.addresses(), again.addresses());

    servers.down().unwrap();
    for (server, address) in Server::ALL.iter().zip([&addresses.kafka, &addresses.postgres, &addresses.s3]) {
        assert!(!servers.is_running(*server) && !accepts(address), "{server:?}");
    }
    servers.down().unwrap();
}

#[test]
fn servers_end_with_the_process_that_asked_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("servers");
    let servers = Servers::open(&path, s3_program).unwrap();
    servers.up(&[Server::S3]).unwrap();
    let mut other = Command::new("sleep").arg("600").spawn().unwrap();
    servers.end_with(other.id()).unwrap();
    assert!(servers.is_running(Server::S3));
    other.kill().unwrap();
    other.wait().unwrap();
    let start = Instant::now();
    while servers.is_running(Server::S3) || path.exists() {
        assert!(start.elapsed() < Duration::from_secs(60), "the server outlived the process");
        std::thread::yield_now();
    }
}

#[test]
fn a_server_that_cannot_start_is_named_with_its_log() {
    let folder = tempfile::tempdir().unwrap();
    let servers = Servers::open(folder.path(), || Command::new("false")).unwrap();
    let why = servers.up(&[Server::S3]).unwrap_err().to_string();
    assert!(why.contains("s3 does not answer") && why.contains("s3.log"), "{why}");
    assert!(!servers.is_running(Server::S3));
}
