//! Names of the metrics, and nothing else that could disagree about them.

use std::time::Duration;

/// One transaction, which may hold several writes.
pub(crate) fn committed(took: Duration) {
    ::metrics::histogram!("swarmlog_store_commit_seconds").record(took.as_secs_f64());
}

/// Rows that a committed write put or deleted, by read model.
pub(crate) fn rows(read_model: &str, rows: usize) {
    ::metrics::counter!("swarmlog_store_rows_total", "table" => read_model.to_owned()).increment(rows as u64);
}

/// Writes that wait for the writer.
pub(crate) fn queued(writes: usize) {
    ::metrics::gauge!("swarmlog_store_queue_depth").set(writes as f64);
}
