//! Which job to try next: candidates of a queue, and those that were handed out just now.
//!
//! The queue table says who may be free; only the aggregate grants. A candidate that this gateway has tried is hidden
//! for a moment, so that workers who ask at the same time do not run into each other. The set is bounded: what does
//! not fit is merely not hidden.

use parking_lot::Mutex;
use rand::seq::IndexedRandom;
use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

/// How long a candidate stays hidden.
const HIDDEN: Duration = Duration::from_secs(2);
/// Most hidden candidates.
const MOST: usize = 65_536;
/// From how many of the first candidates one is picked.
const FIRST: usize = 8;

/// A job that may be free.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// The job.
    pub job_id: String,
    /// Smaller is handed out first.
    pub rank: i64,
}

/// Candidates that were tried just now, by tenant and job.
#[derive(Default)]
pub(crate) struct HandedOut(Mutex<HashMap<(&'static str, String), Instant>>);

impl HandedOut {
    /// Picks one of the first candidates that are not hidden and share the best rank, and hides it.
    pub fn pick(&self, tenant: &'static str, candidates: &[Candidate]) -> Option<Candidate> {
        let now = Instant::now();
        let mut hidden = self.0.lock();
        let is_free = |candidate: &&Candidate| {
            hidden.get(&(tenant, candidate.job_id.clone())).is_none_or(|since| now.duration_since(*since) >= HIDDEN)
        };
        let mut free = candidates.iter().filter(is_free).peekable();
        let best = free.peek()?.rank;
        let first: Vec<_> = free.take_while(|candidate| candidate.rank == best).take(FIRST).collect();
        let picked = (*first.choose(&mut rand::rng())?).clone();
        if hidden.len() >= MOST {
            hidden.retain(|_, since| now.duration_since(*since) < HIDDEN);
        }
        if hidden.len() < MOST {
            hidden.insert((tenant, picked.job_id.clone()), now);
        }
        Some(picked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidates(ranks: &[i64]) -> Vec<Candidate> {
        ranks.iter().enumerate().map(|(place, rank)| Candidate { job_id: format!("j{place}"), rank: *rank }).collect()
    }

    #[test]
    fn a_candidate_is_handed_out_once_and_the_best_rank_first() {
        let (out, candidates) = (HandedOut::default(), candidates(&[0, 0, 2]));
        let mut picked: Vec<_> = (0..3).filter_map(|_| out.pick("t", &candidates)).map(|c| c.job_id).collect();
        assert_eq!(picked.pop().as_deref(), Some("j2"), "the lower rank comes last");
        picked.sort();
        assert_eq!(picked, ["j0", "j1"]);
        assert_eq!(out.pick("t", &candidates), None);
        assert!(out.pick("other", &candidates).is_some(), "tenants do not hide each other's jobs");
    }

    #[test]
    fn the_set_does_not_grow_beyond_its_bound() {
        let out = HandedOut::default();
        for place in 0..MOST + 10 {
            let candidate = Candidate { job_id: format!("j{place}"), rank: 0 };
            assert!(out.pick("t", &[candidate]).is_some());
        }
        assert!(out.0.lock().len() <= MOST);
    }
}
