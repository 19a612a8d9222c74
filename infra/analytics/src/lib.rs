//! The analytics port: ClickHouse, in the process or by URL.
//!
//! Two doors lead to the same tables. [`Analytics::client`] is the trusted one: the `clickhouse` crate, unmodified, over
//! TCP to a server or over an HTTP facade that needs no port. [`Analytics::sql`] is for statements of strangers: they pass
//! the gate, run as somebody who may read two tables and nothing else, and end at limits of time, memory and size.
//! [`Engine`] serves the engine of this process to others over the same facade.
//!
//! The tables are described in [`tables`]; they are filled by `consumers/analytics`. Where the engine's library is
//! missing, [`Analytics::absent`] says why, and everything else of the program works.

mod access;
mod analytics;
mod caller;
mod engine;
mod error;
mod facade;
mod gate;
mod metrics;
mod remote;
mod session;
mod sql;
pub mod tables;

pub use analytics::Analytics;
pub use chdb::{LIBRARY_SETTING, find_library};
pub use engine::Engine;
pub use error::AnalyticsError;
pub use facade::{User, Users};
pub use remote::Remote;
pub use sql::{SqlAnswer, SqlFormat};
