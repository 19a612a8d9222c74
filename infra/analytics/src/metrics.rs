//! Names of the metrics.

/// Statements of strangers by outcome: `answered`, `refused`, `invalid`, `limit`, `failed`.
pub(crate) const SQL_STATEMENTS: &str = "swarmlog_analytics_sql_statements_total";
/// How long statements of strangers took, in seconds.
pub(crate) const SQL_SECONDS: &str = "swarmlog_analytics_sql_seconds";
/// Requests of the trusted client by kind (`query`, `insert`) and outcome (`answered`, `failed`).
pub(crate) const CLIENT_REQUESTS: &str = "swarmlog_analytics_client_requests_total";
