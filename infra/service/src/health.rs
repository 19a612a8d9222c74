//! Who is ready: each component says so itself, `/readyz?verbose` repeats it.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// How a component is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// It loads or connects.
    Starting,
    /// It works.
    Ready,
    /// It works in part, and says what is missing; the program is ready without it.
    Degraded(String),
    /// It cannot work, and says why; it keeps trying.
    Failing(String),
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Starting => f.write_str("starting"),
            Self::Ready => f.write_str("ready"),
            Self::Degraded(why) => write!(f, "degraded: {why}"),
            Self::Failing(why) => write!(f, "failing: {why}"),
        }
    }
}

/// The statuses of all components. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Health(Arc<Mutex<BTreeMap<String, Entry>>>);

/// What is in the list, and the pen that writes it.
#[derive(Debug)]
struct Entry {
    pen: Arc<()>,
    status: Status,
}

impl Health {
    /// Registers a component, which starts as [`Status::Starting`]. Whoever had registered the name before writes nothing
    /// any more.
    pub fn component(&self, name: impl Into<String>) -> Component {
        let component = Component { health: self.clone(), name: name.into(), pen: Arc::default() };
        self.lock().insert(component.name.clone(), Entry { pen: component.pen.clone(), status: Status::Starting });
        component
    }

    /// Name and status of every component.
    pub fn statuses(&self) -> Vec<(String, Status)> {
        self.lock().iter().map(|(name, entry)| (name.clone(), entry.status.clone())).collect()
    }

    /// Whether every component works, at least in part.
    pub fn is_ready(&self) -> bool {
        self.lock().values().all(|entry| matches!(entry.status, Status::Ready | Status::Degraded(_)))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One component's pen in the list. Clones share it.
#[derive(Debug, Clone)]
pub struct Component {
    health: Health,
    name: String,
    pen: Arc<()>,
}

impl Component {
    /// Says how the component is.
    pub fn set(&self, status: Status) {
        if let Some(entry) = self.health.lock().get_mut(&self.name).filter(|entry| self.writes(entry)) {
            entry.status = status;
        }
    }

    /// Takes the component off the list, for good: its work is no longer this process's.
    pub fn remove(&self) {
        let mut list = self.health.lock();
        if list.get(&self.name).is_some_and(|entry| self.writes(entry)) {
            list.remove(&self.name);
        }
    }

    fn writes(&self, entry: &Entry) -> bool {
        Arc::ptr_eq(&entry.pen, &self.pen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_that_was_removed_or_replaced_says_nothing_any_more() {
        let health = Health::default();
        let old = health.component("feed");
        let late = old.clone();
        old.remove();
        late.set(Status::Failing("late".into()));
        assert_eq!((health.statuses(), health.is_ready()), (vec![], true));
        let new = health.component("feed");
        new.set(Status::Ready);
        late.set(Status::Failing("later".into()));
        late.remove();
        assert_eq!(health.statuses(), [("feed".to_owned(), Status::Ready)]);
    }
}
