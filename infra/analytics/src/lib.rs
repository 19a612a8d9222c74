//! The analytics port: ClickHouse, in the process.
//!
//! Two doors lead to the same engine. [`Analytics::client`] is the trusted one: the `clickhouse` crate, unmodified,
//! over an HTTP facade that needs no port. [`Analytics::sql`] is for statements of strangers: they pass the gate, run
//! in a session that may read two tables and nothing else, and end at limits of time, memory and size.
//!
//! The tables are described in [`tables`]; they are filled by `consumers/analytics`. Where the engine's library is
//! missing, [`Analytics::absent`] says why, and everything else of the program works.

mod access;
mod analytics;
mod error;
mod facade;
mod gate;
mod metrics;
mod session;
mod sql;
pub mod tables;

pub use analytics::Analytics;
pub use chdb::{LIBRARY_SETTING, find_library};
pub use error::AnalyticsError;
pub use sql::{SqlAnswer, SqlFormat};
