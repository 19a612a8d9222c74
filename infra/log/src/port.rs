//! The traits and types of the port.

use bytes::Bytes;
use futures::future::BoxFuture;
use std::{fmt, sync::Arc, time::Duration};
use uuid::Uuid;

/// Place of a record in its partition; grows, from 0, not always by one.
pub type Offset = u64;

/// Identity of the history that a log holds. A restore to a past point starts a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Timeline(pub Uuid);

/// One partition of a topic.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Source {
    /// The topic: `work.events`.
    pub topic: Arc<str>,
    /// The partition, from 0.
    pub partition: u32,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.topic, self.partition)
    }
}

/// A record to append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Append {
    /// Where to.
    pub source: Source,
    /// Key: `tenant/type/id`.
    pub key: Bytes,
    /// Encoded envelope.
    pub envelope: Bytes,
    /// Encoded payload.
    pub payload: Bytes,
    /// Microseconds since 1970 UTC. A log raises it to the last of the partition, so that it never runs backwards.
    pub time: i64,
}

/// A committed record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its place.
    pub offset: Offset,
    /// Microseconds since 1970 UTC; never smaller than that of the record before.
    pub time: i64,
    /// Key.
    pub key: Bytes,
    /// Encoded envelope.
    pub envelope: Bytes,
    /// Encoded payload.
    pub payload: Bytes,
}

/// When an append is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// As soon as consumers can see it. It becomes durable no later than any later transaction, so a command whose
    /// caller waits for the result may go this way: if it is lost, so is every trace of its decision.
    Ordered,
    /// Once it would survive the loss of the process and of the machine.
    Durable,
}

/// A consumed offset to move with a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consumed {
    /// The consumer group.
    pub group: Arc<str>,
    /// The partition.
    pub source: Source,
    /// Offset of the next record to consume.
    pub next: Offset,
}

/// What is committed together.
#[derive(Debug, Default)]
pub struct Transaction {
    /// Records, in order.
    pub append: Vec<Append>,
    /// Consumed offsets.
    pub consumed: Vec<Consumed>,
}

/// What went wrong, named for what the caller does next.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// Nothing was changed; try again after a pause.
    #[error("log is busy or away: {0}")]
    Transient(String),
    /// Another owner took over; nothing was changed. Let go of the lane and load its state anew.
    #[error("{name} was fenced: a newer owner has epoch {epoch}")]
    Fenced {
        /// The transactional name.
        name: String,
        /// The newest epoch, 0 if the log does not tell.
        epoch: u64,
    },
    /// Nobody knows whether the transaction was committed. Take a new epoch and read what the log says.
    #[error("outcome of the transaction is unknown: {0}")]
    Ambiguous(String),
    /// There is no such topic or partition.
    #[error("there is no {0}")]
    Absent(Source),
    /// The log cannot go on: the process must stop.
    #[error("log failed: {0}")]
    Fatal(String),
}

/// An event log.
pub trait Log: Send + Sync + 'static {
    /// The history that it holds.
    fn timeline(&self) -> Timeline;

    /// How many partitions every topic has; fixed when the log was made.
    fn partitions(&self) -> u32;

    /// Makes the topics that do not exist yet.
    fn create_topics<'a>(&'a self, topics: &'a [&'a str]) -> BoxFuture<'a, Result<(), LogError>>;

    /// Appends records outside any transaction and answers their offsets, in order. All or nothing.
    fn append(&self, records: Vec<Append>, durability: Durability) -> BoxFuture<'_, Result<Vec<Offset>, LogError>>;

    /// Becomes the owner of `name` with a higher epoch; whoever owned it before is fenced from now on.
    fn transactional<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Box<dyn Transactional>, LogError>>;

    /// Committed records from `from` on, at most `max`; fewer or none at the end.
    fn read<'a>(&'a self, source: &'a Source, from: Offset, max: usize) -> BoxFuture<'a, Result<Vec<Record>, LogError>>;

    /// As [`read`](Self::read), for who follows the log and comes back after a [`wait`](Self::wait): what has arrived here, perhaps
    /// less than there is. It puts no question to a broker, which a follower would put for every few records.
    fn follow<'a>(&'a self, source: &'a Source, from: Offset, max: usize) -> BoxFuture<'a, Result<Vec<Record>, LogError>> {
        self.read(source, from, max)
    }

    /// The offset that the next committed record of `source` gets.
    fn end<'a>(&'a self, source: &'a Source) -> BoxFuture<'a, Result<Offset, LogError>>;

    /// The first offset whose time is at least `time` (microseconds), the end if there is none.
    fn offset_at<'a>(&'a self, source: &'a Source, time: i64) -> BoxFuture<'a, Result<Offset, LogError>>;

    /// Returns once `source` has committed records at or beyond `from`, or after `wait`; says whether it has.
    fn wait<'a>(&'a self, source: &'a Source, from: Offset, wait: Duration) -> BoxFuture<'a, Result<bool, LogError>>;

    /// The offset that `group` committed for `source`.
    fn committed<'a>(&'a self, group: &'a str, source: &'a Source) -> BoxFuture<'a, Result<Option<Offset>, LogError>>;

    /// Nobody needs the records of `source` before `before` any longer: the log may forget some or all of them. Answers
    /// whether there is nothing more to forget; if not, ask again. A log that expires records by itself leaves it at that.
    fn trim<'a>(&'a self, source: &'a Source, before: Offset) -> BoxFuture<'a, Result<bool, LogError>> {
        let _ = (source, before);
        Box::pin(async { Ok(true) })
    }

    /// Joins `group` as a consumer of `topics`; the partitions are shared out among its members, the same partition
    /// of every topic to the same member. Dropping the consumer leaves the group.
    fn consume<'a>(&'a self, group: &'a str, topics: &'a [&'a str]) -> BoxFuture<'a, Result<Box<dyn Consumer>, LogError>>;
}

/// The exclusive right to commit transactions under a name.
pub trait Transactional: Send {
    /// Grows with every owner.
    fn epoch(&self) -> u64;

    /// Commits and answers the offsets of the appended records, in order, once they are durable.
    fn commit(&mut self, transaction: Transaction) -> BoxFuture<'_, Result<Vec<Offset>, LogError>>;
}

/// What a consumer is told next.
#[derive(Debug)]
pub enum Delivery {
    /// These partitions are now this consumer's; it must [`seek`](Consumer::seek) each before records come. None, if
    /// others have them all.
    Assigned(Vec<Source>),
    /// These are no longer. Nobody else gets them before this consumer asks for what comes next (or has kept silent for
    /// too long): end until then what is done for them, and commit nothing for them afterwards.
    Revoked(Vec<Source>),
    /// Records of one partition, in order, without gaps since the last.
    Records(Source, Vec<Record>),
    /// Nothing came within the time given.
    Idle,
}

/// A member of a consumer group. It sees commands appended with [`Durability::Ordered`] at once.
pub trait Consumer: Send {
    /// What comes next, at most `max` records, waiting up to `wait`.
    fn next(&mut self, max: usize, wait: Duration) -> BoxFuture<'_, Result<Delivery, LogError>>;

    /// Delivers `source` from `from` on.
    fn seek(&mut self, source: &Source, from: Offset);

    /// Leaves the group and waits, for a few seconds at most, until the others can know: a process that ends at once
    /// after a drop may be waited for until its session has expired.
    fn leave(self: Box<Self>) -> BoxFuture<'static, ()> {
        // Enough where the others know at once.
        drop(self);
        Box::pin(std::future::ready(()))
    }
}

/// How far `next` is from `end` in offsets, 0 if no record lies between: the last offsets of a Kafka partition may be
/// the marks of transactions, which no reader ever sees.
pub async fn unread(log: &dyn Log, source: &Source, next: Offset, end: Offset) -> Result<u64, LogError> {
    if next >= end {
        return Ok(0);
    }
    let first = log.read(source, next, 1).await?;
    Ok(first.first().map_or(0, |record| end.saturating_sub(record.offset)))
}
