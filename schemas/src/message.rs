//! Messages: records with a schema.

use crate::CodecError;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Number of a schema version in the registry; the four bytes of the Confluent wire format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SchemaId(pub u32);

impl fmt::Display for SchemaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a schema is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SchemaKind {
    /// A wish, decided by a decider.
    Command,
    /// What happened.
    Event,
    /// What was measured; nobody decides on it.
    Fact,
    /// What surrounds a record.
    Envelope,
    /// The answer to a command.
    Result,
}

/// The newest version of a schema.
#[derive(Debug)]
pub struct SchemaInfo {
    /// Its number.
    pub id: SchemaId,
    /// Its full name, which is the subject: `work.SubmitJob`.
    pub name: &'static str,
    /// Its context: `work`.
    pub context: &'static str,
    /// What it is for.
    pub kind: SchemaKind,
    /// Type of its aggregate: `job`.
    pub aggregate: Option<&'static str>,
    /// Field that identifies the aggregate: `job_id`.
    pub id_field: Option<&'static str>,
    /// The `.avsc` document, on one line.
    pub json: &'static str,
    /// An example of its JSON form.
    pub example: &'static str,
    /// Checks a JSON value and encodes it: see [`json::encode`](crate::json::encode).
    pub encode_json: fn(serde_json::Value) -> Result<crate::json::Encoded, CodecError>,
    /// Reads a record of any locked version, as the program does, and writes it in this version.
    pub recode: fn(&[u8]) -> Result<Vec<u8>, CodecError>,
}

/// The newest version of the schema called `name`.
pub fn schema(name: &str) -> Option<&'static SchemaInfo> {
    let place = crate::SCHEMAS.binary_search_by(|s| s.name.cmp(name)).ok()?;
    crate::SCHEMAS.get(place)
}

/// A generated record, or the sum of several.
pub trait Message: Sized + Clone + fmt::Debug + PartialEq + Send + Sync + 'static {
    /// Full names of the record types that this can hold.
    const TYPES: &'static [&'static str];
    /// Full name of the record type held.
    fn name(&self) -> &'static str;
    /// Number of the schema that [`encode`](Self::encode) writes.
    fn schema_id(&self) -> SchemaId;
    /// Identity of the aggregate that it is about; empty where its schema names none.
    fn aggregate_id(&self) -> &str {
        ""
    }
    /// Appends the Confluent wire format: a zero byte, the schema id (4 bytes, big-endian), the Avro datum.
    fn encode(&self, out: &mut Vec<u8>) -> Result<(), CodecError>;
    /// Reads what [`encode`](Self::encode) of this or an earlier version wrote for the type `name`.
    fn decode(name: &str, wire: &[u8]) -> Result<Self, CodecError>;
    /// Reads the JSON form of the type `name`, strictly; absent fields take their defaults.
    fn from_json(name: &str, json: serde_json::Value) -> Result<Self, CodecError>;

    /// The JSON form, for people: times as RFC 3339, free JSON as JSON, secrets as `[secret]`.
    fn to_json(&self) -> Result<serde_json::Value, CodecError> {
        let mut wire = Vec::new();
        self.encode(&mut wire)?;
        crate::json::payload(&wire)
    }
}

/// The kinds of topic that a context has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stream {
    /// `<context>.commands`
    Commands,
    /// `<context>.events`
    Events,
    /// `<context>.results`
    Results,
}

impl Stream {
    /// Name of the topic of `context`.
    pub fn topic(self, context: &str) -> String {
        let stream = match self {
            Self::Commands => "commands",
            Self::Events => "events",
            Self::Results => "results",
        };
        format!("{context}.{stream}")
    }
}

/// Name of the topic in which the writer of `context` keeps its snapshots. It is the writer's own and no [`Stream`]: whoever
/// wants to know what happened reads events.
pub fn snapshots_topic(context: &str) -> String {
    format!("{context}.snapshots")
}

/// The records that a projection reads; all others pass by undecoded.
pub trait Subset: Sized + Send + 'static {
    /// The kinds of topic it reads.
    const STREAMS: &'static [Stream];
    /// Whether it reads records of the type `name`.
    fn reads(name: &str) -> bool;
    /// Reads one.
    fn decode(name: &str, wire: &[u8]) -> Result<Self, CodecError>;
}

impl<M: Message> Subset for M {
    const STREAMS: &'static [Stream] = &[Stream::Events];

    fn reads(name: &str) -> bool {
        M::TYPES.contains(&name)
    }

    fn decode(name: &str, wire: &[u8]) -> Result<Self, CodecError> {
        M::decode(name, wire)
    }
}
