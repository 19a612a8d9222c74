//! The binding to the ClickHouse engine in the process.
