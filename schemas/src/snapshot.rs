//! Snapshots of states: their bytes, and a fingerprint of everything that gave the bytes their meaning.
//!
//! The bytes are [postcard's](https://postcard.jamesmunns.com/wire-format): short, fast, and without names, so they can only be
//! read by the types that wrote them. The fingerprint says whether these are still the same. It covers too much rather than
//! too little: a comment in a decider changes it, and costs one replay; an unnoticed change would cost the truth. It does
//! not cover the standard library and what other crates serialize; a state is made of our own types and plain ones.

use crate::{Decider, Message};
use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};

/// What decides how the types generated from a schema are serialized.
const GENERATOR: [&str; 2] = [include_str!("../build/types.rs"), include_str!("../build/emit.rs")];
/// The form of the bytes; another one changes every fingerprint.
const FORM: &str = "postcard 1";

/// A state that cannot be written, or bytes that are not a state.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The state or the bytes do not fit the form.
    #[error("not a state: {0}")]
    Form(#[from] postcard::Error),
    /// Bytes follow the state.
    #[error("{0} bytes follow the state")]
    Trailing(usize),
}

/// Appends the bytes of a state.
pub fn freeze<S: Serialize>(state: &S, out: &mut Vec<u8>) -> Result<(), SnapshotError> {
    let start = out.len();
    let frozen = postcard::serialize_with_flavor(state, Appending(&mut *out));
    frozen.map_err(|error| {
        out.truncate(start);
        error.into()
    })
}

/// Reads what [`freeze`] appended.
pub fn thaw<S: DeserializeOwned>(bytes: &[u8]) -> Result<S, SnapshotError> {
    match postcard::take_from_bytes(bytes)? {
        (state, []) => Ok(state),
        (_, rest) => Err(SnapshotError::Trailing(rest.len())),
    }
}

/// Changes whenever `State` or `evolve` of the decider may have changed, or the types of its events.
pub fn fingerprint<D: Decider>() -> u64 {
    let mut sum = Sha256::new();
    // The lengths keep parts from running together.
    let mut add = |part: &str| {
        sum.update((part.len() as u64).to_be_bytes());
        sum.update(part);
    };
    [FORM, D::NAME].into_iter().chain(D::SOURCE.iter().copied()).chain(GENERATOR).for_each(&mut add);
    for schema in D::Event::TYPES.iter().filter_map(|name| crate::schema(name)) {
        add(&schema.id.to_string());
        add(schema.json);
    }
    let sum: [u8; 32] = sum.finalize().into();
    sum.first_chunk().map_or(0, |start| u64::from_be_bytes(*start))
}

/// Lets postcard write behind what is there already.
struct Appending<'a>(&'a mut Vec<u8>);

impl postcard::ser_flavors::Flavor for Appending<'_> {
    type Output = ();

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::{Recorded, RefusalKind, work};
    use serde::Deserialize;

    #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
    struct State {
        class: Option<work::FailureClass>,
        names: Vec<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sometimes: Option<i64>,
    }

    #[derive(Debug, PartialEq, thiserror::Error)]
    #[error("never")]
    struct Never;

    impl crate::Refusal for Never {
        fn kind(&self) -> RefusalKind {
            RefusalKind::Conflict
        }
        fn code(&self) -> &'static str {
            "never"
        }
    }

    /// Deciders that differ in their names, sources or events.
    macro_rules! decider {
        ($name:ident, $event:ty, $source:expr) => {
            struct $name;
            impl Decider for $name {
                const NAME: &'static str = "job";
                const SOURCE: &'static [&'static str] = $source;
                type Command = work::JobCommand;
                type Event = $event;
                type State = State;
                type Refusal = Never;
                fn id(command: &work::JobCommand) -> &str {
                    command.aggregate_id()
                }
                fn evolve(_: &mut State, _: &$event) {}
                fn decide(_: &Recorded<work::JobCommand>, _: &State) -> Result<Vec<$event>, Never> {
                    Ok(Vec::new())
                }
            }
        };
    }
    decider!(First, work::JobEvent, &["fn evolve() {}", "struct State;"]);
    decider!(Same, work::JobEvent, &["fn evolve() {}", "struct State;"]);
    decider!(Commented, work::JobEvent, &["fn evolve() {} // no more", "struct State;"]);
    decider!(Joined, work::JobEvent, &["fn evolve() {}struct State;"]);
    decider!(Fewer, work::JobSubmitted, &["fn evolve() {}", "struct State;"]);

    #[test]
    fn a_fingerprint_changes_with_the_source_and_with_the_schemas_of_the_events() {
        assert_eq!(fingerprint::<First>(), fingerprint::<Same>());
        let others = [fingerprint::<Commented>(), fingerprint::<Joined>(), fingerprint::<Fewer>()];
        assert!(!others.contains(&fingerprint::<First>()), "{others:?}");
    }

    #[test]
    fn a_state_comes_back_as_it_was_behind_what_was_there() {
        let state = State { class: Some(work::FailureClass::Permanent), names: vec!["ada".into()], sometimes: Some(7) };
        let mut bytes = b"before".to_vec();
        freeze(&state, &mut bytes).unwrap();
        assert_eq!(thaw::<State>(bytes.strip_prefix(b"before").unwrap()).unwrap(), state);
    }

    #[test]
    fn bytes_that_are_not_exactly_a_state_are_refused() {
        let mut bytes = Vec::new();
        freeze(&State { sometimes: Some(7), ..State::default() }, &mut bytes).unwrap();
        assert!(thaw::<State>(&bytes[..bytes.len() - 1]).is_err());
        bytes.push(0);
        assert!(matches!(thaw::<State>(&bytes), Err(SnapshotError::Trailing(1))));
    }

    #[test]
    fn a_field_that_is_sometimes_left_out_is_no_state() {
        let mut bytes = Vec::new();
        freeze(&State::default(), &mut bytes).unwrap();
        assert!(thaw::<State>(&bytes).is_err(), "postcard has no names, so what is left out cannot be told");
    }
}
