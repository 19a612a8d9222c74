//! Names of the metrics. Labels: `table`; `topic` and `partition`.

/// Rows stored, by table.
pub(crate) const ROWS: &str = "swarmlog_analytics_rows_total";
/// How long inserts took, in seconds, by table.
pub(crate) const INSERT_SECONDS: &str = "swarmlog_analytics_insert_seconds";
/// Inserts that failed and are tried again, by table.
pub(crate) const INSERT_FAILURES: &str = "swarmlog_analytics_insert_failures_total";
/// Records that could not be read, by topic and partition.
pub(crate) const PARKED: &str = "swarmlog_analytics_parked_total";
/// Records that the log has and the store has not, by topic and partition.
pub(crate) const LAG: &str = "swarmlog_analytics_lag_records";
