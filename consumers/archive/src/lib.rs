//! The archive: every event of the log in files that only ever grow in number.
//!
//! What enters is the records of every `<context>.events` partition; what leaves is Avro object container files (zstd)
//! named by timeline and *first* position, each with a JSON sidecar that seals it with its end, count and SHA-256.
//! A file is created only if it is absent, so the chain of files is a compare-and-swap: whoever comes second adopts
//! what is there. The files of a partition tile its positions exactly. [`run`] follows the log, [`verify`] checks a
//! timeline, [`files`] and [`records`] read it back. Nothing here deletes, overwrites or appends to the log.

mod archiver;
mod chain;
mod container;
mod error;
mod meters;
mod name;
mod reading;
mod record;
mod sidecar;
mod trouble;
mod verify;
mod waiting;

pub use archiver::{Archiver, run};
pub use error::{ArchiveError, Flaw};
pub use name::{file_name, folder, sidecar_name};
pub use reading::{ArchivedFile, files, records, sources};
pub use record::{ArchivedRecord, SCHEMA};
pub use sidecar::Sidecar;
pub use verify::{Report, verify};
pub use waiting::Roll;
