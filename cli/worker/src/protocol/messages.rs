//! What is said, as JSON. Fields that a newer server adds are ignored.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

/// Answer to the request for leases.
#[derive(Debug, Deserialize)]
pub(crate) struct Leases {
    pub leases: Vec<Lease>,
}

/// The right to work on a job for a while.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Lease {
    pub lease_id: String,
    pub job_id: Uuid,
    pub fence: i64,
    pub kind: String,
    #[serde(default)]
    pub config: Value,
    #[serde(default)]
    pub attempt: i64,
    #[serde(default)]
    pub max_attempts: i64,
    #[serde(default)]
    pub checkpoint: Option<Checkpoint>,
}

/// Where a checkpoint lies.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Checkpoint {
    pub step: u64,
    pub sha256: String,
    pub size_bytes: u64,
}

/// Answer to a renewal.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Renewal {
    pub cancel: bool,
    pub lost: bool,
}

/// What a job looks like from outside, as far as a worker needs to know.
#[derive(Debug, Deserialize)]
pub(crate) struct JobView {
    pub status: String,
    #[serde(default)]
    pub fence: i64,
}

/// The refusal of a request (RFC 9457).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Problem {
    pub code: String,
    pub title: String,
    pub detail: String,
}

/// One measured value; `at` in RFC 3339.
#[derive(Debug, Serialize)]
pub(crate) struct MetricPoint {
    pub job_id: Uuid,
    pub name: &'static str,
    pub step: u64,
    pub value: f64,
    pub at: String,
}

/// Whether trying again may help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Class {
    Transient,
    Permanent,
}
