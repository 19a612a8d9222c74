//! Places in a commit where a test lets this process die or stand still.
//!
//! Without the feature `failpoints`, which only the tests' crate asks for, nothing is compiled in. With it the variable
//! `FAILPOINT=PLACE:N` is read once: at the N-th passage of the place the process kills itself as `kill -9` would, and
//! with `FAILPOINT=PLACE:N:MS` that passage takes so many milliseconds. Only commits that move consumed offsets count:
//! those are the writer's decisions.

/// A place in a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Nothing of the transaction is in the log yet.
    BeforeProduce,
    /// All of it is, and nothing counts.
    BeforeCommit,
    /// It counts, and nobody was told.
    AfterCommit,
}

/// A commit comes by; `decides` if it moves consumed offsets.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub(crate) fn pass(_: Place, _decides: bool) {}

#[cfg(feature = "failpoints")]
pub(crate) use armed::pass;

#[cfg(feature = "failpoints")]
mod armed {
    use super::Place;
    use rustix::process::{Signal, getpid, kill_process};
    use std::{
        env,
        sync::{
            LazyLock,
            atomic::{AtomicU64, Ordering},
        },
        thread,
        time::Duration,
    };

    struct Armed {
        place: Place,
        passage: u64,
        stall: Option<Duration>,
        passed: AtomicU64,
    }

    static ARMED: LazyLock<Option<Armed>> = LazyLock::new(|| read(&env::var("FAILPOINT").ok()?));

    fn read(text: &str) -> Option<Armed> {
        let mut parts = text.split(':');
        let place = match parts.next()? {
            "before-produce" => Place::BeforeProduce,
            "before-commit" => Place::BeforeCommit,
            "after-commit" => Place::AfterCommit,
            _ => return None,
        };
        let passage = parts.next()?.parse().ok()?;
        let stall = parts.next().and_then(|ms| ms.parse().ok()).map(Duration::from_millis);
        Some(Armed { place, passage, stall, passed: AtomicU64::new(0) })
    }

    pub(crate) fn pass(place: Place, decides: bool) {
        let Some(armed) = ARMED.as_ref().filter(|armed| decides && armed.place == place) else { return };
        if armed.passed.fetch_add(1, Ordering::Relaxed) + 1 != armed.passage {
            return;
        }
        match armed.stall {
            Some(stall) => thread::sleep(stall),
            // It cannot fail: the process is there, and its own.
            None => drop(kill_process(getpid(), Signal::KILL)),
        }
    }
}
