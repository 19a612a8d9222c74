//! Apache Kafka, PostgreSQL, an S3 server and ClickHouse's engine as processes of this machine, without docker.
//!
//! [`Servers::up`] starts what does not run yet in one folder, on free ports that it remembers, and waits until each
//! answers; a second call finds everything running. [`Servers::down`] stops them by process id. The pieces come from Maven
//! Central (Kafka), the distribution's packages (PostgreSQL), crates.io (S3) and this project (the engine), in pinned versions. For development and
//! tests only: one broker, no passwords, loopback addresses.

mod engine;
mod error;
mod kafka;
mod postgres;
mod process;
mod s3;
mod servers;

pub use error::LocalError;
pub use s3::Credentials;
pub use servers::{Addresses, Server, Servers};
