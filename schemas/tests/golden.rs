//! Examples and golden bytes: what every version of every schema looks like, for ever.
//!
//! `UPDATE_GOLDEN=1 cargo test -p swarmlog-schemas --test golden` writes what is missing and overwrites nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

extern crate swarmlog_schemas as schemas;

use schemas::{SCHEMAS, SchemaInfo, json, locked};
use serde_json::{Value, json};
use std::{fs, path::PathBuf};

const COMMAND: &str = "UPDATE_GOLDEN=1 cargo test -p swarmlog-schemas --test golden";

fn file(folder: &str, name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(folder).join(name)
}

/// The file's text; with `UPDATE_GOLDEN` what `make` says, written, if there is none.
fn read(path: PathBuf, make: impl FnOnce() -> String) -> String {
    if !path.exists() && std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, make()).unwrap();
    }
    fs::read_to_string(&path).unwrap_or_else(|_| panic!("{} is missing; write it with: {COMMAND}", path.display()))
}

fn example(info: &SchemaInfo) -> Value {
    let make = || format!("{:#}\n", sample(&serde_json::from_str(info.json).unwrap()));
    let text = read(file("examples", &format!("{}.json", info.name)), make);
    json::parse(text.as_bytes(), json::Limits::default()).unwrap()
}

/// A first example to improve by hand.
fn sample(record: &Value) -> Value {
    let sample_of = |field: &Value| {
        let ty = if field["type"].is_array() { &field["type"][1] } else { &field["type"] };
        let title = ty["type"].as_str().or(ty.as_str()).unwrap();
        let least = field.get("minimum").cloned().unwrap_or(json!(1));
        match (title, ty["logicalType"].as_str(), field["pattern"].as_str()) {
            ("record", ..) => sample(ty),
            ("enum", ..) => ty["symbols"][0].clone(),
            ("array", ..) => json!([]),
            ("boolean", ..) => json!(true),
            ("long", Some(_), _) => json!("2026-11-21T02:00:00.000000Z"),
            ("int" | "long" | "double", ..) => least,
            ("fixed" | "string" | "Uuid", Some("uuid"), _) | ("Uuid", ..) => json!("0192f0c1-2345-7abc-8def-0123456789ab"),
            (_, Some("json"), _) => json!({}),
            (_, _, Some("sha256")) => json!("0".repeat(64)),
            ("bytes", ..) => json!(""),
            _ => field["name"].clone(),
        }
    };
    record["fields"]
        .as_array()
        .unwrap()
        .iter()
        .map(|field| (field["name"].as_str().unwrap().to_owned(), sample_of(field)))
        .collect()
}

fn golden(subject: &str, version: u32, make: impl FnOnce() -> String) -> Vec<u8> {
    let text = read(file("golden", &format!("{subject}.v{version}.hex")), make);
    let digits: Vec<u32> = text.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_digit(16).unwrap()).collect();
    digits.chunks(2).map(|pair| (pair[0] * 16 + pair[1]) as u8).collect()
}

fn hex(bytes: &[u8]) -> String {
    let line = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>() + "\n";
    bytes.chunks(40).map(line).collect()
}

#[test]
fn every_example_encodes_to_the_golden_bytes_of_its_newest_version() {
    for info in SCHEMAS {
        let encoded = json::encode(info, example(info)).unwrap_or_else(|e| panic!("examples/{}.json: {e}", info.name));
        let newest = locked().iter().rfind(|l| l.subject == info.name).unwrap();
        assert_eq!(newest.id, info.id);
        let golden = golden(info.name, newest.version, || hex(&encoded.wire));
        assert_eq!(
            hex(&encoded.wire),
            hex(&golden),
            "golden/{}.v{}.hex is for ever; take the example back or lock a new version",
            info.name,
            newest.version
        );
        // Just written means not yet built in.
        assert!(std::env::var_os("UPDATE_GOLDEN").is_some() || !info.example.is_empty(), "{} has no example", info.name);
    }
}

#[test]
fn the_golden_bytes_of_every_version_are_read_by_the_production_decoder() {
    for version in locked() {
        let info = schemas::schema(&version.subject).unwrap();
        let place = format!("golden/{}.v{}.hex", version.subject, version.version);
        let encode = || hex(&json::encode(info, example(info)).unwrap().wire);
        let cannot = || panic!("{place} is missing and its version is not the newest; take it back from git");
        let wire = golden(&version.subject, version.version, || if version.id == info.id { encode() } else { cannot() });
        assert_eq!(wire[..5], [&[0], &version.id.0.to_be_bytes()[..]].concat(), "{place}: the prefix names its version");
        let newest = (info.recode)(&wire).unwrap_or_else(|e| panic!("{place}: {e}"));
        assert_eq!(newest[1..5], info.id.0.to_be_bytes(), "{place}");
        if version.id == info.id {
            assert_eq!(newest, wire, "{place} survives");
        }
    }
}

#[test]
fn what_a_history_shows_of_an_example_is_the_example() {
    for info in SCHEMAS {
        let example = example(info);
        let wire = json::encode(info, example.clone()).unwrap().wire;
        assert_eq!(json::payload(&wire).unwrap(), example, "{}", info.name);
    }
}
