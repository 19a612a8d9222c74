//! The metrics of the log: their names, units and handles.
//!
//! Handles are made when the log is opened and are bound to the recorder of that moment: install it before.

use metrics::{Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use std::sync::Arc;

const COMMIT_SECONDS: &str = "swarmlog_log_commit_seconds";
const FENCED_TOTAL: &str = "swarmlog_log_fenced_total";
const GROUP_RECORDS: &str = "swarmlog_log_group_records";
const QUEUE_DEPTH: &str = "swarmlog_log_queue_depth";
const RECORDS_TOTAL: &str = "swarmlog_log_records_total";

/// What the writer thread measures.
pub(crate) struct Meters {
    /// Time of one group from BEGIN to the end of its fsync.
    pub commit_seconds: Histogram,
    /// Records in one group.
    pub group_records: Histogram,
    /// Requests that the writer found waiting when it took them.
    pub queue_depth: Gauge,
}

impl Meters {
    pub(crate) fn new() -> Self {
        describe_histogram!(COMMIT_SECONDS, Unit::Seconds, "time of one group commit, fsync included");
        describe_histogram!(GROUP_RECORDS, Unit::Count, "records in one group commit");
        describe_gauge!(QUEUE_DEPTH, Unit::Count, "requests that waited when the writer took them");
        describe_counter!(RECORDS_TOTAL, Unit::Count, "records committed");
        Self {
            commit_seconds: histogram!(COMMIT_SECONDS),
            group_records: histogram!(GROUP_RECORDS),
            queue_depth: gauge!(QUEUE_DEPTH),
        }
    }
}

/// Counts the commits that were refused because a newer owner has the name.
pub(crate) fn fenced(name: &str) {
    describe_counter!(FENCED_TOTAL, Unit::Count, "commits refused to owners that were replaced");
    counter!(FENCED_TOTAL, "name" => name.to_owned()).increment(1);
}

/// Counts the committed records of a topic.
pub(crate) fn records_of(topic: &Arc<str>) -> Counter {
    counter!(RECORDS_TOTAL, "topic" => topic.clone())
}
