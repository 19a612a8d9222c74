//! What the gate lets pass is read by the production decoder into generated types, and what it refuses is not.
//! `tests/evolution` holds two versions of a schema; the build writes their types as it writes all others.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use crate::{
    CodecError, SchemaId,
    codec::{decode_with, encode_with, know},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

#[allow(missing_docs, dead_code, reason = "generated, and not all of it is looked at")]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/evolution.rs"));
}
use generated::{v1, v2};

fn schema(version: u32) -> Value {
    let text = match version {
        1 => include_str!("../tests/evolution/v1.avsc"),
        _ => include_str!("../tests/evolution/v2.avsc"),
    };
    serde_json::from_str(text).unwrap()
}

/// Writes with one schema and reads into a type of another.
fn read<R: DeserializeOwned>(writer: &Value, value: &impl Serialize) -> Result<R, CodecError> {
    let known = know(writer).expect("the writer's schema is sound");
    let mut datum = Vec::new();
    encode_with(&known, SchemaId(1), value, &mut datum).unwrap();
    decode_with(&known, SchemaId(1), &datum)
}

fn first() -> v1::Thing {
    v1::Thing {
        thing_id: "a".into(),
        name: "n".into(),
        gone: Some(vec![1, 2]),
        level: v1::Level::High,
        parts: vec![v1::Part { count: 3, raw: vec![9] }, v1::Part { count: 4, raw: vec![] }],
    }
}

#[test]
fn the_gate_lets_the_second_version_pass() {
    let parse = |version| crate::gate::parse(&schema(version)).unwrap();
    assert_eq!(crate::gate::incompatibilities(&[(1, parse(1))], &parse(2)), []);
}

#[test]
fn added_fields_take_their_defaults_renamed_ones_their_aliases_and_removed_ones_are_skipped() {
    let part = |amount| v2::Part {
        amount,
        note: None,
        settings: "{}".into(),
        ratio: 0.5,
        tags: Vec::new(),
        level: v2::Level::High,
        r#final: true,
    };
    let second =
        v2::Thing { priority: 7, thing_id: "a".into(), title: "n".into(), level: v2::Level::High, parts: vec![part(3), part(4)] };
    assert_eq!(read::<v2::Thing>(&schema(1), &first()).unwrap(), second);
    assert_eq!(read::<v2::Thing>(&schema(2), &second).unwrap(), second);
}

#[test]
fn a_symbol_that_a_newer_program_writes_is_the_default_from_avro_and_an_error_from_json() {
    let mut newer = schema(1);
    newer["fields"][3]["type"]["symbols"] = json!(["extreme", "low", "high"]);
    #[derive(Serialize)]
    struct Newer {
        thing_id: &'static str,
        name: &'static str,
        gone: Option<Vec<i64>>,
        level: Level,
        parts: Vec<v1::Part>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "snake_case")]
    enum Level {
        Extreme,
        High,
    }
    let write = |level| Newer { thing_id: "a", name: "n", gone: None, level, parts: vec![] };
    assert_eq!(read::<v1::Thing>(&newer, &write(Level::Extreme)).unwrap().level, v1::Level::Low);
    assert_eq!(read::<v1::Thing>(&newer, &write(Level::High)).unwrap().level, v1::Level::High);
    let error = serde_json::from_value::<v1::Level>(json!("extreme")).unwrap_err();
    assert_eq!(error.to_string(), "unknown variant `extreme`, expected `low` or `high`");
    assert_eq!(serde_json::from_value::<v1::Level>(json!("high")).unwrap(), v1::Level::High);
}

/// The reasons for what the gate refuses: if one of these is read some day, the gate may become milder.
#[test]
fn what_the_gate_refuses_is_not_read() {
    #[derive(Serialize, Deserialize, Debug)]
    struct Thing<T> {
        a: T,
    }
    #[derive(Deserialize, Debug)]
    struct Without {}
    #[derive(Deserialize, Debug)]
    #[serde(rename = "Thing")]
    struct Skipping {}
    let of = |ty: Value| {
        json!({"type": "record", "namespace": "trial", "name": "Thing", "doc": "A thing.", "kind": "fact", "fields": [
            {"name": "a", "type": ty, "doc": "A field."}
        ]})
    };
    let level = json!({"type": "enum", "name": "Level", "symbols": ["low", "high"], "default": "low", "doc": "A level."});
    assert!(read::<Thing<i32>>(&of(json!("int")), &Thing { a: 1 }).is_ok());
    assert!(read::<Thing<i64>>(&of(json!("int")), &Thing { a: 1 }).is_err(), "an int is not widened");
    let a = || Thing { a: "x" };
    assert!(read::<Thing<Option<String>>>(&of(json!("string")), &a()).is_err(), "a value is not wrapped");
    assert!(read::<Without>(&of(json!("string")), &a()).is_err(), "a record keeps its name");
    assert!(read::<Skipping>(&of(json!("string")), &a()).is_ok(), "a text is skipped");
    assert!(read::<Skipping>(&of(level), &Thing { a: v1::Level::Low }).is_err(), "an enum is not");
}
