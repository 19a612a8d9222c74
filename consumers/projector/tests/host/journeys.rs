//! Journeys over the real adapters: following, restarts, rebuilds, new versions.

use crate::world::{World, eventually, fresh, submit, work};
use schemas::{AnyProjection, Entry, Grain, Slice, Stream, row::Table, spec::History};
use std::collections::HashSet;
use stores::{GenerationState, Store, Write};

fn jobs() -> &'static dyn AnyProjection {
    projections::find("jobs").unwrap()
}

#[tokio::test]
async fn every_read_model_follows_the_log_and_goes_on_after_a_restart() {
    let world = World::new().await;
    let first = submit(History::new(), 0..40);
    world.append(first.entries()).await;
    let running = world.start();
    world.equals_a_fresh_fold(first.entries()).await;
    let second = submit(work(first.clone(), 0..30), 40..50);
    world.append(&second.entries()[first.entries().len()..]).await;
    world.equals_a_fresh_fold(second.entries()).await;
    running.stop().await;

    let third = work(second.clone(), 30..50);
    world.append(&third.entries()[second.entries().len()..]).await;
    let running = world.start();
    world.equals_a_fresh_fold(third.entries()).await;
    assert_eq!(world.store.parked(9).await.unwrap(), []);
    for projection in projections::all() {
        running.reaches(projection.name(), |status| *status == service::Status::Ready).await;
        assert_eq!(world.store.generations(projection.name()).await.unwrap().len(), 1);
    }
    running.stop().await;
}

#[tokio::test]
async fn a_rebuild_is_identical_and_the_new_generation_goes_on_where_the_old_one_stood() {
    let world = World::new().await;
    let history = work(submit(History::new(), 0..60), 0..40);
    world.append(history.entries()).await;
    let running = world.start();
    world.equals_a_fresh_fold(history.entries()).await;
    for projection in projections::all() {
        let old = world.live(projection.name()).await.unwrap();
        let new = world.store.create(&projection.table(), projection.version()).await.unwrap();
        let live = eventually(
            projection.name(),
            || world.live(projection.name()),
            |live| live.as_ref().is_some_and(|live| live.id == new.id),
        );
        let rows = fresh(*projection, history.entries()).rows;
        assert_eq!(live.await.unwrap().note, format!("identical to generation {} (rows {rows})", old.id));
    }
    let more = work(submit(history.clone(), 60..80), 40..80);
    world.append(&more.entries()[history.entries().len()..]).await;
    world.equals_a_fresh_fold(more.entries()).await;
    running.stop().await;
}

#[tokio::test]
async fn the_live_generation_is_fed_while_another_is_built_beside_it() {
    let world = World::new().await;
    let mut history = submit(History::new(), 0..60);
    world.append(history.entries()).await;
    let running = world.start();
    world.follows(jobs(), history.entries()).await;
    let new = world.store.create(&jobs().table(), jobs().version()).await.unwrap();
    for step in 0..20 {
        let more = work(history.clone(), step * 3..step * 3 + 3);
        world.append(&more.entries()[history.entries().len()..]).await;
        history = more;
    }
    let live =
        eventually("jobs", || world.live("jobs"), |live| live.as_ref().is_some_and(|live| live.id == new.id)).await.unwrap();
    assert!(live.note.starts_with("identical to"), "{}", live.note);
    world.equals_a_fresh_fold(history.entries()).await;
    running.stop().await;
}

#[tokio::test]
async fn a_rebuild_that_is_killed_again_and_again_is_taken_up_where_it_was() {
    let world = World::new().await;
    let history = work(submit(History::new(), 0..2_000), 0..2_000);
    world.append(history.entries()).await;
    let running = world.start();
    world.equals_a_fresh_fold(history.entries()).await;
    running.stop().await;
    let new = world.store.create(&jobs().table(), jobs().version()).await.unwrap();
    for _ in 0..5 {
        let running = world.start();
        eventually(
            "jobs",
            || world.store.positions(new.id),
            |positions| positions.as_ref().is_ok_and(|positions| !positions.is_empty()),
        )
        .await
        .unwrap();
        running.kill().await;
    }
    let running = world.start();
    let live = eventually("jobs", || world.live("jobs"), |live| live.as_ref().is_some_and(|live| live.id == new.id)).await;
    assert!(live.unwrap().note.starts_with("identical to"));
    world.equals_a_fresh_fold(history.entries()).await;
    running.stop().await;
}

#[tokio::test]
async fn a_rebuild_says_where_the_live_generation_was_not_what_the_log_says() {
    let world = World::new().await;
    let history = submit(History::new(), 0..10);
    world.append(history.entries()).await;
    let running = world.start();
    world.follows(jobs(), history.entries()).await;
    let old = world.live("jobs").await.unwrap();
    let key = vec![schemas::row::Value::Text("default".into()), schemas::row::Value::Text("job-3".into())];
    world.store.write(Write { generation: old.id, deletes: vec![key], ..Write::default() }).await.unwrap();
    let new = world.store.create(&jobs().table(), jobs().version()).await.unwrap();
    let live = eventually("jobs", || world.live("jobs"), |live| live.as_ref().is_some_and(|live| live.id == new.id)).await;
    assert_eq!(live.unwrap().note, format!("differs from generation {}: 10 rows against 9", old.id));
    world.follows(jobs(), history.entries()).await;
    running.stop().await;
}

/// `jobs` as the next version of the program has it.
struct Second;

static SECOND: &[&dyn AnyProjection] = &[&Second];
static FIRST: &[&dyn AnyProjection] = &[&First];

/// `jobs` as it is.
struct First;

macro_rules! version {
    ($name:ident, $version:literal) => {
        impl AnyProjection for $name {
            fn name(&self) -> &'static str {
                "jobs"
            }
            fn version(&self) -> u32 {
                $version
            }
            fn grain(&self) -> Grain {
                jobs().grain()
            }
            fn table(&self) -> Table {
                jobs().table()
            }
            fn is_facts(&self) -> bool {
                false
            }
            fn streams(&self) -> &'static [Stream] {
                jobs().streams()
            }
            fn reads(&self, name: &str) -> bool {
                jobs().reads(name)
            }
            fn open(&self, batch: &[Entry], parked: &HashSet<String>) -> Box<dyn Slice> {
                jobs().open(batch, parked)
            }
        }
    };
}

version!(First, 1);
version!(Second, 2);

#[tokio::test]
async fn a_new_version_is_built_beside_the_old_one_and_replaces_it() {
    let world = World::new().await;
    let history = work(submit(History::new(), 0..30), 0..30);
    world.append(history.entries()).await;
    let running = world.start_with(FIRST);
    world.follows(jobs(), history.entries()).await;
    // What an operator began under the old version is of no use to the new one.
    running.stop().await;
    let leftover = world.store.create(&jobs().table(), 1).await.unwrap();

    let running = world.start_with(SECOND);
    let live = eventually("jobs", || world.live("jobs"), |live| live.as_ref().is_some_and(|live| live.version == 2)).await;
    assert_eq!(live.unwrap().note, "version 2 replaces 1");
    assert_eq!(world.generation("jobs", GenerationState::Retired).await.map(|old| old.version), Some(1));
    assert_eq!(world.generation("jobs", GenerationState::Building).await, None, "{leftover:?}");
    let more = submit(history.clone(), 30..40);
    world.append(&more.entries()[history.entries().len()..]).await;
    world.follows(jobs(), more.entries()).await;
    running.reaches("jobs", |status| *status == service::Status::Ready).await;
    running.stop().await;
}
