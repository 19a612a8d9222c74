//! JSON in and out: what is refused, with which words, and what a value becomes.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

extern crate swarmlog_schemas as schemas;

use schemas::{
    CodecError, Message, SchemaInfo,
    json::{self, JsonError, Limits},
    schema,
    work::{JobCommand, Priority, SubmitJob},
};
use serde_json::{Value, json};

const JOB: &str = "0192f0c1-2345-7abc-8def-0123456789ab";

fn info(name: &str) -> &'static SchemaInfo {
    schema(name).unwrap()
}

fn problems(name: &str, value: Value) -> Vec<(String, String)> {
    let errors = json::check(info(name), value).unwrap_err();
    errors.problems.into_iter().map(|p| (p.pointer, p.detail)).collect()
}

fn submit(change: Value) -> Value {
    let mut command = json!({"job_id": JOB, "queue": "gpu", "kind": "train"});
    command.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    command
}

#[track_caller]
fn refused(change: Value, pointer: &str, words: &str) {
    let said = problems("work.SubmitJob", submit(change));
    assert!(matches!(&said[..], [(p, d)] if p == pointer && d.contains(words)), "{said:?}");
}

#[test]
fn a_command_with_defaults_left_away_is_complete() {
    let command = SubmitJob::from_json("work.SubmitJob", submit(json!({}))).unwrap();
    assert_eq!((command.priority, command.max_attempts, command.config.as_str()), (Priority::Normal, 10, "{}"));
    assert_eq!(JobCommand::from_json("work.SubmitJob", submit(json!({}))).unwrap(), command.into());
}

#[test]
fn every_problem_is_named_at_once_with_its_pointer() {
    let said =
        problems("work.SubmitJob", json!({"queue": "a b", "priority": "soon", "max_attempts": 0, "a/b~c": 1, "config": []}));
    let pointers: Vec<&str> = said.iter().map(|(pointer, _)| pointer.as_str()).collect();
    assert_eq!(pointers, ["/queue", "/kind", "/priority", "/config", "/max_attempts", "/a~1b~0c"]);
    let details: Vec<&str> = said.iter().map(|(_, detail)| detail.as_str()).collect();
    assert_eq!(details[1], "it is missing, and has no default");
    assert_eq!(details[2], "expected one of normal, urgent, critical");
    assert_eq!(details[4], "expected an integer from 1 to 1000");
    assert!(details[5].starts_with("work.SubmitJob has no such field; its fields are job_id, queue"));
}

#[test]
fn nothing_is_taken_for_something_else() {
    refused(json!({"max_attempts": 1.0}), "/max_attempts", "expected an integer, not a number with a fraction");
    refused(json!({"max_attempts": "1"}), "/max_attempts", "expected an integer, not a text");
    refused(json!({"max_attempts": true}), "/max_attempts", "expected an integer, not a truth value");
    refused(json!({"max_attempts": null}), "/max_attempts", "expected an integer, not null");
    refused(json!({"max_attempts": 4_294_967_297_i64}), "/max_attempts", "from 1 to 1000");
    refused(json!({"max_attempts": u64::MAX}), "/max_attempts", "from 1 to 1000");
    refused(json!({"queue": 7}), "/queue", "expected a text, not an integer");
    refused(json!({"priority": 0}), "/priority", "expected one of normal");
    refused(json!({"priority": "Normal"}), "/priority", "expected one of normal");
    refused(json!({"config": "{}"}), "/config", "expected an object, not a text");
    let said = problems("work.ReportProgress", json!({"job_id": JOB, "fence": u64::MAX, "step": -1, "message": 1}));
    assert_eq!(said.iter().map(|(p, _)| p.as_str()).collect::<Vec<_>>(), ["/fence", "/step", "/message"]);
    assert_eq!(problems("work.SubmitJob", json!([])), [(String::new(), "expected an object, not an array".to_owned())]);
}

#[test]
fn texts_keep_to_their_patterns_and_limits() {
    for name in ["", ".", "..", "a/b", "a b", "ä", &"x".repeat(129)] {
        refused(json!({"queue": name}), "/queue", "1 to 128 characters");
    }
    for name in ["a", "...", "A-z_0.9", &"x".repeat(128)] {
        json::check(info("work.SubmitJob"), submit(json!({"queue": name}))).unwrap();
    }
    let cancel = |reason: String| json!({"job_id": JOB, "reason": reason});
    assert_eq!(problems("work.CancelJob", cancel("a\0b".into()))[0].1, "U+0000 is not allowed in a text");
    assert!(problems("work.CancelJob", cancel("x".repeat(65_537)))[0].1.contains("65537 bytes, and 65536 are allowed"));
    json::check(info("work.CancelJob"), cancel("x".repeat(65_536))).unwrap();
    let checkpoint = |sha: &str| json!({"job_id": JOB, "fence": 1, "step": 0, "uri": "x", "sha256": sha, "size_bytes": 1});
    json::check(info("work.RecordCheckpoint"), checkpoint(&"0a".repeat(32))).unwrap();
    for sha in ["0A".repeat(32), "0a".repeat(31), "0g".repeat(32)] {
        assert!(problems("work.RecordCheckpoint", checkpoint(&sha))[0].1.contains("64 lower-case"));
    }
}

#[test]
fn a_uuid_becomes_canonical_and_other_forms_are_refused() {
    let checked = json::check(info("work.SubmitJob"), submit(json!({"job_id": JOB.to_uppercase()}))).unwrap();
    assert_eq!(checked["job_id"], JOB);
    for id in ["", "1", &JOB.replace('-', ""), &format!("{{{JOB}}}"), &format!("urn:uuid:{JOB}"), &JOB.replace('a', "g")] {
        refused(json!({"job_id": id}), "/job_id", "expected a UUID");
    }
}

#[test]
fn the_gateway_fills_in_what_it_generates() {
    let without = json!({"queue": "gpu", "kind": "train"});
    json::check(info("work.SubmitJob"), without.clone()).unwrap();
    let error = SubmitJob::from_json("work.SubmitJob", without.clone()).unwrap_err();
    assert_eq!(error.to_string(), "/job_id: it is missing, and has no default");
    let filled = json::with_generated(info("work.SubmitJob"), without, JOB);
    assert_eq!(json::encode(info("work.SubmitJob"), filled.clone()).unwrap().aggregate_id, JOB);
    assert_eq!(json::with_generated(info("work.SubmitJob"), filled.clone(), "other"), filled, "a given id stays");
    let cancel = json!({});
    assert_eq!(json::with_generated(info("work.CancelJob"), cancel.clone(), JOB), cancel, "only creators generate");
}

#[test]
fn free_json_is_kept_in_canonical_form() {
    let config = json!({"b": [1.0, 1e2, 0.1], "a": {"\u{20ac}": "\n", "z": null}});
    let command = SubmitJob::from_json("work.SubmitJob", submit(json!({"config": config}))).unwrap();
    assert_eq!(command.config, r#"{"a":{"z":null,"€":"\n"},"b":[1,100,0.1]}"#);
    refused(json!({"config": {"a": ["\0"]}}), "/config", "U+0000 is not allowed in a text");
    refused(json!({"config": {"a": {"\0": 1}}}), "/config", "U+0000 is not allowed in a key");
    refused(json!({"config": {"a": 9_007_199_254_740_992_i64}}), "/config", "2^53 - 1");
    refused(json!({"config": {"a": "x".repeat(65_536)}}), "/config", "and 65536 are allowed");
    let nested = |depth: usize| (1..depth).fold(json!({}), |inner, _| json!({ "a": inner }));
    json::check(info("work.SubmitJob"), submit(json!({"config": nested(32)}))).unwrap();
    refused(json!({"config": nested(33)}), "/config", "nested deeper than 32");
}

#[test]
fn times_are_rfc_3339_or_microseconds() {
    let lease = |until: Value| json!({"job_id": JOB, "worker": "w", "fence": 1, "attempt": 1, "until": until});
    let taken = |until: Value| json::check(info("work.JobLeased"), lease(until)).map(|v| v["until"].as_i64().unwrap());
    assert_eq!(taken(json!("1970-01-01T00:00:01Z")), Ok(1_000_000));
    assert_eq!(taken(json!("1970-01-01t01:00:00.000001+01:00")), Ok(1));
    assert_eq!(taken(json!(-1)), Ok(-1));
    for no in [
        json!("1970-01-01"),
        json!("1970-01-01T00:00:01"),
        json!("1970-01-01 00:00:01Z"),
        json!("1970-01-01T00:00:01.Z"),
        json!("1970-13-01T00:00:01Z"),
        json!("1970-01-01T00:00:01+0100"),
        json!("1970-01-01T00:00:01Z[Europe/Berlin]"),
        json!(1.5),
        json!(i64::MAX),
        json!(null),
    ] {
        assert!(taken(no.clone()).is_err(), "{no}");
    }
    let said = taken(json!("1970-01-01T00:00:01.0000001Z")).unwrap_err();
    assert!(said.to_string().contains("leave the digits beyond away"));
    assert_eq!(json::time(1), "1970-01-01T00:00:00.000001Z");
    assert_eq!(json::time(i64::MAX), i64::MAX);
}

#[test]
fn problems_in_arrays_have_pointers_and_an_end() {
    let point = |value: Value| json!({"job_id": "j", "name": "loss", "step": 1, "value": value, "at": 0});
    let batch = |points: Vec<Value>| json!({"source": "w", "batch_id": JOB, "points": points});
    json::check(info("telemetry.MetricPoints"), batch(vec![point(json!(1)), point(json!(-2.5e300))])).unwrap();
    let said = problems("telemetry.MetricPoints", batch(vec![point(json!(1)), point(json!("1")), json!(1)]));
    assert_eq!(said.iter().map(|(p, _)| p.as_str()).collect::<Vec<_>>(), ["/points/1/value", "/points/2"]);
    let said = problems("telemetry.MetricPoints", batch(vec![point(json!(9_007_199_254_740_993_i64))]));
    assert!(said[0].1.contains("not a double exactly"));
    assert_eq!(problems("telemetry.MetricPoints", batch(vec![json!(1); 1000])).len(), 100);
}

#[test]
fn an_unknown_type_is_an_error_of_its_own() {
    assert!(matches!(JobCommand::from_json("work.JobSubmitted", json!({})), Err(CodecError::Unexpected { .. })));
    assert!(schema("work.Nothing").is_none());
}

fn parse(text: impl AsRef<[u8]>) -> Result<Value, JsonError> {
    json::parse(text.as_ref(), Limits::default())
}

#[test]
fn one_json_text_is_read_and_nothing_beside_it() {
    assert_eq!(parse(" {\"a\": [1, -2, 0.5, \"x\\u00e9\", true, null]} ").unwrap(), json!({"a": [1, -2, 0.5, "xé", true, null]}));
    assert_eq!(parse("\"\\ud83d\\ude00\"").unwrap(), "😀");
    for text in [
        "",
        " ",
        "{",
        "[1,]",
        "{\"a\":1,}",
        "{} {}",
        "[1] x",
        "NaN",
        "[Infinity]",
        "-",
        "01",
        "1.",
        "+1",
        "1e400",
        "-1e400",
        "\"\\ud800\"",
        "\"\\ud800x\"",
        "\"\\udc00\"",
        "{\"\\ud800\":1}",
        "\"\\u0000\"",
        "{\"\\u0000\":1}",
        "\"\t\"",
        "'a'",
        "\u{feff}{}",
        "// x\n{}",
        "{\"a\":1,\"a\":1}",
        "{\"b\":{\"a\":1,\"\\u0061\":2}}",
        "nul",
    ] {
        assert!(parse(text).is_err(), "{text:?}");
        assert_eq!(parse(text), parse(text));
    }
    assert!(parse(b"\"\xff\"").is_err());
    assert!(parse(b"\"\xed\xa0\x80\"").is_err());
}

#[test]
fn depth_and_length_are_limited_without_a_stack_to_lose() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    parse(nested(32)).unwrap();
    assert!(parse(nested(33)).unwrap_err().to_string().contains("nested deeper than 32"));
    for depth in [10_000, 500_000] {
        parse(nested(depth)).unwrap_err();
        parse("[".repeat(depth)).unwrap_err();
        parse("{\"a\":".repeat(depth / 5)).unwrap_err();
    }
    let limits = Limits { bytes: 4 };
    json::parse(b"1234", limits).unwrap();
    assert_eq!(json::parse(b"12345", limits), Err(JsonError::TooLarge { bytes: 5, limit: 4 }));
}

#[test]
fn equal_bodies_have_equal_hashes_and_others_do_not() {
    let hash = |text: &str| json::body_hash(&parse(text).unwrap());
    assert_eq!(hash(r#"{"b": 1, "a": 100}"#), hash(r#"{"a":1e2,"b":1.0}"#));
    assert_ne!(hash(r#"{"a":1}"#), hash(r#"{"a":"1"}"#));
    assert_ne!(hash(r#"{"a":9007199254740993}"#), hash(r#"{"a":9007199254740992}"#), "not lost in a double");
    // SHA-256 of the canonical text {"a":1}.
    assert_eq!(hash("{\"a\":1}")[..4], [0x01, 0x5a, 0xbd, 0x7f]);
}

#[test]
fn the_json_schema_of_a_command_says_what_the_check_takes() {
    let schema = json::json_schema(info("work.SubmitJob"));
    assert_eq!(schema["additionalProperties"], false);
    assert_eq!(schema["required"], json!(["queue", "kind"]));
    assert_eq!(schema["properties"]["max_attempts"]["maximum"], 1000);
    assert_eq!(schema["properties"]["config"]["default"], json!({}));
    assert_eq!(schema["properties"]["priority"]["enum"], json!(["normal", "urgent", "critical"]));
    assert_eq!(schema["examples"][0]["queue"], "gpu");
    let cancel = json::json_schema(info("work.CancelJob"));
    assert_eq!(cancel["properties"]["reason"]["type"], json!(["string", "null"]));
}

/// Every field of every example is replaced by values of every kind; JSON Schema and check agree on each.
#[test]
fn json_schema_and_check_agree() {
    let replacements = [
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(1),
        json!(1001),
        json!(5_000_000_000_i64),
        json!(0.5),
        json!(""),
        json!("x"),
        json!(".."),
        json!("a b"),
        json!("normal"),
        json!("{}"),
        json!([]),
        json!([1]),
        json!({}),
        json!({"x": 1}),
    ];
    for info in schemas::SCHEMAS {
        let document = json::json_schema(info);
        let validator = jsonschema::options().should_validate_formats(true).build(&document).unwrap();
        let example: Value = serde_json::from_str(info.example).unwrap();
        let mut cases = vec![example.clone()];
        for field in example.as_object().unwrap().keys() {
            let mut without = example.clone();
            without.as_object_mut().unwrap().remove(field);
            cases.push(without);
            cases.extend(replacements.iter().map(|value| {
                let mut case = example.clone();
                case[field] = value.clone();
                case
            }));
        }
        cases.push({
            let mut case = example.clone();
            case["unknown"] = json!(1);
            case
        });
        for case in cases {
            let checked = json::check(info, case.clone());
            assert_eq!(validator.is_valid(&case), checked.is_ok(), "{}: {case} {checked:?}", info.name);
        }
    }
}
