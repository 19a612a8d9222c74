//! The health of the archive: one component that names every partition in trouble.

use crate::ArchiveError;
use log::Source;
use service::{Component, Status};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

/// How the partitions are.
#[derive(Debug, Clone)]
pub(crate) struct Troubles {
    component: Component,
    /// What keeps a partition from being archived; none if it has started well, absent if it has not started.
    partitions: Arc<Mutex<BTreeMap<Source, Option<ArchiveError>>>>,
    expected: usize,
}

impl Troubles {
    pub fn new(component: Component, expected: usize) -> Self {
        let troubles = Self { component, partitions: Arc::default(), expected };
        troubles.update(|_| ());
        troubles
    }

    /// A partition is archived without trouble; says whether that is new.
    pub fn clear(&self, source: &Source) {
        self.update(|partitions| drop(partitions.insert(source.clone(), None)));
    }

    /// A partition cannot be archived; says whether it could before or failed otherwise.
    pub fn set(&self, source: &Source, error: ArchiveError) -> bool {
        let mut is_new = false;
        self.update(|partitions| {
            let before = partitions.insert(source.clone(), Some(error.clone()));
            is_new = before.flatten().as_ref() != Some(&error);
        });
        is_new
    }

    fn update(&self, change: impl FnOnce(&mut BTreeMap<Source, Option<ArchiveError>>)) {
        let mut partitions = self.partitions.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut partitions);
        let troubles: Vec<&ArchiveError> = partitions.values().flatten().collect();
        let words = troubles.iter().map(|error| error.to_string()).collect::<Vec<_>>().join("; ");
        // The platform works on while the store is away. It must not be called well while a record is at risk.
        let needs_a_person = troubles.iter().any(|error| !matches!(error, ArchiveError::Transient(_)));
        self.component.set(match (troubles.is_empty(), needs_a_person) {
            (true, _) if partitions.len() < self.expected => Status::Starting,
            (true, _) => Status::Ready,
            (false, true) => Status::Failing(words),
            (false, false) => Status::Degraded(format!("the archive falls behind: {words}; it keeps trying")),
        });
    }
}
