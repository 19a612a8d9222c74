//! The object port: immutable objects with names, in a directory or a bucket.
//!
//! What enters is a name and bytes; what leaves is the same bytes, for ever. An object is created whole or not at all,
//! exactly once: of several writers of one name a single one wins, and the others are told so. Once
//! [`put_if_absent`](Objects::put_if_absent) has answered, the object survives the loss of the process and of the
//! machine. There is no overwriting, no deleting and no size limit here: limits belong to the callers, who know what
//! they store. The suite in [`conformance`] says what every store promises.

pub mod conformance;
mod error;
mod name;
mod probe;
mod s3;
mod store;

pub use error::ObjectError;
pub use name::{MAX_NAME_BYTES, MAX_SEGMENT_BYTES};
pub use s3::S3Config;
pub use store::{Objects, Put};
