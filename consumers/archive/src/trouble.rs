//! The health of the archive: one component that names every partition in trouble, for as long as this process has any.

use crate::ArchiveError;
use log::Source;
use service::{Component, Health, Status};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

/// How the partitions of this process are.
#[derive(Clone)]
pub(crate) struct Troubles {
    health: Health,
    list: Arc<Mutex<List>>,
}

#[derive(Default)]
struct List {
    /// There while there are partitions.
    component: Option<Component>,
    partitions: BTreeMap<Source, Condition>,
}

#[derive(PartialEq)]
enum Condition {
    Starting,
    Well,
    Bad(ArchiveError),
}

/// How one partition is; it is forgotten with this.
pub(crate) struct State {
    troubles: Troubles,
    source: Source,
}

impl Troubles {
    pub fn new(health: &Health) -> Self {
        Self { health: health.clone(), list: Arc::default() }
    }

    /// This process has a partition from now on.
    pub fn begin(&self, source: Source) -> State {
        self.update(|partitions| partitions.insert(source.clone(), Condition::Starting));
        State { troubles: self.clone(), source }
    }

    fn update<T>(&self, change: impl FnOnce(&mut BTreeMap<Source, Condition>) -> T) -> T {
        let mut list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        let List { component, partitions } = &mut *list;
        let changed = change(partitions);
        if partitions.is_empty() {
            component.take().iter().for_each(Component::remove);
        } else {
            component.get_or_insert_with(|| self.health.component("archive")).set(status(partitions));
        }
        changed
    }
}

impl State {
    /// The partition is archived without trouble.
    pub fn clear(&self) {
        self.change(Condition::Well);
    }

    /// The partition cannot be archived; says whether it could before or failed otherwise.
    pub fn set(&self, error: ArchiveError) -> bool {
        self.change(Condition::Bad(error))
    }

    fn change(&self, condition: Condition) -> bool {
        self.troubles.update(|partitions| {
            let is_new = partitions.get(&self.source) != Some(&condition);
            partitions.insert(self.source.clone(), condition);
            is_new
        })
    }
}

impl Drop for State {
    fn drop(&mut self) {
        self.troubles.update(|partitions| partitions.remove(&self.source));
    }
}

fn status(partitions: &BTreeMap<Source, Condition>) -> Status {
    let troubles: Vec<&ArchiveError> = partitions
        .values()
        .filter_map(|condition| match condition {
            Condition::Bad(error) => Some(error),
            Condition::Starting | Condition::Well => None,
        })
        .collect();
    let words = troubles.iter().map(|error| error.to_string()).collect::<Vec<_>>().join("; ");
    // The platform works on while the store is away. It must not be called well while a record is at risk.
    let needs_a_person = troubles.iter().any(|error| !matches!(error, ArchiveError::Transient(_)));
    match (troubles.is_empty(), needs_a_person) {
        (true, _) if partitions.values().any(|condition| *condition == Condition::Starting) => Status::Starting,
        (true, _) => Status::Ready,
        (false, true) => Status::Failing(words),
        (false, false) => Status::Degraded(format!("the archive falls behind: {words}; it keeps trying")),
    }
}
