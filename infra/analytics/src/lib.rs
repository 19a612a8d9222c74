//! The analytics port: ClickHouse by URL or in the process.
