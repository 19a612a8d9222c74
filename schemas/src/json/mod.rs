//! JSON at the edges: strict on the way in, readable on the way out, always by the schema.
//!
//! What enters is text ([`parse`]) or a value ([`check`]) from outside; what leaves is a value that fits a generated
//! type ([`encode`]), the JSON of any encoded record ([`payload`]), or the JSON Schema of a command ([`json_schema`]).
//! Nothing is guessed: `"1"` is no number, `1.0` no integer, an unknown field an error, and every problem is named at
//! once with its JSON pointer. Free JSON is kept in its canonical form (RFC 8785), so that equal settings are equal
//! bytes. What is stored is not checked again here: records on the log are the codec's.

mod canonical;
mod check;
mod document;
mod encode;
mod forms;
mod parse;
mod show;

pub use canonical::{body_hash, canonical};
pub use check::{MAX_TEXT_BYTES, check};
pub use document::json_schema;
pub use encode::{Encoded, encode, with_generated};
pub use parse::{JsonError, Limits, MAX_DEPTH, parse};
pub use show::{payload, time};

pub(crate) use encode::{encoded, read};

use std::fmt;

/// One thing that is wrong in a JSON value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonProblem {
    /// JSON pointer (RFC 6901) of the place; empty for the whole value.
    pub pointer: String,
    /// What is wrong there.
    pub detail: String,
}

/// Everything that is wrong in a JSON value; at least one, at most 100.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonErrors {
    /// In the order of the schema's fields, unknown fields last.
    pub problems: Vec<JsonProblem>,
}

impl JsonErrors {
    /// One problem.
    pub fn one(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { problems: vec![JsonProblem { pointer: pointer.into(), detail: detail.into() }] }
    }
}

impl fmt::Display for JsonProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pointer, detail } = self;
        if pointer.is_empty() { f.write_str(detail) } else { write!(f, "{pointer}: {detail}") }
    }
}

impl fmt::Display for JsonErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, problem) in self.problems.iter().enumerate() {
            write!(f, "{}{problem}", if place == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

impl std::error::Error for JsonErrors {}
