//! The codec: Confluent wire format around Avro, straight between bytes and generated types.
//!
//! A datum is read with the schema that wrote it (by its number); what newer fields lack comes from serde defaults
//! that are generated from the `.avsc`. Every schema is parsed once. A record longer than [`MAX_DATUM_BYTES`] is
//! refused, and no length inside a datum makes the decoder allocate more than that at once.
//! Format: <https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/index.html#wire-format>.

use crate::{SchemaId, envelope::Envelope, json::JsonErrors};
use apache_avro::{Schema, reader::datum::GenericDatumReader, writer::datum::GenericDatumWriter};
use serde::{Serialize, de::DeserializeOwned};
use std::sync::LazyLock;

/// The most bytes of an encoded record, and the most that one length in it may make the decoder allocate.
pub const MAX_DATUM_BYTES: usize = 4 << 20;

/// Bytes or JSON that are not the message they are said to be.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// The bytes do not start with the wire format's prefix.
    #[error("not in the Confluent wire format: {0} bytes, the first must be 0 and five make the prefix")]
    Prefix(usize),
    /// The record is longer than [`MAX_DATUM_BYTES`].
    #[error("a record of {0} bytes, and {MAX_DATUM_BYTES} are allowed; put large things into a blob")]
    TooLarge(usize),
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
    #[error(transparent)]
    Json(#[from] JsonErrors),
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

/// Appends the wire format of `value`; on an error `out` is as it was.
pub fn encode<T: Serialize>(id: SchemaId, value: &T, out: &mut Vec<u8>) -> Result<(), CodecError> {
    let start = out.len();
    out.push(0);
    out.extend_from_slice(&id.0.to_be_bytes());
    let written = known(id).and_then(|known| encode_with(known, id, value, out)).and_then(|()| match out.len() - start {
        ..=MAX_DATUM_BYTES => Ok(()),
        length => Err(CodecError::TooLarge(length)),
    });
    if written.is_err() {
        out.truncate(start);
    }
    written
}

/// Reads the wire format.
pub fn decode<T: DeserializeOwned>(wire: &[u8]) -> Result<T, CodecError> {
    let (id, datum) = split(wire)?;
    decode_datum(id, datum)
}

/// Reads the wire format of any version and writes that of the schema `id`.
pub(crate) fn recode<T: Serialize + DeserializeOwned>(id: SchemaId, wire: &[u8]) -> Result<Vec<u8>, CodecError> {
    let value: T = decode(wire)?;
    let mut out = Vec::with_capacity(wire.len());
    encode(id, &value, &mut out)?;
    Ok(out)
}

/// The schema id and the datum of the wire format.
pub fn split(wire: &[u8]) -> Result<(SchemaId, &[u8]), CodecError> {
    match wire {
        [0, a, b, c, d, datum @ ..] if wire.len() <= MAX_DATUM_BYTES => {
            Ok((SchemaId(u32::from_be_bytes([*a, *b, *c, *d])), datum))
        }
        [0, _, _, _, _, ..] => Err(CodecError::TooLarge(wire.len())),
        _ => Err(CodecError::Prefix(wire.len())),
    }
}

/// Reads the JSON form of the type `name`, strictly: see [`json::check`](crate::json::check).
pub fn from_json<T: DeserializeOwned>(name: &str, json: serde_json::Value) -> Result<T, CodecError> {
    crate::json::read(name, json)
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

/// Reads a datum of the schema `id`.
pub(crate) fn decode_datum<T: DeserializeOwned>(id: SchemaId, datum: &[u8]) -> Result<T, CodecError> {
    decode_with(known(id)?, id, datum)
}

pub(crate) fn encode_with<T: Serialize>(known: &Known, id: SchemaId, value: &T, out: &mut Vec<u8>) -> Result<(), CodecError> {
    known.writer.write_ser(out, value).map(drop).map_err(|e| avro(id, e))
}

pub(crate) fn decode_with<T: DeserializeOwned>(known: &Known, id: SchemaId, mut datum: &[u8]) -> Result<T, CodecError> {
    let value = known.reader.read_deser(&mut datum).map_err(|e| avro(id, e))?;
    match datum.len() {
        0 => Ok(value),
        count => Err(CodecError::Trailing { schema: id, count }),
    }
}

fn avro(schema: SchemaId, source: apache_avro::Error) -> CodecError {
    CodecError::Avro { schema, source: Box::new(source) }
}

/// What the program keeps of a schema version.
pub(crate) struct Known {
    writer: GenericDatumWriter<'static>,
    reader: GenericDatumReader<'static>,
    /// The schema, typed.
    pub schema: gate::model::Schema,
}

/// The schema version with the number `id`.
pub(crate) fn known(id: SchemaId) -> Result<&'static Known, CodecError> {
    static KNOWN: LazyLock<Vec<Option<Known>>> = LazyLock::new(all);
    KNOWN.get(id.0 as usize).and_then(Option::as_ref).ok_or(CodecError::UnknownSchema(id))
}

/// Every locked schema version, by number; a test says that none is left out.
fn all() -> Vec<Option<Known>> {
    apache_avro::util::max_allocation_bytes(MAX_DATUM_BYTES);
    let mut all = Vec::new();
    for locked in crate::locked() {
        let place = locked.id.0 as usize;
        if all.len() <= place {
            all.resize_with(place + 1, || None);
        }
        all[place] = know(&locked.schema);
    }
    all
}

pub(crate) fn know(json: &serde_json::Value) -> Option<Known> {
    // The documents are part of the program, so their parsed form may live as long as it.
    let schema: &'static Schema = Box::leak(Box::new(Schema::parse(json).ok()?));
    Some(Known {
        writer: GenericDatumWriter::builder(schema).human_readable(false).build().ok()?,
        reader: GenericDatumReader::builder(schema).human_readable(false).build().ok()?,
        schema: gate::parse(json).ok()?,
    })
}
