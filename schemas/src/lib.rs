//! The vocabulary of Swarmlog: Avro schemas, the types generated from them, the codec, and the pure traits.
//!
//! What enters is a `.avsc` file in `avro/`; what leaves is a Rust type that encodes itself in the Confluent wire
//! format. The traits [`Decider`], [`Projection`] and [`Facts`] are synchronous and total: no clock, no randomness,
//! no I/O. Everything else in the workspace depends on this crate, and it depends on nothing of ours.

#[allow(missing_docs, reason = "generated items that need no words, such as default functions")]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/generated.rs"));
}

extern crate self as schemas;

/// What a schema may say and how it may change, for whoever judges schemas.
pub use ::gate;

pub mod codec;
mod decider;
#[cfg(test)]
mod evolution;
mod identity;
pub mod json;
mod lock;
mod message;
mod position;
mod projection;
mod record;
pub mod row;
pub mod snapshot;
pub mod spec;
mod symbol;

pub use codec::CodecError;

pub use decider::{Decider, Refusal, RefusalKind};
pub use generated::{SCHEMAS, envelope, telemetry, work};
pub use identity::{aggregate_id, command_id, key, partition};
pub use lock::{Locked, locked, locked_schemas};
pub use message::{Message, SchemaId, SchemaInfo, SchemaKind, Stream, Subset, schema, snapshots_topic};
pub use position::{ConsistencyToken, TokenError};
pub use projection::{AnyProjection, Facts, FactsOf, Folded, Grain, Parked, Projection, ProjectionOf, Slice, Unfit};
pub use record::{Entry, Recorded};
pub use row::Row;
