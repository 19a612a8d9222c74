//! The consumer that feeds ClickHouse.
