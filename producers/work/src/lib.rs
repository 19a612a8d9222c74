//! The work context: anything that takes time and can fail.
//!
//! One file per aggregate; each is pure: commands and past events enter, events or a refusal leave. Queues, tables and
//! clocks are elsewhere: the queue table picks candidates, the [`Job`] grants the lease.

mod job;

pub use job::{Job, JobState, Phase, Refusal};
