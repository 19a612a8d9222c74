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
pub struct Health(Arc<Mutex<BTreeMap<String, Status>>>);

impl Health {
    /// Registers a component, which starts as [`Status::Starting`].
    pub fn component(&self, name: impl Into<String>) -> Component {
        let component = Component { health: self.clone(), name: name.into() };
        component.set(Status::Starting);
        component
    }

    /// Name and status of every component.
    pub fn statuses(&self) -> Vec<(String, Status)> {
        self.lock().iter().map(|(name, status)| (name.clone(), status.clone())).collect()
    }

    /// Whether every component works, at least in part.
    pub fn is_ready(&self) -> bool {
        self.lock().values().all(|status| matches!(status, Status::Ready | Status::Degraded(_)))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Status>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One component's pen in the list.
#[derive(Debug, Clone)]
pub struct Component {
    health: Health,
    name: String,
}

impl Component {
    /// Says how the component is.
    pub fn set(&self, status: Status) {
        self.health.lock().insert(self.name.clone(), status);
    }
}
