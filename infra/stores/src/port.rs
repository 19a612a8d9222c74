//! The traits and types of the port.

use schemas::row::{Table, Value};
use std::{collections::BTreeMap, future::Future, pin::Pin, sync::Arc, time::Duration};

/// A boxed future of the port.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// What went wrong, named for what the caller does next.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Nothing was changed; try again after a pause.
    #[error("store is busy or away: {0}")]
    Transient(String),
    /// Another owner moved the position; stop and load anew.
    #[error("generation {generation} of {source_name} stands at {stored}, not at {expected}: another owner was here")]
    Stale {
        /// The generation.
        generation: u64,
        /// The source: `work.events/3`.
        source_name: String,
        /// Where it stands.
        stored: u64,
        /// Where the caller thought it stood.
        expected: u64,
    },
    /// There is no such generation, read model or column.
    #[error("{0}")]
    Absent(String),
    /// The store cannot go on.
    #[error("store failed: {0}")]
    Fatal(String),
}

/// Where a generation of a read model stands in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GenerationState {
    /// Filled from the log; no query sees it.
    Building,
    /// Queries see it. There is one per read model.
    Live,
    /// It was live before; kept for a rollback.
    Retired,
}

/// One table of a read model with its own positions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generation {
    /// Number, unique in the store.
    pub id: u64,
    /// Name of the read model.
    pub name: String,
    /// Version of its projection.
    pub version: u32,
    /// Where it stands in its life.
    pub state: GenerationState,
    /// Name of the physical table.
    pub table: String,
    /// What is known of it, for people: how it compared with the generation before it.
    pub note: String,
}

/// A source's step from one position to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advance {
    /// The source: topic and partition.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: u32,
    /// The position before; 0 at the start.
    pub from: u64,
    /// The position after.
    pub to: u64,
    /// Offset of the next record: a hint for the seek.
    pub next_offset: u64,
}

/// A record set aside, with its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParkedRecord {
    /// Topic it came from.
    pub topic: String,
    /// Partition it came from.
    pub partition: u32,
    /// Its place.
    pub position: u64,
    /// Its offset.
    pub offset: u64,
    /// Key of its aggregate: `tenant/type/id`, as far as it could be read.
    pub aggregate: String,
    /// Why it was set aside.
    pub reason: String,
    /// The envelope's bytes.
    pub envelope: Vec<u8>,
    /// The payload's bytes.
    pub payload: Vec<u8>,
}

/// One transaction of a generation.
#[derive(Debug, Clone, Default)]
pub struct Write {
    /// The generation.
    pub generation: u64,
    /// Steps of its sources; each is checked against the stored position.
    pub advance: Vec<Advance>,
    /// Rows to insert or replace by key; each starts with the tenant.
    pub upserts: Vec<Vec<Value>>,
    /// The upserts are facts, which never change: one whose key is stored with other content fails the write as
    /// [`StoreError::Fatal`], naming the key. One with the same content is fine.
    pub facts: bool,
    /// Keys of rows to delete, before the upserts; each starts with the tenant.
    pub deletes: Vec<Vec<Value>>,
    /// Records to set aside.
    pub parked: Vec<ParkedRecord>,
}

/// How a filter compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// Equal.
    Equal,
    /// Smaller or equal; an absent value counts as the smallest.
    AtMost,
    /// Greater.
    Above,
}

/// A condition on a column.
#[derive(Debug, Clone, PartialEq)]
pub struct Filter {
    /// The column.
    pub column: &'static str,
    /// How it compares.
    pub operator: Operator,
    /// What with.
    pub value: Value,
}

/// Which way a list runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Smallest first.
    Ascending,
    /// Largest first.
    Descending,
}

/// A question to the live generation of a read model.
#[derive(Debug, Clone)]
pub struct Query {
    /// The read model's table.
    pub table: Table,
    /// Whose rows.
    pub tenant: String,
    /// Conditions, all of which hold.
    pub filters: Vec<Filter>,
    /// Columns to order by; the key is added as the last, in the direction of the last column (ascending if there is
    /// none), so that the order is total. Text compares bytewise, an absent value is the smallest.
    pub order: Vec<(&'static str, Direction)>,
    /// Only rows behind this one in the order: the values of `order`'s columns, then those of the whole key. From a
    /// cursor.
    pub after: Option<Vec<Value>>,
    /// At most so many rows.
    pub limit: usize,
}

/// All rows of a generation, for a comparison: order-independent checksum and count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scan {
    /// How many rows.
    pub rows: u64,
    /// Sum modulo 2^128 of a hash of every row.
    pub checksum: u128,
}

/// A generation at one moment, whatever is written meanwhile. On a server it holds a connection and keeps old versions
/// of rows alive, so it is for a check, not for serving.
pub trait Snapshot: Send {
    /// Where the generation stands: (position, next offset) per (topic, partition).
    fn positions(&self) -> &BTreeMap<(String, u32), (u64, u64)>;

    /// The next rows, at most `max`, each once and starting with the tenant, in the order in which they are stored; none
    /// at the end.
    fn rows(&mut self, max: usize) -> Answer<'_, Vec<Vec<Value>>>;

    /// The rows of `keys`, as [`Store::load`].
    fn load<'a>(&'a mut self, keys: &'a [Vec<Value>]) -> Answer<'a, Vec<Option<Vec<Value>>>>;

    /// The parked records of the generation, at most `limit`, by topic, partition and position.
    fn parked(&mut self, limit: usize) -> Answer<'_, Vec<ParkedRecord>>;
}

/// An operational store. Rows that it returns do not contain the tenant, except where said.
///
/// A row that does not fit its table (wrong number or kind of values, NULL in a column that is never absent, NaN, or
/// U+0000 in a text) fails the whole write as [`StoreError::Fatal`]. -0.0 is stored as 0.0. A query by columns that the
/// live generation does not have is [`StoreError::Absent`]; but one that is merely read and may be absent reads as
/// NULL, so that the old generation serves while the new one is built. The tenant is no column of a query.
pub trait Store: Send + Sync + 'static {
    /// The live and building generations of `name`, and the retired one that a rollback would take; newest first.
    fn generations<'a>(&'a self, name: &'a str) -> Answer<'a, Vec<Generation>>;

    /// Makes a table for a new generation in state building, empty, at position 0 of every source.
    fn create<'a>(&'a self, table: &'a Table, version: u32) -> Answer<'a, Generation>;

    /// Makes `generation` live, with a note, and what was live retired; drops what was retired before. One transaction.
    fn switch<'a>(&'a self, generation: u64, note: &'a str) -> Answer<'a, ()>;

    /// Drops a generation that is not live, with its table, positions and parked records.
    fn discard(&self, generation: u64) -> Answer<'_, ()>;

    /// Where a generation stands: (position, next offset) per (topic, partition).
    fn positions(&self, generation: u64) -> Answer<'_, BTreeMap<(String, u32), (u64, u64)>>;

    /// The rows of `keys` (each starting with the tenant), in their order; every row starts with the tenant.
    fn load<'a>(&'a self, generation: u64, keys: &'a [Vec<Value>]) -> Answer<'a, Vec<Option<Vec<Value>>>>;

    /// Writes rows, parked records and positions, all or nothing.
    fn write(&self, write: Write) -> Answer<'_, ()>;

    /// Aggregates with parked records of a generation.
    fn parked_aggregates(&self, generation: u64) -> Answer<'_, Vec<String>>;

    /// Parked records of all live generations, with the name of the read model, at most `limit`.
    fn parked(&self, limit: usize) -> Answer<'_, Vec<(String, ParkedRecord)>>;

    /// One row of the live generation by its key (without the tenant).
    fn get<'a>(&'a self, table: &'a Table, tenant: &'a str, key: &'a [Value]) -> Answer<'a, Option<Vec<Value>>>;

    /// Rows of the live generation.
    fn query<'a>(&'a self, query: &'a Query) -> Answer<'a, Vec<Vec<Value>>>;

    /// Counts and sums the rows of a generation in one snapshot.
    fn scan(&self, generation: u64) -> Answer<'_, Scan>;

    /// Rows, positions and parked records of a generation, all of one moment.
    fn snapshot(&self, generation: u64) -> Answer<'_, Box<dyn Snapshot>>;

    /// Returns once the live generation of `name` has reached `position` of `topic`/`partition`, or after `wait`;
    /// says whether it has. The stored position is the truth; a notification only shortens the wait.
    fn reached<'a>(&'a self, name: &'a str, topic: &'a str, partition: u32, position: u64, wait: Duration) -> Answer<'a, bool>;
}
