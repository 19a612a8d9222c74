//! Projections: pure read models, and the one erased form in which a host runs them.

mod decoded;
mod erased;
mod newer;

pub use erased::{AnyProjection, FactsOf, Folded, Parked, ProjectionOf, Slice};

use crate::{CodecError, Entry, Recorded, Row, Subset};

/// An event that a read model cannot take; the host parks it with every later event of its aggregate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unfit(pub String);

/// What a row is fed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grain {
    /// One aggregate: the partitions are independent.
    Aggregate,
    /// Several aggregates: one task over all partitions, and a fold that does not depend on how they interleave.
    Shared,
}

/// A read model whose rows are folded from events.
pub trait Projection: 'static {
    /// Its name, also that of its table.
    const NAME: &'static str;
    /// Raise it when the rows change: the host builds a new generation.
    const VERSION: u32;
    /// What a row is fed by.
    const GRAIN: Grain;
    /// The records it reads.
    type Event: Subset;
    /// Its row.
    type Row: Row;
    /// Reads a record. Override it where the rows tell of the record's place too, not only of its payload.
    fn read(entry: &Entry) -> Result<Self::Event, CodecError> {
        Self::Event::decode(&entry.envelope.r#type, &entry.payload)
    }
    /// The keys of the rows that `event` touches.
    fn keys(event: &Recorded<Self::Event>, out: &mut Vec<<Self::Row as Row>::Key>);
    /// Takes the event into the row called `key`; `None` is an absent row, and leaving `None` deletes it.
    /// Look first, then change: a fold that answers [`Unfit`] has left the row as it was.
    fn fold(key: &<Self::Row as Row>::Key, row: &mut Option<Self::Row>, event: &Recorded<Self::Event>) -> Result<(), Unfit>;
}

/// A read model whose rows are facts: written once, never changed.
pub trait Facts: 'static {
    /// Its name, also that of its table.
    const NAME: &'static str;
    /// Raise it when the rows change: the host builds a new generation.
    const VERSION: u32;
    /// The records it reads.
    type Event: Subset;
    /// Its row.
    type Row: Row;
    /// Reads a record. Override it where the rows tell of the record's place too, not only of its payload.
    fn read(entry: &Entry) -> Result<Self::Event, CodecError> {
        Self::Event::decode(&entry.envelope.r#type, &entry.payload)
    }
    /// The rows that `event` becomes.
    fn rows(event: &Recorded<Self::Event>, out: &mut Vec<Self::Row>) -> Result<(), Unfit>;
}
