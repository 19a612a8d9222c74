//! From checked JSON to bytes.

use super::{JsonErrors, check::run};
use crate::{CodecError, SchemaInfo, codec};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

/// A message that came as JSON, ready for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded {
    /// Identity of its aggregate; empty where the schema names none.
    pub aggregate_id: String,
    /// The Confluent wire format.
    pub wire: Vec<u8>,
}

/// Checks and encodes `value` without naming its type; for whoever serves all commands alike.
pub fn encode(info: &SchemaInfo, value: Value) -> Result<Encoded, CodecError> {
    (info.encode_json)(value)
}

/// Puts `id` into the field that the gateway generates, if the schema has one and the value lacks it.
pub fn with_generated(info: &SchemaInfo, mut value: Value, id: &str) -> Value {
    let record = codec::known(info.id).map(|known| &known.schema.record);
    if let (Ok(record), Value::Object(fields)) = (record, &mut value) {
        for field in record.fields.iter().filter(|field| field.generated) {
            fields.entry(field.name.clone()).or_insert_with(|| id.into());
        }
    }
    value
}

/// What a generated type reads, after the check.
pub(crate) fn read<T: DeserializeOwned>(name: &str, value: Value) -> Result<T, CodecError> {
    let info = crate::schema(name).ok_or_else(|| CodecError::unexpected(name, &[]))?;
    typed(run(info, value, true)?)
}

/// The wire format of what a generated type reads.
pub(crate) fn encoded<T: Serialize + DeserializeOwned>(name: &'static str, value: Value) -> Result<Encoded, CodecError> {
    let info = crate::schema(name).ok_or_else(|| CodecError::unexpected(name, &[]))?;
    let checked = run(info, value, true)?;
    let aggregate_id = info.id_field.and_then(|field| checked[field].as_str()).unwrap_or_default().to_owned();
    let mut wire = Vec::with_capacity(256);
    codec::encode(info.id, &typed::<T>(checked)?, &mut wire)?;
    Ok(Encoded { aggregate_id, wire })
}

fn typed<T: DeserializeOwned>(checked: Value) -> Result<T, CodecError> {
    serde_json::from_value(checked).map_err(|e| JsonErrors::one("", e.to_string()).into())
}
