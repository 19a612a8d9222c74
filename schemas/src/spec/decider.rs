//! Given events, when a command comes, then these events or this refusal.

use super::History;
use crate::{Decider, Message, Recorded, snapshot};
use serde::{Serialize, de::DeserializeOwned};
use std::fmt::Debug;

/// A specification of a decider: [`given`](Self::given), then [`when`](Self::when).
///
/// ```text
/// DeciderSpec::<Job>::given([submitted().into()]).at(NOW).by("worker-1").when(lease()).then([leased().into()]);
/// ```
#[derive(Debug)]
pub struct DeciderSpec<D: Decider> {
    state: D::State,
    history: History,
}

impl<D: Decider> DeciderSpec<D> {
    /// What happened so far.
    pub fn given(events: impl IntoIterator<Item = D::Event>) -> Self {
        let mut state = D::State::default();
        for event in events {
            D::evolve(&mut state, &event);
        }
        check_snapshot(&state);
        Self { state, history: History::new() }
    }

    /// When the command is recorded, in microseconds.
    pub fn at(self, micros: i64) -> Self {
        Self { history: self.history.at(micros), ..self }
    }

    /// Who sends it.
    pub fn by(self, actor: &str) -> Self {
        Self { history: self.history.by(actor), ..self }
    }

    /// Decides the command, and takes what is decided into the state.
    #[track_caller]
    pub fn when(mut self, command: impl Into<D::Command>) -> Decided<D> {
        let message: D::Command = command.into();
        let history = self.history.command(message.clone());
        let Some(envelope) = history.entries().last().map(|entry| entry.envelope.clone()) else {
            panic!("a history with a command has a last entry");
        };
        let command = Recorded { envelope, message };
        let outcome = D::decide(&command, &self.state);
        for event in outcome.iter().flatten() {
            let (is, expected) = (event.aggregate_id(), D::id(&command.message));
            assert_eq!(is, expected, "an event is about the aggregate of its command: {event:?}");
            D::evolve(&mut self.state, event);
        }
        check_snapshot(&self.state);
        Decided { outcome, state: self.state }
    }
}

/// A state that its snapshot does not give back would be lost at a restart.
#[track_caller]
fn check_snapshot<S: Serialize + DeserializeOwned>(state: &S) {
    let frozen = |state: &S| {
        let mut bytes = Vec::new();
        snapshot::freeze(state, &mut bytes).map(|()| bytes)
    };
    let survives = frozen(state).and_then(|bytes| Ok(frozen(&snapshot::thaw(&bytes)?)? == bytes));
    assert!(matches!(survives, Ok(true)), "a state does not survive its snapshot: {survives:?}");
}

/// What a decider said.
#[derive(Debug)]
pub struct Decided<D: Decider> {
    /// The events or the refusal.
    pub outcome: Result<Vec<D::Event>, D::Refusal>,
    /// The state afterwards.
    pub state: D::State,
}

impl<D: Decider> Decided<D>
where
    D::Event: Debug + PartialEq,
{
    /// Exactly these events, in order.
    #[track_caller]
    pub fn then(self, events: impl IntoIterator<Item = D::Event>) {
        assert_eq!(self.outcome, Ok(events.into_iter().collect()));
    }

    /// This refusal.
    #[track_caller]
    pub fn then_refused(self, refusal: D::Refusal) {
        assert_eq!(self.outcome, Err(refusal));
    }

    /// Accepted, and nothing changes.
    #[track_caller]
    pub fn then_nothing(self) {
        assert_eq!(self.outcome, Ok(Vec::new()));
    }
}
