//! The gate of the vocabulary: what a schema may say, and how it may change.
//!
//! What enters are the `.avsc` files and `registry.lock`, as files, so that the gate builds and speaks while the
//! generated crate cannot. What leaves is a [`Report`]: problems that name schema, field and remedy, and the schemas
//! as the generator, the codec and the JSON checks see them ([`model`]). It promises that whatever passes is read by
//! the production decoder from records of every locked version. It does not judge meaning: a field that keeps its
//! type and gets another sense passes.

mod attributes;
mod evolve;
mod files;
mod lock;
pub mod model;
mod parse;

pub use evolve::problems as incompatibilities;
pub use files::{GateError, Report, Source, Unlocked, check, lock};
pub use lock::{Lock, Version};
pub use parse::parse;

use std::fmt;

/// Something in a schema that does not pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The schema, `work.SubmitJob`, or the file where that is not known.
    pub schema: String,
    /// The field, `priority` or `lines.level`; empty where it is about the whole schema.
    pub field: String,
    /// What is wrong and what to do.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { schema, field, message } = self;
        if field.is_empty() { write!(f, "{schema}: {message}") } else { write!(f, "{schema}, field {field}: {message}") }
    }
}
