//! What can be found, by a name that never changes.

use serde::{Serialize, Serializer};

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Code {
    /// A position of a partition has no event.
    PositionGap,
    /// A position comes again.
    PositionDouble,
    /// A position comes after greater ones.
    PositionDisorder,
    /// A record is older than the one before it.
    TimeBackwards,
    /// A seq of an aggregate has no event.
    SeqGap,
    /// A seq of an aggregate comes again, or after greater ones.
    SeqDouble,
    /// Two events have one id.
    EventIdDouble,
    /// The bytes are no envelope.
    EnvelopeUnreadable,
    /// The bytes are not what the envelope says.
    PayloadUnreadable,
    /// Only a newer program can read the record.
    NewerSchema,
    /// The record's key is not that of its envelope.
    KeyDiffers,
    /// The key belongs into another partition.
    WrongPartition,
    /// The log cannot be read any further.
    LogUnreadable,
    /// A command that the writer is done with has no answer.
    ResultMissing,
    /// An answer to no command.
    ResultWithoutCommand,
    /// A command has more answers than it was sent.
    ResultDouble,
    /// A command has two different first answers.
    AnswersDiffer,
    /// A command has events in two places.
    CommandDecidedTwice,
    /// An event of a command that has no answer.
    EventWithoutResult,
    /// A read model stands at a position that the log does not have.
    PositionBeyondLog,
    /// The fold has a row that the read model lacks.
    RowMissing,
    /// The read model has a row that the fold lacks.
    RowExtra,
    /// A row is another one in the fold.
    RowDiffers,
    /// A record that had to be set aside was not.
    ParkedMissing,
    /// A record is set aside that the log does not have, or that the read model has not come to.
    ParkedUnknown,
    /// A read model could not be compared.
    NotCompared,
    /// ClickHouse lacks an event.
    ClickhouseMissing,
    /// ClickHouse has an event that the log does not have there.
    ClickhouseExtra,
    /// ClickHouse has another event than the log.
    ClickhouseDiffers,
    /// ClickHouse has more or fewer metric points than the log.
    MetricsDiffer,
    /// A file of the archive is not as it was written, or one is missing.
    ArchiveDamaged,
    /// The archive goes on where the log ends.
    ArchiveBeyondLog,
    /// A record that a read model has set aside.
    Parked,
    /// A read model that nobody can ask yet, or that another version of the program made.
    NotJudged,
    /// Rows that ClickHouse holds more than once and shows once.
    ClickhouseDoubled,
    /// Something that there was nothing to check of.
    NotChecked,
}

impl Code {
    /// Its name, and what to do about it.
    fn facts(self) -> (&'static str, &'static str) {
        const RESTORE: &str = "stop the writer; restore the log from the archive or a backup";
        const REBUILD: &str = "rebuild it: swarmlog projections rebuild NAME";
        const CLICKHOUSE: &str = "stop the server, move its clickhouse folder away and start: it is filled again from the log";
        const WRITER: &str = "stop the writer and look for a second writer of this log; the log alone cannot mend it";
        match self {
            Self::PositionGap => ("position_gap", RESTORE),
            Self::PositionDouble => ("position_double", WRITER),
            Self::PositionDisorder => ("position_disorder", RESTORE),
            Self::TimeBackwards => ("time_backwards", "cuts by time are not exact here; look for a second writer of this log"),
            Self::SeqGap => ("seq_gap", RESTORE),
            Self::SeqDouble => ("seq_double", WRITER),
            Self::EventIdDouble => ("event_id_double", WRITER),
            Self::EnvelopeUnreadable => {
                ("envelope_unreadable", "look who writes to this topic; every reader has parked the record")
            }
            Self::PayloadUnreadable => ("payload_unreadable", "look who writes to this topic; readers park the record"),
            Self::NewerSchema => ("newer_schema", "verify with the newer program that wrote it"),
            Self::KeyDiffers => ("key_differs", "look who writes to this topic beside the writer"),
            Self::WrongPartition => ("wrong_partition", "look who writes to this topic with another partitioner"),
            Self::LogUnreadable => ("log_unreadable", "check the disk; restore the log from the archive or a backup"),
            Self::ResultMissing => ("result_missing", "send the command again with its Idempotency-Key"),
            Self::ResultWithoutCommand => ("result_without_command", WRITER),
            Self::ResultDouble => ("result_double", WRITER),
            Self::AnswersDiffer => ("answers_differ", WRITER),
            Self::CommandDecidedTwice => ("command_decided_twice", WRITER),
            Self::EventWithoutResult => ("event_without_result", WRITER),
            Self::PositionBeyondLog => {
                ("position_beyond_log", "the log was replaced or has lost its end; if it is the right log: rebuild")
            }
            Self::RowMissing => ("row_missing", REBUILD),
            Self::RowExtra => ("row_extra", REBUILD),
            Self::RowDiffers => ("row_differs", REBUILD),
            Self::ParkedMissing => ("parked_missing", REBUILD),
            Self::ParkedUnknown => ("parked_unknown", REBUILD),
            Self::NotCompared => ("not_compared", "mend what stands in the way, or rebuild"),
            Self::ClickhouseMissing => ("clickhouse_missing", CLICKHOUSE),
            Self::ClickhouseExtra => ("clickhouse_extra", CLICKHOUSE),
            Self::ClickhouseDiffers => ("clickhouse_differs", CLICKHOUSE),
            Self::MetricsDiffer => ("metrics_differ", "what the log still has can be fed again; see consumers/analytics"),
            Self::ArchiveDamaged => (
                "archive_damaged",
                "put a good copy in its place, or remove it, its sidecar and all files after it: the log has the events",
            ),
            Self::ArchiveBeyondLog => ("archive_beyond_log", "the log has lost its end: restore it from the archive"),
            Self::Parked => ("parked", "see the reason; a rebuild by a program that can read it takes it in"),
            Self::NotJudged => ("not_judged", "nothing; it is built or replaced by the running server"),
            Self::ClickhouseDoubled => ("clickhouse_doubled", "nothing; the engine merges them"),
            Self::NotChecked => ("not_checked", "see the reason"),
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        self.facts().0
    }

    /// What to do about it.
    pub fn advice(self) -> &'static str {
        self.facts().1
    }

    /// Whether it is only worth knowing, and no error.
    pub fn is_note(self) -> bool {
        matches!(self, Self::Parked | Self::NotJudged | Self::ClickhouseDoubled | Self::NotChecked)
    }

    /// The codes whose findings share one limit with this one: differences of rows are listed together.
    pub(crate) fn family(self) -> Self {
        match self {
            Self::RowMissing | Self::RowExtra => Self::RowDiffers,
            Self::ClickhouseMissing | Self::ClickhouseExtra => Self::ClickhouseDiffers,
            other => other,
        }
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}
