//! Names of the metrics, and the handles of one read model.

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
use stores::Advance;

const RECORDS: &str = "swarmlog_projector_records_total";
const BATCH: &str = "swarmlog_projector_batch_seconds";
const RETRIES: &str = "swarmlog_projector_retries_total";
const SWITCHES: &str = "swarmlog_projector_switches_total";
const POSITION: &str = "swarmlog_projection_position";
const LAG: &str = "swarmlog_projection_lag_records";

#[derive(Clone)]
pub(crate) struct Meters {
    name: &'static str,
    pub applied: Counter,
    pub ignored: Counter,
    pub parked: Counter,
    pub fatal: Counter,
    pub retries: Counter,
    pub switches: Counter,
    pub batch: Histogram,
    pub lag: Gauge,
}

impl Meters {
    pub fn new(name: &'static str) -> Self {
        let outcome = |outcome: &'static str| counter!(RECORDS, "projection" => name, "outcome" => outcome);
        Self {
            name,
            applied: outcome("applied"),
            ignored: outcome("ignored"),
            parked: outcome("parked"),
            fatal: outcome("fatal"),
            retries: counter!(RETRIES, "projection" => name),
            switches: counter!(SWITCHES, "projection" => name),
            batch: histogram!(BATCH, "projection" => name),
            lag: gauge!(LAG, "projection" => name),
        }
    }

    /// Where the live generation stands.
    pub fn position(&self, advance: &Advance) {
        let (topic, partition) = (advance.topic.to_string(), advance.partition.to_string());
        gauge!(POSITION, "projection" => self.name, "topic" => topic, "partition" => partition).set(advance.to as f64);
    }
}
