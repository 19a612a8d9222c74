//! The codec: Confluent wire format around Avro, straight between bytes and generated types.
//!
//! A datum is read with the schema that wrote it (by its number); what newer fields lack comes from serde defaults
//! that are generated from the `.avsc`. Every schema is parsed once. Allocation for one datum is bounded.
//! Format: <https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/index.html#wire-format>.

use crate::{SchemaId, envelope::Envelope};
use apache_avro::{Schema, reader::datum::GenericDatumReader, writer::datum::GenericDatumWriter};
use serde::{Serialize, de::DeserializeOwned};
use std::sync::LazyLock;

/// The most that one datum may make the decoder allocate, in bytes.
pub const MAX_DATUM_BYTES: usize = 4 << 20;

/// Bytes or JSON that are not the message they are said to be.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// The bytes do not start with the wire format's prefix.
    #[error("not in the Confluent wire format: {0} bytes, the first must be 0 and five make the prefix")]
    Prefix(usize),
    /// The schema is not known to this program.
    #[error("schema id {0} is unknown to this program; it may be newer: upgrade readers before writers")]
    UnknownSchema(SchemaId),
    /// The Avro datum cannot be written or read.
    #[error("schema id {schema}: {source}")]
    Avro {
        /// The schema.
        schema: SchemaId,
        /// What is wrong.
        #[source]
        source: Box<apache_avro::Error>,
    },
    /// Bytes follow the datum.
    #[error("schema id {schema}: {count} bytes follow the datum")]
    Trailing {
        /// The schema.
        schema: SchemaId,
        /// How many.
        count: usize,
    },
    /// A message of another type was expected.
    #[error("message type {name:?} is none of {expected:?}")]
    Unexpected {
        /// The type found.
        name: String,
        /// The types that fit.
        expected: &'static [&'static str],
    },
    /// The JSON form does not fit the schema.
    #[error("{pointer}: {detail}")]
    Json {
        /// JSON pointer (RFC 6901) of the field.
        pointer: String,
        /// What is wrong.
        detail: String,
    },
}

impl CodecError {
    /// A message of another type was expected.
    pub fn unexpected(name: &str, expected: &'static [&'static str]) -> Self {
        Self::Unexpected { name: name.to_owned(), expected }
    }
}

/// Refuses a type that is not among `expected`.
pub fn expect(name: &str, expected: &'static [&'static str]) -> Result<(), CodecError> {
    if expected.contains(&name) { Ok(()) } else { Err(CodecError::unexpected(name, expected)) }
}

/// Appends the wire format of `value`.
pub fn encode<T: Serialize>(id: SchemaId, value: &T, out: &mut Vec<u8>) -> Result<(), CodecError> {
    out.push(0);
    out.extend_from_slice(&id.0.to_be_bytes());
    encode_datum(id, value, out)
}

/// Reads the wire format.
pub fn decode<T: DeserializeOwned>(wire: &[u8]) -> Result<T, CodecError> {
    let (id, datum) = split(wire)?;
    decode_datum(id, datum)
}

/// The schema id and the datum of the wire format.
pub fn split(wire: &[u8]) -> Result<(SchemaId, &[u8]), CodecError> {
    match wire.split_at_checked(5) {
        Some(([0, id @ ..], datum)) => match <[u8; 4]>::try_from(id) {
            Ok(id) => Ok((SchemaId(u32::from_be_bytes(id)), datum)),
            Err(_) => Err(CodecError::Prefix(wire.len())),
        },
        _ => Err(CodecError::Prefix(wire.len())),
    }
}

impl Envelope {
    /// Appends the Avro datum, with the schema id before it as in the wire format.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), CodecError> {
        encode(*ENVELOPE, self, out)
    }

    /// Reads what [`encode`](Self::encode) of this or an earlier version wrote.
    pub fn decode(wire: &[u8]) -> Result<Self, CodecError> {
        decode(wire)
    }
}

static ENVELOPE: LazyLock<SchemaId> = LazyLock::new(|| crate::schema("envelope.Envelope").map_or(SchemaId(0), |s| s.id));

fn encode_datum<T: Serialize>(id: SchemaId, value: &T, out: &mut Vec<u8>) -> Result<(), CodecError> {
    let codec = codec(id)?;
    codec.writer.write_ser(out, value).map(drop).map_err(|source| CodecError::Avro { schema: id, source: Box::new(source) })
}

fn decode_datum<T: DeserializeOwned>(id: SchemaId, mut datum: &[u8]) -> Result<T, CodecError> {
    let codec = codec(id)?;
    let value =
        codec.reader.read_deser(&mut datum).map_err(|source| CodecError::Avro { schema: id, source: Box::new(source) })?;
    match datum.len() {
        0 => Ok(value),
        count => Err(CodecError::Trailing { schema: id, count }),
    }
}

struct Codec {
    writer: GenericDatumWriter<'static>,
    reader: GenericDatumReader<'static>,
}

fn codec(id: SchemaId) -> Result<&'static Codec, CodecError> {
    static CODECS: LazyLock<Vec<Option<Codec>>> = LazyLock::new(codecs);
    CODECS.get(id.0 as usize).and_then(Option::as_ref).ok_or(CodecError::UnknownSchema(id))
}

/// Every locked schema version, by number. The documents come from the program itself, so they are leaked once.
fn codecs() -> Vec<Option<Codec>> {
    apache_avro::util::max_allocation_bytes(MAX_DATUM_BYTES);
    let mut codecs = Vec::new();
    for (id, json) in crate::locked_schemas() {
        let codec = Schema::parse(&json).ok().and_then(|schema| {
            let schema: &'static Schema = Box::leak(Box::new(schema));
            Some(Codec {
                writer: GenericDatumWriter::builder(schema).human_readable(false).build().ok()?,
                reader: GenericDatumReader::builder(schema).human_readable(false).build().ok()?,
            })
        });
        let place = id.0 as usize;
        if codecs.len() <= place {
            codecs.resize_with(place + 1, || None);
        }
        codecs[place] = codec;
    }
    codecs
}

/// Reads the JSON form of a message.
pub fn from_json<T: DeserializeOwned>(json: serde_json::Value) -> Result<T, CodecError> {
    serde_json::from_value(json).map_err(|e| CodecError::Json { pointer: String::new(), detail: e.to_string() })
}
