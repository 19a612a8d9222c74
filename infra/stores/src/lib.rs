//! The operational store port: typed tables, each with the position it stands at.
//!
//! Rows and position of a generation move in one transaction, as a half-open range `(from, to]` per source. A `from`
//! that is not the stored position means that another owner was here: [`StoreError::Stale`].
//!
//! Implementations: [`sqlite`] (embedded) and [`postgres`] (servers). The suite in `conformance` says what each promises.

mod checksum;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
pub mod ddl;
mod metrics;
mod port;
pub mod postgres;
mod relation;
pub mod sqlite;

pub use checksum::row_hash;
pub use port::{
    Advance, Answer, Direction, Filter, Generation, GenerationState, Operator, ParkedRecord, Query, Scan, Snapshot, Store,
    StoreError, Write,
};
pub use postgres::{PostgresConfig, PostgresStore};
pub use sqlite::{OpenError, SqliteStore};
