//! What a check says in the end.

use crate::finding::{Finding, Unlisted};
use serde::Serialize;
use uuid::Uuid;

/// The verdict, and what it rests on.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Whether nothing is wrong.
    pub clean: bool,
    /// The log's history.
    pub timeline: Uuid,
    /// Every partition that was read.
    pub partitions: Vec<PartitionReport>,
    /// Every read model.
    pub read_models: Vec<ReadModelReport>,
    /// Partitions in ClickHouse; empty where there is none to ask.
    pub clickhouse: Vec<TableReport>,
    /// The archive, if there is an object store.
    pub archive: Option<ArchiveReport>,
    /// What was found, notes included.
    pub findings: Vec<Finding>,
    /// What was found and is only counted.
    pub unlisted: Vec<Unlisted>,
    /// How many errors were found, listed or not.
    pub errors: u64,
    /// How many records were read.
    pub records: u64,
    /// How long it took.
    pub seconds: f64,
}

impl Report {
    /// How many records all partitions of the topics that end with `stream` have.
    pub fn records_of(&self, stream: &str) -> u64 {
        self.partitions.iter().filter(|partition| partition.topic.ends_with(stream)).map(|partition| partition.records).sum()
    }

    /// How many rows a read model has that was compared.
    pub fn rows_of(&self, read_model: &str) -> Option<u64> {
        self.read_models.iter().find(|model| model.name == read_model && model.compared).map(|model| model.rows)
    }
}

/// A partition of the log.
#[derive(Debug, Clone, Serialize)]
pub struct PartitionReport {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: u32,
    /// How many records it has.
    pub records: u64,
    /// Records whose envelope cannot be read.
    pub unreadable: u64,
    /// The first place: the position of an event, else offset + 1.
    pub first: Option<u64>,
    /// The last place.
    pub last: Option<u64>,
    /// How many errors it has.
    pub errors: u64,
}

/// A read model.
#[derive(Debug, Clone, Serialize)]
pub struct ReadModelReport {
    /// Its name.
    pub name: String,
    /// Its live generation.
    pub generation: Option<u64>,
    /// Whether its rows were compared with a fold.
    pub compared: bool,
    /// How many rows are stored.
    pub rows: u64,
    /// Rows that are missing.
    pub missing: u64,
    /// Rows that should not be there.
    pub extra: u64,
    /// Rows that differ.
    pub different: u64,
    /// Rows that cannot be judged, because the log no longer has all that they were made from.
    pub unjudged: u64,
    /// Records set aside.
    pub parked: u64,
    /// Places that the log has and the read model has not come to yet.
    pub behind: u64,
    /// How many errors it has.
    pub errors: u64,
}

/// A partition in a table of ClickHouse.
#[derive(Debug, Clone, Serialize)]
pub struct TableReport {
    /// The table.
    pub table: &'static str,
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: u32,
    /// Rows, each counted once.
    pub rows: u64,
    /// Rows that the log says there should be.
    pub expected: u64,
    /// The first position of an event, or offset of a batch of points.
    pub first: u64,
    /// The last.
    pub last: u64,
    /// Events that are set aside and in no table but `parked`.
    pub parked: u64,
    /// Rows that are stored more than once and shown once.
    pub doubled: u64,
    /// How many errors it has.
    pub errors: u64,
}

/// The archive of this timeline.
#[derive(Debug, Clone, Serialize)]
pub struct ArchiveReport {
    /// Files that are as they were written.
    pub files: u64,
    /// Records in them.
    pub records: u64,
    /// Their size in bytes.
    pub bytes: u64,
    /// Last files that have no sidecar yet; the archiver seals them.
    pub unsealed: u64,
    /// How many errors it has.
    pub errors: u64,
}
