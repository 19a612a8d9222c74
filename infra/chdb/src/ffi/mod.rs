//! The C interface (`chdb.h` of chDB 26.7.3), made safe: every pointer is owned by one Rust value, freed exactly once,
//! and never leaves this module.

mod connection;
mod exit;
mod result;
mod stream;
mod symbols;

pub(crate) use connection::RawConnection;
pub(crate) use exit::skip_destructors;
pub(crate) use stream::{RawInsert, RawQuery};
pub(crate) use symbols::Symbols;

/// What a statement does to state that outlives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatementClass {
    /// It leaves no trace.
    ReadOnly,
    /// It changes a database.
    Mutating,
    /// It changes what lies beside the databases.
    MutatingGlobal,
    /// It changes the session, or writes outside the engine.
    Control,
    /// It did not parse, or nobody knows.
    Unknown,
}

/// What the engine's own parser says about a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Analysis {
    /// How many statements would be executed.
    pub statements: u32,
    /// What the most restricted of them does.
    pub class: StatementClass,
}
