//! The gate on files: what passes, what is refused with which words, and what the lock becomes.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use serde_json::{Value, json};
use std::{fs, path::PathBuf};
use swarmlog_schemas_gate::{Report, check, lock};
use tempfile::TempDir;

struct Room(TempDir);

impl Room {
    fn new() -> Self {
        let room = Self(TempDir::new().unwrap());
        fs::create_dir_all(room.0.path().join("avro/work")).unwrap();
        fs::write(room.lock_file(), "{\"schemas\": [\n]}\n").unwrap();
        room
    }

    fn lock_file(&self) -> PathBuf {
        self.0.path().join("registry.lock")
    }

    fn write(&self, schema: &Value) {
        let name = schema["name"].as_str().unwrap();
        fs::write(self.0.path().join(format!("avro/work/{name}.avsc")), serde_json::to_string_pretty(schema).unwrap()).unwrap();
    }

    fn check(&self) -> Report {
        check(&self.0.path().join("avro"), &self.lock_file()).unwrap()
    }

    fn lock(&self) -> Report {
        lock(&self.0.path().join("avro"), &self.lock_file()).unwrap()
    }
}

fn event(fields: Value) -> Value {
    let mut all = vec![json!({"name": "job_id", "type": {"type": "string", "logicalType": "uuid"}, "doc": "Identity."})];
    all.extend(fields.as_array().unwrap().clone());
    json!({
        "type": "record", "namespace": "work", "name": "Thing", "doc": "A thing.", "kind": "event",
        "aggregate": "job", "id": "job_id", "fields": all
    })
}

fn field(name: &str, ty: Value) -> Value {
    json!({"name": name, "type": ty, "doc": "A field."})
}

fn with(mut field: Value, attribute: &str, value: Value) -> Value {
    field[attribute] = value;
    field
}

fn level(symbols: &[&str], default: Option<&str>) -> Value {
    let mut ty = json!({"type": "enum", "name": "Level", "symbols": symbols, "doc": "A level."});
    if let Some(default) = default {
        ty["default"] = default.into();
    }
    ty
}

/// What the gate says when each of `versions` but the last was locked in turn.
fn evolve(versions: &[Value]) -> Vec<String> {
    let room = Room::new();
    let (newest, locked) = versions.split_last().unwrap();
    for version in locked {
        room.write(&event(version.clone()));
        let report = room.lock();
        assert!(report.problems.is_empty(), "{:?}", report.problems);
    }
    room.write(&event(newest.clone()));
    room.check().problems.iter().map(ToString::to_string).collect()
}

fn passes(versions: &[Value]) {
    assert_eq!(evolve(versions), Vec::<String>::new());
}

fn refused(versions: &[Value], words: &str) {
    let said = evolve(versions);
    assert!(said.iter().any(|problem| problem.contains(words)), "{words:?} is not in {said:?}");
}

#[test]
fn what_the_decoder_reads_passes() {
    let a = || field("a", json!("long"));
    let added = with(field("b", json!("long")), "default", json!(7));
    passes(&[json!([a()]), json!([a(), added])]);
    passes(&[json!([a()]), json!([])]);
    passes(&[json!([a()]), json!([with(field("b", json!("long")), "aliases", json!(["a"]))])]);
    passes(&[json!([a()]), json!([with(a(), "doc", json!("Said better."))])]);
    passes(&[json!([a()]), json!([with(a(), "minimum", json!(1))])]);
    let of = |symbols: &[&str]| json!([field("level", level(symbols, Some("low")))]);
    passes(&[of(&["low", "high"]), of(&["low", "middle", "high"])]);
}

#[test]
fn what_the_decoder_cannot_read_is_refused() {
    let a = |ty: Value| json!([field("a", ty)]);
    refused(&[json!([]), a(json!("long"))], "field a: it is new and records of version 1 lack it; give it a default");
    refused(&[a(json!("int")), a(json!("long"))], "int in version 1 cannot be read as long");
    refused(&[a(json!("string")), a(json!(["null", "string"]))], "cannot be read as optional string");
    refused(&[a(json!(["null", "string"])), a(json!("string"))], "cannot be read as string");
    refused(&[a(json!("string")), a(json!({"type": "string", "logicalType": "json"}))], "logicalType json");
    refused(&[a(level(&["low"], Some("low"))), json!([])], "cannot skip the enum Level");
    refused(&[a(level(&["low", "high"], Some("low"))), a(level(&["low"], Some("low")))], "symbols of version 1 stay");
    refused(&[a(level(&["low", "high"], Some("low"))), a(level(&["high", "low"], Some("low")))], "in their order");
    refused(&[a(level(&["low"], None)), a(level(&["low", "high"], None))], "new symbols and no default");
    let record = |name: &str| json!({"type": "record", "name": name, "doc": "In it.", "fields": [field("x", json!("long"))]});
    refused(&[a(record("In")), a(record("Within"))], "keep the name");
    let items = |ty: &str| a(json!({"type": "array", "items": ty}));
    refused(&[items("int"), items("string")], "int in version 1 cannot be read as string");
}

#[test]
fn every_locked_version_counts_and_not_only_the_newest() {
    let named = |name: &str, aliases: &[&str]| json!([with(field(name, json!("long")), "aliases", json!(aliases))]);
    passes(&[named("a", &[]), named("b", &["a"]), named("c", &["a", "b"])]);
    refused(&[named("a", &[]), named("b", &["a"]), named("c", &["b"])], "the alias \"a\" is gone");
    let a = |ty: &str| json!([with(field("a", json!(ty)), "default", if ty == "long" { json!(1) } else { json!("x") })]);
    refused(&[a("long"), json!([]), a("string")], "long in version 1 cannot be read as string");
    let two = json!([field("a", json!("long")), field("b", json!("long"))]);
    refused(&[two, named("b", &["a"])], "several fields of version 1 are read into it");
    let default = |n: i64| json!([with(field("a", json!("long")), "default", json!(n))]);
    passes(&[default(1), default(2)]);
    refused(&[json!([]), default(1), default(2)], "so the default stays");
}

#[test]
fn a_schema_that_cannot_be_generated_says_where_and_what_to_do() {
    let says = |schema: Value, words: &str| {
        let room = Room::new();
        room.write(&schema);
        let said: Vec<String> = room.check().problems.iter().map(ToString::to_string).collect();
        assert!(said.iter().any(|problem| problem.contains(words)), "{words:?} is not in {said:?}");
    };
    let a = |attribute: &str, value: Value| event(json!([with(field("a", json!("long")), attribute, value)]));
    says(a("patern", json!("name")), "work.Thing, field a: attribute \"patern\" is unknown here");
    says(a("pattern", json!("name")), "on a plain string only");
    says(a("minimum", json!("1")), "minimum takes a number");
    says(a("default", json!("1")), "the default \"1\" does not fit long");
    says(a("doc", json!("")), "doc is missing");
    says(a("generated", json!(true)), "generated is for the id field of a command");
    says(a("name", json!("A")), "snake_case");
    says(event(json!([field("a", json!("float"))])), "the type \"float\" is unknown");
    says(event(json!([field("a", json!(["string", "null"]))])), "a union is [\"null\", <type>]");
    says(event(json!([field("a", json!({"type": "int", "logicalType": "time-millis"}))])), "\"time-millis\" on int is unknown");
    says(event(json!([field("a", json!("long")), field("a", json!("long"))])), "also a name or an alias");
    says(event(json!([field("a", json!({"type": "array", "items": "Thing"}))])), "\"Thing\" is unknown");
    says(with(event(json!([])), "id", json!("name")), "id names the field \"name\", which does not exist");
    says(with(event(json!([])), "kind", json!("wish")), "kind is one of");
    says(with(event(json!([])), "aggregate", Value::Null), "need \"aggregate\"");
}

#[test]
fn a_schema_whose_names_double_with_every_step_is_refused_before_it_is_written_out() {
    let record = |n: usize, ty: Value| json!({"type": "record", "name": format!("R{n}"), "doc": "R.", "fields": [field("a", ty.clone()), field("b", ty)]});
    let doubling = |steps: usize| {
        let mut fields = vec![field("r0", record(0, json!("long")))];
        fields.extend((1..steps).map(|n| field(&format!("r{n}"), record(n, json!(format!("R{}", n - 1))))));
        Value::Array(fields)
    };
    passes(&[doubling(8)]);
    refused(&[doubling(40)], "more than 4096 types");
}

#[test]
fn a_type_that_two_schemas_define_is_the_same_in_both() {
    let room = Room::new();
    room.write(&event(json!([field("level", level(&["low"], Some("low")))])));
    room.write(&with(event(json!([field("level", level(&["low", "high"], Some("low")))])), "name", json!("Other")));
    let said: Vec<String> = room.check().problems.iter().map(ToString::to_string).collect();
    assert_eq!(said, ["work.Thing: the type Level differs from that in work.Other; make them the same"]);
}

#[test]
fn a_lock_grows_line_by_line_and_its_ids_stay() {
    let room = Room::new();
    room.write(&event(json!([])));
    room.write(&with(event(json!([])), "name", json!("Other")));
    assert_eq!(
        room.lock().unlocked.iter().map(|u| (u.subject.as_str(), u.version, u.id)).collect::<Vec<_>>(),
        [("work.Other", 1, 1), ("work.Thing", 1, 2)]
    );
    let first = fs::read_to_string(room.lock_file()).unwrap();
    assert!(room.check().unlocked.is_empty());
    room.write(&event(json!([with(field("a", json!("long")), "default", json!(0))])));
    assert_eq!(room.check().unlocked.len(), 1);
    room.lock();
    let second = fs::read_to_string(room.lock_file()).unwrap();
    assert!(second.starts_with(first.trim_end().trim_end_matches("]}").trim_end()), "lines stay byte for byte");
    let last: Value = serde_json::from_str::<Value>(&second).unwrap()["schemas"][2].clone();
    assert_eq!((&last["id"], &last["version"]), (&json!(3), &json!(2)));
}

#[test]
fn nothing_is_locked_while_anything_is_wrong() {
    let room = Room::new();
    room.write(&event(json!([])));
    room.write(&with(event(json!([field("a", json!("float"))])), "name", json!("Other")));
    let before = fs::read_to_string(room.lock_file()).unwrap();
    assert!(!room.lock().problems.is_empty());
    assert_eq!(fs::read_to_string(room.lock_file()).unwrap(), before);
}

#[test]
fn a_locked_schema_does_not_vanish_and_a_broken_file_is_named() {
    let room = Room::new();
    room.write(&event(json!([])));
    room.lock();
    let file = room.0.path().join("avro/work/Thing.avsc");
    fs::write(&file, "{").unwrap();
    let said = room.check().problems.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert!(matches!(&said[..], [one] if one.starts_with("work/Thing.avsc: it is not JSON")), "{said:?}");
    fs::remove_file(file).unwrap();
    let said = room.check().problems.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(said, ["work.Thing: its file is gone, but records of it may lie on the log; put it back"]);
}

#[test]
fn a_command_with_a_secret_is_refused_as_long_as_nobody_hashes_it() {
    let room = Room::new();
    let mut command = event(json!([with(field("password", json!("string")), "secret", json!(true))]));
    room.write(&command);
    assert!(room.check().problems.is_empty(), "an event may carry what was hashed");
    command["kind"] = "command".into();
    room.write(&command);
    let said: Vec<String> = room.check().problems.iter().map(ToString::to_string).collect();
    assert!(said.iter().any(|problem| problem.contains("password") && problem.contains("secret")), "{said:?}");
}
