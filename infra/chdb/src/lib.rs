//! The binding to chDB, the ClickHouse engine in the process.
//!
//! The library is loaded at run time, so that a program without it still runs. What enters is SQL and bytes in one
//! of the engine's formats, what leaves is bytes; meaning is the business of `analytics`. Promised: one engine per
//! process and one process per data folder, both refused with an error otherwise; every handle is freed; no signal
//! handler is touched. Every call blocks its thread.
//!
//! Rows never travel inside the text of a statement: the engine ends inline data at the first blank line and would
//! run the rest as SQL. [`Connection::insert`] sends them beside the statement.
//!
//! All unsafe code is in the private module `ffi`.

mod engine;
mod error;
#[allow(unsafe_code, reason = "the C interface of the engine; every other module is safe")]
mod ffi;
mod library;

pub use engine::{Connection, Engine, InsertStream, QueryStream};
pub use error::ChdbError;
pub use ffi::{Analysis, StatementClass};
pub use library::{LIBRARY_SETTING, VERSION, default_library, find_library};
