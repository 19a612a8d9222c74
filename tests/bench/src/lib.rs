//! Benchmarks of the real program: by its HTTP interface, and by its client within the process.
//!
//! What enters is the release build of `swarmlog` and an idle machine; what leaves is a table for people on stderr and
//! the same figures as JSON on stdout. HTTP load comes from one thread with hand-written requests, so that on two cores
//! the server is measured and not its client. Nothing is asserted here: speed is never a test.

pub mod backends;
pub mod cpu;
pub mod http;
pub mod load;
pub mod machine;
pub mod plan;
pub mod replay;
pub mod report;
pub mod requests;
pub mod seed;
pub mod server;
pub mod steering;
mod table;
mod whole;
pub mod within;
