//! The deciders that the writer hosts, by the names of their commands and events.

use crate::table::{Table, TableOf};
use schemas::{Decider, Message};
use std::{collections::HashMap, fmt};

/// A set of deciders.
///
/// ```
/// let deciders = swarmlog_writer::Deciders::new().with::<work::Job>();
/// assert_eq!(format!("{deciders:?}"), r#"["job"]"#);
/// ```
#[derive(Default)]
pub struct Deciders {
    contexts: Vec<&'static str>,
    kinds: Vec<Kind>,
    commands: HashMap<&'static str, usize>,
    events: HashMap<&'static str, usize>,
}

/// One aggregate type.
pub(crate) struct Kind {
    /// Its name.
    pub(crate) name: &'static str,
    /// Which of the contexts it belongs to.
    pub(crate) context: usize,
    /// Of its state and all that makes it.
    fingerprint: u64,
    table: fn() -> Box<dyn Table>,
}

impl Deciders {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one; its context is that of its commands.
    #[must_use]
    pub fn with<D: Decider>(mut self) -> Self {
        let context = D::Command::TYPES.first().and_then(|name| name.split('.').next()).unwrap_or_default();
        let place = self.contexts.iter().position(|known| *known == context).unwrap_or_else(|| {
            self.contexts.push(context);
            self.contexts.len() - 1
        });
        let kind = self.kinds.len();
        let fingerprint = schemas::snapshot::fingerprint::<D>();
        self.kinds.push(Kind { name: D::NAME, context: place, fingerprint, table: || Box::new(TableOf::<D>::default()) });
        self.commands.extend(D::Command::TYPES.iter().map(|name| (*name, kind)));
        self.events.extend(D::Event::TYPES.iter().map(|name| (*name, kind)));
        self
    }

    /// The contexts, in the order in which they came.
    pub(crate) fn contexts(&self) -> &[&'static str] {
        &self.contexts
    }

    /// Numbers of the aggregate types of a context.
    pub(crate) fn kinds_of(&self, context: usize) -> impl Iterator<Item = usize> {
        self.kinds.iter().enumerate().filter(move |(_, kind)| kind.context == context).map(|(number, _)| number)
    }

    /// The fingerprints of the aggregate types of a context, with their numbers.
    pub(crate) fn fingerprints(&self, context: usize) -> impl Iterator<Item = (usize, u64)> {
        self.kinds.iter().enumerate().filter(move |(_, kind)| kind.context == context).map(|(n, kind)| (n, kind.fingerprint))
    }

    /// An empty table for an aggregate type.
    pub(crate) fn table(&self, number: usize) -> Option<Box<dyn Table>> {
        self.kinds.get(number).map(|kind| (kind.table)())
    }

    /// An empty table for each aggregate type.
    pub(crate) fn tables(&self) -> Vec<Box<dyn Table>> {
        self.kinds.iter().map(|kind| (kind.table)()).collect()
    }

    /// The number of the aggregate type that takes the command type `name`.
    pub(crate) fn of_command(&self, name: &str) -> Option<usize> {
        self.commands.get(name).copied()
    }

    /// The number of the aggregate type that has the event type `name`.
    pub(crate) fn of_event(&self, name: &str) -> Option<usize> {
        self.events.get(name).copied()
    }

    /// The aggregate type with a number.
    pub(crate) fn kind(&self, number: usize) -> Option<&Kind> {
        self.kinds.get(number)
    }
}

impl fmt::Debug for Deciders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.kinds.iter().map(|kind| kind.name)).finish()
    }
}
