//! The few fields of an envelope or a result that a recovery needs, read without keeping the rest.

use crate::deduplication::BodyHash;
use serde::{
    Deserialize, Deserializer,
    de::{Error, Visitor},
};
use std::fmt;
use uuid::Uuid;

/// Of an envelope.
#[derive(Debug, Deserialize)]
#[serde(rename = "Envelope")]
pub(crate) struct EnvelopeGlance {
    pub(crate) seq: i64,
    pub(crate) position: i64,
    pub(crate) r#type: TypeName,
    pub(crate) command_id: Uuid,
    pub(crate) recorded_at: i64,
    #[serde(default)]
    pub(crate) idempotent: bool,
    #[serde(default)]
    pub(crate) body_hash: Option<BodyHash>,
}

/// Of a result.
#[derive(Debug, Deserialize)]
#[serde(rename = "CommandResult")]
pub(crate) struct ResultGlance {
    pub(crate) code: Option<String>,
}

/// A type name that this program knows, or one that it does not.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum TypeName {
    Known(&'static str),
    Unknown(String),
}

impl TypeName {
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Known(name) => name,
            Self::Unknown(name) => name,
        }
    }
}

impl<'de> Deserialize<'de> for TypeName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Name;
        impl Visitor<'_> for Name {
            type Value = TypeName;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a type name")
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<TypeName, E> {
                let known = schemas::schema(name).map(|schema| TypeName::Known(schema.name));
                Ok(known.unwrap_or_else(|| TypeName::Unknown(name.to_owned())))
            }
        }
        deserializer.deserialize_str(Name)
    }
}

impl<'de> Deserialize<'de> for BodyHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Hash;
        impl Visitor<'_> for Hash {
            type Value = BodyHash;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a hash")
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<BodyHash, E> {
                Ok(BodyHash::new(bytes))
            }
        }
        deserializer.deserialize_bytes(Hash)
    }
}
