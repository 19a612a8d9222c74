//! Deciders: the pure rules of one aggregate type.

use crate::{Message, Recorded};
use serde::{Serialize, de::DeserializeOwned};
use std::fmt;

/// What a refused command ran into; the gateway maps it to a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalKind {
    /// There is no such aggregate: 404.
    Absent,
    /// The aggregate's state does not allow it: 409.
    Conflict,
    /// This actor may not: 403.
    Forbidden,
}

/// Why a decider says no. A refusal is data that becomes the caller's answer; it is never logged as an error.
pub trait Refusal: fmt::Display + fmt::Debug + PartialEq + Send + 'static {
    /// What the command ran into.
    fn kind(&self) -> RefusalKind;
    /// Stable code, for example `stale_fence`.
    fn code(&self) -> &'static str;
}

/// The rules of one aggregate type: total, synchronous, without clock or randomness.
///
/// The shape is the decider of Jérémie Chassaing, "Functional Event Sourcing Decider" (2021).
pub trait Decider: 'static {
    /// Type of the aggregate: `job`.
    const NAME: &'static str;
    /// The text of every file that `State` and `evolve` are made of: `&[include_str!("job.rs")]`. A snapshot counts only as
    /// long as it stays the same, see [`snapshot`](crate::snapshot).
    const SOURCE: &'static [&'static str];
    /// Its commands.
    type Command: Message;
    /// Its events.
    type Event: Message;
    /// What `decide` needs to know of the past, and no more.
    type State: Default + Clone + Serialize + DeserializeOwned + Send + 'static;
    /// Why it says no.
    type Refusal: Refusal;
    /// Identity of the aggregate that a command is for; the tenant comes from the envelope only.
    fn id(command: &Self::Command) -> &str;
    /// Takes an event into the state.
    fn evolve(state: &mut Self::State, event: &Self::Event);
    /// Decides: the events that follow, none if nothing changes. The only clock is `command.envelope.recorded_at`.
    fn decide(command: &Recorded<Self::Command>, state: &Self::State) -> Result<Vec<Self::Event>, Self::Refusal>;
}
