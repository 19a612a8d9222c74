//! How a read model is, as `/readyz` shows it: its live generation, and the one that is being built beside it.

use service::{Component, Health, Status};
use std::sync::{Mutex, PoisonError};

pub(crate) struct Pulse {
    name: &'static str,
    component: Component,
    state: Mutex<State>,
}

#[derive(Debug, Clone, PartialEq)]
struct State {
    live: Status,
    building: Option<String>,
}

impl Pulse {
    pub fn new(health: &Health, name: &'static str) -> Self {
        let component = health.component(format!("projection {name}"));
        Self { name, component, state: Mutex::new(State { live: Status::Starting, building: None }) }
    }

    /// How the live generation is. A change for the worse is logged, here and only here.
    pub fn live(&self, status: Status) {
        self.change(|state| state.live = status);
    }

    /// What is wrong with the generation that is being built, if anything.
    pub fn building(&self, trouble: Option<String>) {
        self.change(|state| state.building = trouble);
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let before = state.clone();
        change(&mut state);
        if *state == before {
            return;
        }
        let status = state.status();
        match &status {
            Status::Failing(reason) => tracing::error!(projection.name = self.name, reason, "a read model stands still"),
            Status::Degraded(reason) => tracing::warn!(projection.name = self.name, reason, "a read model is impaired"),
            Status::Ready => tracing::info!(projection.name = self.name, "a read model follows the log"),
            Status::Starting => {}
        }
        self.component.set(status);
    }
}

impl Drop for Pulse {
    /// The read model is no longer this process's: nothing is said about it any more.
    fn drop(&mut self) {
        self.component.remove();
    }
}

impl State {
    fn status(&self) -> Status {
        match (&self.live, &self.building) {
            (Status::Ready, Some(trouble)) => Status::Degraded(trouble.clone()),
            (Status::Degraded(reason), Some(trouble)) => Status::Degraded(format!("{reason}; {trouble}")),
            (live, _) => live.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_with_a_rebuild_shows_but_does_not_make_a_read_model_unready() {
        let health = Health::default();
        let pulse = Pulse::new(&health, "jobs");
        let status = || health.statuses().into_iter().map(|(_, status)| status).next();
        assert_eq!(status(), Some(Status::Starting));
        pulse.building(Some("no space".into()));
        pulse.live(Status::Ready);
        assert_eq!((status(), health.is_ready()), (Some(Status::Degraded("no space".into())), true));
        pulse.live(Status::Failing("a hole".into()));
        assert_eq!((status(), health.is_ready()), (Some(Status::Failing("a hole".into())), false));
        pulse.live(Status::Ready);
        pulse.building(None);
        assert_eq!(status(), Some(Status::Ready));
    }
}
