//! Filling a generation beside the live one, and the switch.
//!
//! The new one is read up to where the live one stands, again and again, until less than a batch is missing. Then the
//! live one is held for a moment, both are brought to exactly the same positions and compared, and the new one takes
//! its place. A new version has nothing to be compared with: it is read up to the end of the log and switched to.
//! Everything is resumed from the stored positions after a crash, at any moment. If another owner moved either of the two
//! while they were compared, the comparison says nothing: it is begun again.

use crate::{
    backoff::Backoff,
    cursor::{Positions, distance},
    keeper::Live,
    reading::FAR,
    runner::{Context, Runner},
    trouble::{CALL, SCAN, Trouble, within},
};
use std::future::Future;
use stores::{Generation, Scan};
use tokio::sync::OwnedMutexGuard;

/// A generation that became live, and the turn that keeps the one before it where it was.
pub(crate) struct Switched {
    pub runner: Runner,
    pub held: Option<OwnedMutexGuard<()>>,
}

/// Fills `generation` and switches to it. `live` is what it has to equal, if that is of the same version.
pub(crate) async fn build(context: &Context, generation: Generation, live: Option<&Live>) -> Result<Switched, Trouble> {
    let (name, id) = (context.projection.name(), generation.id);
    tracing::info!(projection.name = name, generation.id = id, "building a generation");
    let mut runner = persist(context, || Runner::open(context, generation.clone(), false)).await?;
    let (held, note) = match live {
        Some(live) => {
            let (held, target) = approach(context, &mut runner, live).await?;
            let note = compare(context, id, live.generation.id).await?;
            stands(context, id, &target).await?;
            stands(context, live.generation.id, &target).await?;
            (Some(held), note)
        }
        None => (None, reach_the_end(context, &mut runner).await?),
    };
    persist(context, || within(CALL, "switching", context.store.switch(id, &note))).await?;
    runner.limit(None);
    context.meters.switches.increment(1);
    tracing::info!(projection.name = name, generation.id = id, generation.note = note, "switched to a generation");
    Ok(Switched { runner, held })
}

/// Brings the new generation to exactly where the live one stands, and holds the live one there; answers where that is.
async fn approach(context: &Context, runner: &mut Runner, live: &Live) -> Result<(OwnedMutexGuard<()>, Positions), Trouble> {
    loop {
        let before = read(runner);
        let target = positions(context, live.generation.id).await?;
        runner.limit(Some(&target));
        runner.drain().await?;
        let target = positions(context, live.generation.id).await?;
        if runner.reading.held().is_some() {
            runner.wait().await?;
        } else if distance(&runner.reading.cursors, &target) <= FAR as u64 || read(runner) == before {
            break;
        }
    }
    let held = live.turn.clone().lock_owned().await;
    let target = positions(context, live.generation.id).await?;
    runner.limit(Some(&target));
    runner.drain().await?;
    let reached = positions(context, runner.writing.generation.id).await?;
    if reached != target {
        stands(context, live.generation.id, &target).await?;
        return Err(Trouble::Stuck(format!(
            "generation {} stands at {reached:?}, generation {} at {target:?}, and the log leads no further",
            runner.writing.generation.id, live.generation.id
        )));
    }
    Ok((held, target))
}

/// Makes sure that a generation that nobody here moves still stands where it stood.
async fn stands(context: &Context, id: u64, target: &Positions) -> Result<(), Trouble> {
    if positions(context, id).await? == *target {
        return Ok(());
    }
    Err(Trouble::Stale(format!("another owner moved generation {id} while it was compared")))
}

/// How far it has read, over all sources.
fn read(runner: &Runner) -> u64 {
    runner.reading.cursors.iter().map(|cursor| cursor.next).sum()
}

async fn compare(context: &Context, building: u64, live: u64) -> Result<String, Trouble> {
    let scan = |id| persist(context, move || within(SCAN, "comparing rows", context.store.scan(id)));
    let (new, old) = tokio::join!(scan(building), scan(live));
    Ok(note(live, new?, old?))
}

fn note(live: u64, new: Scan, old: Scan) -> String {
    if new == old {
        format!("identical to generation {live} (rows {})", new.rows)
    } else {
        format!("differs from generation {live}: {} rows against {}", new.rows, old.rows)
    }
}

/// Reads until nothing is left; answers the note.
async fn reach_the_end(context: &Context, runner: &mut Runner) -> Result<String, Trouble> {
    loop {
        runner.drain().await?;
        if runner.reading.held().is_none() {
            break;
        }
        runner.wait().await?;
    }
    let name = context.projection.name();
    let generations = persist(context, || within(CALL, "reading generations", context.store.generations(name))).await?;
    let version = context.projection.version();
    let replaced = generations.iter().find(|generation| generation.state == stores::GenerationState::Live);
    Ok(match replaced {
        Some(replaced) => format!("version {version} replaces {}", replaced.version),
        None => format!("version {version} is the first"),
    })
}

/// Where a generation stands in the sources of which it has taken in anything.
async fn positions(context: &Context, id: u64) -> Result<Positions, Trouble> {
    let mut positions = persist(context, || within(CALL, "reading positions", context.store.positions(id))).await?;
    positions.retain(|_, stands| *stands != (0, 0));
    Ok(positions)
}

/// Tries again for as long as only transient errors stand in the way.
pub(crate) async fn persist<T, F: Future<Output = Result<T, Trouble>>>(
    context: &Context,
    call: impl Fn() -> F,
) -> Result<T, Trouble> {
    let mut backoff = Backoff::default();
    loop {
        match call().await {
            Err(Trouble::Transient(reason)) => {
                context.meters.retries.increment(1);
                context.pulse.building(Some(reason));
                tokio::select! {
                    () = context.stop.cancelled() => return Err(Trouble::Stopped),
                    () = tokio::time::sleep(backoff.next()) => {}
                }
            }
            Ok(answer) => {
                if !backoff.is_fresh() {
                    context.pulse.building(None);
                }
                return Ok(answer);
            }
            Err(trouble) => return Err(trouble),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_says_whether_the_generations_are_equal() {
        let (one, other) = (Scan { rows: 3, checksum: 9 }, Scan { rows: 3, checksum: 8 });
        assert_eq!(note(4, one, one), "identical to generation 4 (rows 3)");
        assert_eq!(note(4, one, other), "differs from generation 4: 3 rows against 3");
    }
}
