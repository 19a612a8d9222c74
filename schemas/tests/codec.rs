//! The codec on every schema: what goes in comes out, and damaged bytes are refused.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

extern crate swarmlog_schemas as schemas;

use proptest::{collection::vec, prelude::*, sample::select};
use schemas::{
    CodecError, Message, SCHEMAS, SchemaId, SchemaInfo, codec,
    gate::model::{Form, Limits, Record, Type},
    json, locked,
    work::{JobEvent, JobSubmitted, Priority},
};
use serde_json::{Map, Value, json};

/// JSON that the schema takes.
fn values(ty: &Type) -> BoxedStrategy<Value> {
    let whole = |limits: &Limits<i64>, least: i64, most: i64| {
        let range = limits.minimum.unwrap_or(least)..=limits.maximum.unwrap_or(most);
        prop_oneof![range.clone(), Just(*range.start()), Just(*range.end())].prop_map(Value::from).boxed()
    };
    match ty {
        Type::Boolean => any::<bool>().prop_map(Value::from).boxed(),
        Type::Int(limits) => whole(limits, i32::MIN.into(), i32::MAX.into()),
        Type::Long(limits) => whole(limits, i64::MIN, i64::MAX),
        Type::Double(_) => any::<f64>().prop_filter("finite", |n| n.is_finite()).prop_map(Value::from).boxed(),
        Type::Text(Form::Free) => {
            vec(any::<char>(), 0..40).prop_map(|text| text.into_iter().filter(|c| *c != '\0').collect::<String>().into()).boxed()
        }
        Type::Text(Form::Name) => {
            vec(select(b"aZ09._-".to_vec()), 3..128).prop_map(|name| String::from_utf8(name).unwrap().into()).boxed()
        }
        Type::Text(Form::Sha256) => any::<[u8; 32]>().prop_map(|hash| hash.map(|b| format!("{b:02x}")).concat().into()).boxed(),
        Type::Text(Form::Uuid) | Type::Uuid => any::<u128>().prop_map(|id| uuid::Uuid::from_u128(id).to_string().into()).boxed(),
        Type::Text(Form::Json) => select(vec![json!({}), json!({"a": [1, 2.5, {"b": null}]}), json!({"ä": "x"})]).boxed(),
        Type::Bytes => select(vec![json!(""), json!("AA=="), json!("/+8=")]).boxed(),
        Type::Time => (-62_135_596_800_000_000_i64..253_402_207_199_999_999).prop_map(json::time).boxed(),
        Type::Enum(symbols) => select(symbols.symbols.clone()).prop_map(Value::from).boxed(),
        Type::Record(record) => records(record),
        Type::Array(items) => vec(values(items), 0..5).prop_map(Value::from).boxed(),
        Type::Optional(inner) => prop_oneof![Just(Value::Null), values(inner)].boxed(),
    }
}

fn records(record: &Record) -> BoxedStrategy<Value> {
    let fields: Vec<_> = record
        .fields
        .iter()
        .map(|f| {
            values(&f.ty).prop_map({
                let name = f.name.clone();
                move |v| (name.clone(), v)
            })
        })
        .collect();
    fields.prop_map(|fields| Value::Object(fields.into_iter().collect::<Map<_, _>>())).boxed()
}

fn messages() -> impl Strategy<Value = (&'static SchemaInfo, Value)> {
    let of = |info: &'static SchemaInfo| {
        let schema = schemas::gate::parse(&serde_json::from_str(info.json).unwrap()).unwrap();
        records(&schema.record).prop_map(move |value| (info, value)).boxed()
    };
    proptest::strategy::Union::new(SCHEMAS.iter().map(of))
}

fn example(info: &SchemaInfo) -> Vec<u8> {
    json::encode(info, serde_json::from_str(info.example).unwrap()).unwrap().wire
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn what_is_encoded_is_decoded_and_shown_as_it_was((info, value) in messages()) {
        let wire = json::encode(info, value.clone()).unwrap().wire;
        prop_assert_eq!(&(info.recode)(&wire).unwrap(), &wire);
        prop_assert_eq!(json::payload(&wire).unwrap(), value);
    }

    #[test]
    fn truncated_bytes_are_refused((info, value) in messages(), cut in any::<prop::sample::Index>()) {
        let wire = json::encode(info, value).unwrap().wire;
        let cut = &wire[..cut.index(wire.len())];
        prop_assert!((info.recode)(cut).is_err());
        prop_assert!(json::payload(cut).is_err());
    }

    #[test]
    fn trailing_bytes_are_refused((info, value) in messages(), more in vec(any::<u8>(), 1..9)) {
        let wire = [json::encode(info, value).unwrap().wire, more.clone()].concat();
        let count = more.len();
        let refused = matches!((info.recode)(&wire), Err(CodecError::Trailing { count: c, .. }) if c == count);
        prop_assert!(refused);
        let refused = matches!(json::payload(&wire), Err(CodecError::Trailing { count: c, .. }) if c == count);
        prop_assert!(refused);
    }

    #[test]
    fn mutated_bytes_never_panic((info, value) in messages(), place in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut wire = json::encode(info, value).unwrap().wire;
        let place = place.index(wire.len());
        wire[place] = byte;
        // Some mutations are other values; what is read again encodes again.
        if let Ok(again) = (info.recode)(&wire) {
            prop_assert!((info.recode)(&again).is_ok());
        }
        let _ = json::payload(&wire);
    }

    #[test]
    fn noise_never_panics(schema in 0_u32..40, noise in vec(any::<u8>(), 0..200)) {
        let wire = [&[0], &schema.to_be_bytes()[..], &noise].concat();
        for info in SCHEMAS {
            let _ = (info.recode)(&wire);
        }
        let _ = json::payload(&wire);
    }
}

#[test]
fn every_locked_schema_is_known_to_the_codec() {
    for version in locked() {
        let unreadable = [&[0], &version.id.0.to_be_bytes()[..]].concat();
        let error = json::payload(&unreadable).unwrap_err();
        assert!(!matches!(error, CodecError::UnknownSchema(_)), "{} version {}", version.subject, version.version);
    }
}

#[test]
fn what_is_no_record_is_named() {
    let wire = example(&SCHEMAS[0]);
    assert!(matches!(codec::split(&wire[..4]), Err(CodecError::Prefix(4))));
    assert!(matches!(codec::split(&[1, 0, 0, 0, 1, 0]), Err(CodecError::Prefix(6))));
    assert!(matches!(json::payload(&[0, 0, 0, 255, 255]), Err(CodecError::UnknownSchema(SchemaId(65_535)))));
    let long = [&wire[..5], &vec![0; codec::MAX_DATUM_BYTES]].concat();
    assert!(matches!(codec::split(&long), Err(CodecError::TooLarge(_))));
    assert!(matches!(JobEvent::decode("work.SubmitJob", &wire), Err(CodecError::Unexpected { .. })));
}

#[test]
fn what_does_not_encode_leaves_nothing_behind() {
    let large = JobSubmitted {
        job_id: "x".into(),
        queue: "x".repeat(codec::MAX_DATUM_BYTES),
        kind: "x".into(),
        priority: Priority::Normal,
        config: "{}".into(),
        max_attempts: 1,
    };
    let mut out = vec![7];
    assert!(matches!(large.encode(&mut out), Err(CodecError::TooLarge(_))));
    assert_eq!(out, [7]);
}

#[test]
fn a_message_knows_its_aggregate() {
    for info in SCHEMAS.iter().filter(|info| info.id_field.is_some()) {
        let value: Value = serde_json::from_str(info.example).unwrap();
        let id = json::encode(info, value).unwrap().aggregate_id;
        assert_eq!(id, "0192f0c1-2345-7abc-8def-0123456789ab", "{}", info.name);
    }
}
