//! The reference worker: leases jobs over HTTP and trains real models.
//!
//! What enters is a job of the kind `train.wine`; what leaves is metric points, a checkpoint after every epoch, and a
//! model. A worker that is killed loses at most one epoch: the next one resumes from the checkpoint and ends with the
//! same model, bit by bit. The worker knows nothing of the server but its HTTP interface, so that it can be read as an
//! example of any worker. [`training`] is pure; everything that waits or speaks is elsewhere.

mod config;
mod error;
mod job;
mod protocol;
mod run;
pub mod training;

pub use config::{Config, Url};
pub use error::WorkerError;
pub use run::{Summary, run};
