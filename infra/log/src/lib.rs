//! The event log port.
//!
//! A log holds topics of equally many partitions; a partition is a sequence of records with growing offsets. Writers
//! append to several partitions and move their consumed offsets in one transaction, all or nothing; readers see only
//! what was committed. The port knows bytes only: what an envelope or payload means is `schemas`' business.
//!
//! Implementations: [`sqlite`] (embedded) and [`kafka`] (servers). The suite in `conformance` (feature of that name) says
//! what each promises.

#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod failpoint;
pub mod kafka;
mod meters;
mod port;
mod share;
pub mod sqlite;

pub use port::{
    Append, Consumed, Consumer, Delivery, Durability, Log, LogError, Offset, Record, Source, Timeline, Transaction,
    Transactional, unread,
};
pub use share::{Share, ShareError};
