//! Several projectors over one log and one store: read models that change hands, and two owners at once.

use crate::{
    faulty::{FaultyLog, FaultyStore},
    world::{PARTITIONS, Running, World, eventually, fresh, submit, work},
};
use log::{Log, Source, conformance::Heedless};
use projections::all;
use schemas::{
    AnyProjection, Entry,
    spec::{History, fold_all},
};
use service::Status;
use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
};
use stores::{Advance, Store, Write};

fn only(name: &str) -> &'static [&'static dyn AnyProjection] {
    let place = all().iter().position(|projection| projection.name() == name).unwrap();
    &all()[place..=place]
}

/// Waits until every read model has one owner, and every projector has a read model.
async fn is_shared(running: &[&Running]) {
    let owned = |running: &Running| all().iter().filter(|projection| running.status(projection.name()).is_some()).count();
    let each = || async { running.iter().map(|running| owned(running)).collect::<Vec<_>>() };
    let settled = |each: &Vec<usize>| each.iter().sum::<usize>() == all().len() && !each.contains(&0);
    eventually("read models per projector", each, settled).await;
    for projection in all() {
        let owners = running.iter().filter(|running| running.status(projection.name()).is_some()).count();
        assert_eq!(owners, 1, "{}", projection.name());
    }
}

/// More lives of jobs, in steps that are written while something else happens.
struct Load {
    history: History,
    jobs: usize,
}

impl Load {
    fn new() -> Self {
        Self { history: History::new(), jobs: 0 }
    }

    async fn step(&mut self, world: &World) {
        let (before, jobs) = (self.history.entries().len(), self.jobs);
        self.history = work(submit(self.history.clone(), jobs..jobs + 7), jobs..jobs + 7);
        self.jobs += 7;
        for entries in self.history.entries()[before..].chunks(5) {
            world.append(entries).await;
        }
    }

    async fn steps(&mut self, world: &World, steps: usize) {
        for _ in 0..steps {
            self.step(world).await;
        }
    }
}

/// Every read model stands at the end of what it reads, and nothing was set aside.
async fn stands_at_the_end(world: &World, entries: &[Entry]) {
    world.equals_a_fresh_fold(entries).await;
    assert_eq!(world.store.parked(9).await.unwrap(), []);
    for projection in all() {
        let live = world.live(projection.name()).await.unwrap();
        for ((topic, partition), (_, next)) in world.store.positions(live.id).await.unwrap() {
            let source = Source { topic: topic.into(), partition };
            assert_eq!(next, world.log.end(&source).await.unwrap(), "{} in {source}", projection.name());
        }
    }
}

#[tokio::test]
async fn projectors_share_the_read_models_and_the_rest_take_over_from_one_that_ends_or_dies() {
    let (world, mut load) = (World::new().await, Load::new());
    let first = world.start();
    is_shared(&[&first]).await;
    load.steps(&world, 3).await;
    let second = world.start();
    load.steps(&world, 3).await;
    is_shared(&[&first, &second]).await;
    world.equals_a_fresh_fold(load.history.entries()).await;
    load.steps(&world, 2).await;
    first.kill().await;
    load.steps(&world, 2).await;
    is_shared(&[&second]).await;
    world.equals_a_fresh_fold(load.history.entries()).await;
    let third = world.start();
    is_shared(&[&second, &third]).await;
    load.steps(&world, 2).await;
    second.stop().await;
    load.steps(&world, 2).await;
    is_shared(&[&third]).await;
    stands_at_the_end(&world, load.history.entries()).await;
    for projection in all() {
        third.reaches(projection.name(), |status| *status == Status::Ready).await;
    }
    third.stop().await;
}

#[tokio::test]
async fn a_projector_that_loses_a_read_model_in_the_middle_of_a_rebuild_leaves_it_to_the_next_owner() {
    let (world, mut load) = (World::new().await, Load::new());
    load.steps(&world, 30).await;
    let first = world.start();
    world.equals_a_fresh_fold(load.history.entries()).await;
    let hold = world.store.scanning.hold.write().await;
    let mut new = BTreeMap::new();
    for projection in all() {
        let generation = world.store.create(&projection.table(), projection.version()).await.unwrap();
        new.insert(projection.name(), generation.id);
    }
    eventually("scans", || async { world.store.scanning.come.load(Ordering::SeqCst) }, |come| *come >= 2 * new.len()).await;
    let second = world.start();
    is_shared(&[&first, &second]).await;
    drop(hold);
    load.steps(&world, 3).await;
    for (name, id) in new {
        let live = eventually(name, || world.live(name), |live| live.as_ref().is_some_and(|live| live.id == id)).await.unwrap();
        assert!(live.note.starts_with("identical to"), "{name}: {}", live.note);
    }
    stands_at_the_end(&world, load.history.entries()).await;
    first.stop().await;
    second.stop().await;
}

#[tokio::test]
async fn two_owners_at_once_do_no_harm_and_the_one_that_is_left_goes_on() {
    let (world, mut load) = (World::new().await, Load::new());
    let heedless = || Running::over(Arc::new(Heedless(world.log.clone())), world.store.clone(), all());
    let (first, second) = (heedless(), heedless());
    for projection in all() {
        eventually(projection.name(), || world.live(projection.name()), Option::is_some).await;
    }
    load.steps(&world, 10).await;
    let mut new = BTreeMap::new();
    for projection in all() {
        let generation = world.store.create(&projection.table(), projection.version()).await.unwrap();
        new.insert(projection.name(), generation.id);
        load.step(&world).await;
    }
    for (name, id) in new {
        let live = eventually(name, || world.live(name), |live| live.as_ref().is_some_and(|live| live.id >= id)).await.unwrap();
        assert!(live.note.starts_with("identical to"), "{name}: {}", live.note);
    }
    stands_at_the_end(&world, load.history.entries()).await;
    first.kill().await;
    load.steps(&world, 3).await;
    stands_at_the_end(&world, load.history.entries()).await;
    for projection in all() {
        second.reaches(projection.name(), |status| *status == Status::Ready).await;
    }
    second.stop().await;
}

#[tokio::test]
async fn a_row_of_two_topics_keeps_what_two_owners_at_once_take_from_either() {
    let world = World::new().await;
    let commands = projections::find("commands").unwrap();
    // One owner has seen only the answer, the other only the command.
    let blind = |topic| {
        let log = FaultyLog::new(Arc::new(Heedless(world.log.clone())));
        *log.hides.lock().unwrap() = Some(topic);
        Arc::new(log)
    };
    let (answers, asked) = (blind("work.commands"), blind("work.results"));
    let slow = Arc::new(FaultyStore::new(world.store.clone()));
    let hold = slow.writing.hold.write().await;
    let first = Running::over(answers.clone(), slow.clone(), only("commands"));
    eventually("live", || world.live("commands"), Option::is_some).await;
    let history = submit(History::new(), 0..1);
    world.append(history.entries()).await;
    eventually("a write", || async { slow.writing.come.load(Ordering::SeqCst) }, |come| *come == 1).await;
    let second = Running::over(asked.clone(), world.store.clone(), only("commands"));
    let command: Vec<Entry> = history.entries().iter().filter(|entry| entry.topic.ends_with(".commands")).cloned().collect();
    world.follows(commands, &command).await;
    drop(hold);
    *answers.hides.lock().unwrap() = None;
    world.follows(commands, history.entries()).await;
    first.stop().await;
    second.stop().await;
}

#[tokio::test]
async fn a_rebuild_is_compared_again_when_another_owner_moved_the_live_generation_meanwhile() {
    let world = World::new().await;
    let jobs = projections::find("jobs").unwrap();
    let before = submit(History::new(), 0..9);
    world.append(before.entries()).await;
    let running = world.start_with(only("jobs"));
    world.follows(jobs, before.entries()).await;
    let old = world.live("jobs").await.unwrap();
    let hold = world.store.scanning.hold.write().await;
    let come = world.store.scanning.come.load(Ordering::SeqCst);
    let new = world.store.create(&jobs.table(), jobs.version()).await.unwrap();
    eventually("scans", || async { world.store.scanning.come.load(Ordering::SeqCst) }, |now| *now >= come + 2).await;
    // The other owner takes in one more job.
    let after = submit(before.clone(), 9..10);
    world.append(&after.entries()[before.entries().len()..]).await;
    let known = fold_all(jobs, before.entries(), 1_000).rows;
    let rows = fold_all(jobs, after.entries(), 1_000).rows;
    let upserts = rows.into_iter().filter(|(key, _)| !known.contains_key(key)).map(|(_, row)| row).collect();
    let partition = 9 % PARTITIONS;
    let (from, next) = world.store.positions(old.id).await.unwrap()[&("work.events".to_owned(), partition)];
    let step = Advance { topic: "work.events".into(), partition, from, to: from + 1, next_offset: next + 1 };
    world.store.write(Write { generation: old.id, advance: vec![step], upserts, ..Write::default() }).await.unwrap();
    drop(hold);
    let live = eventually("jobs", || world.live("jobs"), |live| live.as_ref().is_some_and(|live| live.id == new.id)).await;
    let rows = fresh(jobs, after.entries()).rows;
    assert_eq!(live.unwrap().note, format!("identical to generation {} (rows {rows})", old.id));
    world.follows(jobs, after.entries()).await;
    running.stop().await;
}
