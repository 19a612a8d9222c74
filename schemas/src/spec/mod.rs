//! Specifications: given/when/then for deciders and projections, and the refold that checks a store.
//!
//! What enters are messages, as a test or an oracle has them; what leaves are the records that a log would hold
//! ([`History`]), the decision of a decider ([`DeciderSpec`]) and the rows of a read model ([`ProjectionSpec`],
//! [`fold_all`]). Everything is in memory and deterministic: the same calls give the same ids, times and rows.
//! It does not stand in for a host: redelivery, positions and parking across restarts are the host's to test.
//! A `then` that does not hold panics, as tests do.

mod decider;
mod fold;
mod history;
mod projection;

pub use decider::{Decided, DeciderSpec};
pub use fold::{Refolded, RowKey, SetAside, assert_any_split, fold_all};
pub use history::History;
pub use projection::ProjectionSpec;
