//! The direction of dependencies, read from `cargo metadata`.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use serde_json::Value;
use std::{collections::BTreeMap, process::Command};

/// Which of our rooms a room may use. A crate belongs to the room of its folder; contexts are the crates of `producers/`
/// but the writer.
const ALLOWED: &[(&str, &[&str])] = &[
    ("schemas", &["schemas"]),
    ("infra", &["schemas", "infra"]),
    ("context", &["schemas"]),
    ("writer", &["schemas", "infra"]),
    ("projections", &["schemas"]),
    ("consumers", &["schemas", "infra", "projections", "consumers"]),
    ("gateway", &["schemas", "infra", "projections", "context"]),
    ("worker", &[]),
    ("verify", &["schemas", "infra", "writer", "projections", "consumers"]),
    ("cli", &["schemas", "infra", "context", "writer", "projections", "consumers", "gateway", "worker", "verify"]),
    ("tests", &["schemas", "infra", "context", "writer", "projections", "consumers", "gateway", "worker", "cli", "tests"]),
];

/// What the pure rooms may not even name.
const IMPURE: &[&str] =
    &["tokio", "rdkafka", "rusqlite", "sqlx", "clickhouse", "axum", "reqwest", "object_store", "rand", "futures"];

#[test]
fn every_room_depends_only_on_the_rooms_it_may() {
    let mut wrong = Vec::new();
    for (name, (room, dependencies)) in crates() {
        let allowed =
            ALLOWED.iter().find(|(r, _)| *r == room).unwrap_or_else(|| panic!("{name} lies in no known room: {room}")).1;
        for (dependency, its_room, _) in dependencies.iter().filter_map(|d| d.ours()) {
            if !allowed.contains(&its_room.as_str()) {
                wrong.push(format!("{name} ({room}) must not depend on {dependency} ({its_room})"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn deciders_and_projections_name_nothing_impure() {
    let mut wrong = Vec::new();
    for (name, (room, dependencies)) in crates() {
        if !matches!(room.as_str(), "schemas" | "context" | "projections") {
            continue;
        }
        let named = dependencies.iter().filter(|d| !d.dev).map(|d| d.name.as_str()).filter(|d| IMPURE.contains(d));
        wrong.extend(named.map(|d| format!("{name} must not depend on {d}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn swarmlog_is_the_only_executable() {
    let metadata = metadata();
    let bins = packages(&metadata).flat_map(|p| p["targets"].as_array().unwrap()).filter(|t| t["kind"][0] == "bin");
    assert_eq!(bins.map(|t| t["name"].as_str().unwrap()).collect::<Vec<_>>(), ["swarmlog"]);
}

#[test]
fn the_program_that_is_shipped_has_no_failpoints() {
    let tree = |package: &str| {
        let mut command = Command::new(env!("CARGO"));
        command.args(["tree", "--offline", "--locked", "-e", "normal", "-f", "{p} {f}", "-p", package]);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(tree("swarmlog-tests").contains("failpoints"), "the tests have them");
    assert!(!tree("swarmlog").contains("failpoints"));
}

struct Dependency {
    name: String,
    dev: bool,
    room: Option<String>,
}

impl Dependency {
    /// A dependency of ours that counts; those of tests alone may point anywhere.
    fn ours(&self) -> Option<(&str, &String, bool)> {
        self.room.as_ref().filter(|_| !self.dev).map(|room| (self.name.as_str(), room, self.dev))
    }
}

fn crates() -> BTreeMap<String, (String, Vec<Dependency>)> {
    let metadata = metadata();
    let root = metadata["workspace_root"].as_str().unwrap();
    packages(&metadata)
        .map(|package| {
            let dependencies = package["dependencies"].as_array().unwrap().iter().map(|d| Dependency {
                name: d["name"].as_str().unwrap().to_owned(),
                dev: d["kind"] == "dev",
                room: d["path"].as_str().map(|path| room(root, path)),
            });
            let folder = package["manifest_path"].as_str().unwrap().trim_end_matches("/Cargo.toml");
            (package["name"].as_str().unwrap().to_owned(), (room(root, folder), dependencies.collect()))
        })
        .collect()
}

fn room(root: &str, folder: &str) -> String {
    let relative = folder.strip_prefix(root).unwrap().trim_start_matches('/');
    match relative {
        "producers/writer" => "writer",
        "cli/worker" => "worker",
        "cli/verify" => "verify",
        _ if relative.starts_with("producers/") => "context",
        _ => relative.split('/').next().unwrap(),
    }
    .to_owned()
}

fn packages(metadata: &Value) -> impl Iterator<Item = &Value> {
    metadata["packages"].as_array().unwrap().iter()
}

fn metadata() -> Value {
    let output =
        Command::new(env!("CARGO")).args(["metadata", "--format-version", "1", "--no-deps", "--offline"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}
