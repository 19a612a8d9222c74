//! The projector: it runs every read model from the log into a store.
//!
//! What enters is a log, a store and a registry of projections; what leaves are rows, each batch of them in one
//! transaction with the position it brings its table to. A record ends as applied, ignored, parked (with its bytes and
//! the reason, and every later record of its aggregate behind it) or fatal, and is counted as such. One task owns a
//! generation of a read model with all its partitions and topics: one that is stuck pauses alone and says so in
//! `/readyz`. A new version, or an operator's rebuild, is filled beside the live generation, held at exactly its
//! positions, compared and switched to, while the live one serves.
//!
//! Not done here: what a record means (the projections), how rows are stored (the store), and who asks for a rebuild
//! (whoever creates a generation). Nothing is ever appended to the log.

mod backoff;
mod batch;
mod cursor;
mod decode;
mod keeper;
mod line;
mod memory;
mod meters;
mod pulse;
mod reading;
mod rebuild;
mod recovery;
mod runner;
mod seek;
mod sources;
mod standing;
mod supervisor;
mod tail;
mod trouble;
mod writing;

pub use sources::topics;
pub use supervisor::run;
pub use trouble::ProjectorError;
