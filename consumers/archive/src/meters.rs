//! The metrics of the archive.

use log::Source;

/// Files written.
const FILES: &str = "swarmlog_archive_files_total";
/// Records in them.
const RECORDS: &str = "swarmlog_archive_records_total";
/// Their size.
const BYTES: &str = "swarmlog_archive_bytes_total";
/// The last position that is archived.
const POSITION: &str = "swarmlog_archive_position";
/// Attempts that failed.
const FAILURES: &str = "swarmlog_archive_failures_total";

fn labels(source: &Source) -> [(&'static str, String); 2] {
    [("topic", source.topic.to_string()), ("partition", source.partition.to_string())]
}

/// A file was written.
pub(crate) fn written(source: &Source, records: u64, bytes: u64) {
    metrics::counter!(FILES, &labels(source)).increment(1);
    metrics::counter!(RECORDS, &labels(source)).increment(records);
    metrics::counter!(BYTES, &labels(source)).increment(bytes);
}

/// The archive has come this far.
pub(crate) fn reached(source: &Source, position: u64) {
    metrics::gauge!(POSITION, &labels(source)).set(position as f64);
}

/// An attempt failed.
pub(crate) fn failed(source: &Source) {
    metrics::counter!(FAILURES, &labels(source)).increment(1);
}
