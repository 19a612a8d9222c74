//! The single writer: commands in, events and results out, in one transaction.
//!
//! Partition p of every context is a lane. A lane takes commands in batches, decides each against an overlay over its
//! state (`batch`), and commits events, results and the consumed offsets together (`lane`); only then does the
//! overlay become the state. Lanes work side by side; while one commits, its next batch gathers.
//!
//! Promised: every command that can be read has exactly one result; events have dense positions and contiguous seqs;
//! a repeated idempotent command has one effect and one answer; a writer that lost its lane commits nothing.
//! Not done here: no domain rule (deciders), no read model, no timer, and no database is read.

mod answer;
mod batch;
mod clock;
mod command;
mod config;
mod deduplication;
mod error;
mod glance;
mod lane;
mod offsets;
mod patience;
mod records;
mod recovery;
mod registry;
mod repeat;
mod session;
mod snapshots;
#[cfg(test)]
mod specs;
mod state;
mod table;
mod telemetry;
mod writer;

pub use answer::is_first;
pub use clock::system_clock;
pub use config::Config;
pub use error::WriterError;
pub use registry::Deciders;
pub use writer::run;

/// The consumer group of the writer.
pub const GROUP: &str = "writer";
