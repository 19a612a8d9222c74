//! What happens when the log or the store fails, or when the log holds what no program should have written.

use crate::{
    faulty::Fault,
    world::{World, eventually, id, submit, submitted, work},
};
use log::{Log, Source};
use schemas::{
    AnyProjection, Entry, Message, Stream,
    spec::History,
    work::{JobCancelled, JobEvent},
};
use service::Status;
use std::sync::{Arc, atomic::Ordering};
use stores::{ParkedRecord, Store};

static ONLY_JOBS: std::sync::LazyLock<Vec<&'static dyn AnyProjection>> =
    std::sync::LazyLock::new(|| vec![projections::find("jobs").unwrap()]);

fn jobs() -> &'static dyn AnyProjection {
    projections::find("jobs").unwrap()
}

fn is_failing(status: &Status) -> bool {
    matches!(status, Status::Failing(_))
}

async fn parked_of(world: &World, name: &str) -> Vec<ParkedRecord> {
    let all = world.store.parked(100).await.unwrap();
    all.into_iter().filter_map(|(of, record)| (of == name).then_some(record)).collect()
}

#[tokio::test]
async fn a_store_that_is_away_is_tried_again_and_the_read_model_says_so() {
    let world = World::new().await;
    world.store.fail([Fault::Away; 3]);
    let history = submit(History::new(), 0..20);
    world.append(history.entries()).await;
    let running = world.start_with(&ONLY_JOBS);
    let status = running.reaches("jobs", is_failing).await;
    assert_eq!(status.to_string(), "failing: store is busy or away: the store is away");
    world.follows(jobs(), history.entries()).await;
    running.reaches("jobs", |status| *status == Status::Ready).await;
    running.stop().await;
}

#[tokio::test]
async fn a_log_that_is_away_is_tried_again_with_nothing_skipped() {
    let world = World::new().await;
    let history = work(submit(History::new(), 0..20), 0..20);
    world.append(history.entries()).await;
    world.log.reads_to_fail.store(7, Ordering::SeqCst);
    let running = world.start_with(&ONLY_JOBS);
    let status = running.reaches("jobs", is_failing).await;
    assert_eq!(status.to_string(), "failing: log is busy or away: the log is away");
    world.follows(jobs(), history.entries()).await;
    running.stop().await;
}

#[tokio::test]
async fn a_write_whose_answer_was_lost_is_not_done_twice_and_none_is_left_out() {
    let world = World::new().await;
    let mut history = submit(History::new(), 0..20);
    world.store.fail([Fault::Unanswered, Fault::Away, Fault::Unanswered]);
    world.append(history.entries()).await;
    let running = world.start_with(&ONLY_JOBS);
    for part in 0..4 {
        let more = work(history.clone(), part * 5..part * 5 + 5);
        world.append(&more.entries()[history.entries().len()..]).await;
        history = more;
        world.follows(jobs(), history.entries()).await;
    }
    assert_eq!(world.store.faults_left(), 0);
    running.reaches("jobs", |status| *status == Status::Ready).await;
    assert_eq!(parked_of(&world, "jobs").await, []);
    running.stop().await;
}

#[tokio::test]
async fn positions_that_another_owner_moves_again_and_again_are_loaded_anew_each_time() {
    let world = World::new().await;
    let history = submit(History::new(), 0..20);
    world.append(history.entries()).await;
    world.store.fail([Fault::Stale; 3]);
    let running = world.start_with(&ONLY_JOBS);
    let status = running.reaches("jobs", is_failing).await;
    assert!(status.to_string().contains("another owner was here"), "{status}");
    world.follows(jobs(), history.entries()).await;
    running.reaches("jobs", |status| *status == Status::Ready).await;
    world.store.fail([Fault::Stale]);
    let more = work(history.clone(), 0..20);
    world.append(&more.entries()[history.entries().len()..]).await;
    world.follows(jobs(), more.entries()).await;
    running.stop().await;
}

#[tokio::test]
async fn a_hole_stops_the_read_models_that_meet_it_and_no_others() {
    let world = World::new().await;
    let history = submit(History::new(), 0..30);
    let gone = history.entries().iter().position(|e| e.topic.ends_with(".events") && e.position == 4).unwrap();
    let mut entries = history.entries().to_vec();
    entries.remove(gone);
    world.append(&entries).await;
    let running = world.start();
    for name in ["jobs", "job_queue", "history"] {
        let status = running.reaches(name, is_failing).await;
        assert!(status.to_string().contains("a hole: position 5 follows 3"), "{status}");
    }
    world.follows(projections::find("commands").unwrap(), history.entries()).await;
    running.reaches("commands", |status| *status == Status::Ready).await;
    let live = world.live("jobs").await.unwrap();
    let stands = world.store.positions(live.id).await.unwrap();
    assert_eq!(stands.values().map(|(position, _)| *position).min(), Some(3), "what lies before the hole is taken in");
    running.stop().await;
}

#[tokio::test]
async fn a_double_is_not_passed_over() {
    let world = World::new().await;
    let history = History::new().event(submitted(0));
    world.append(history.entries()).await;
    world.append(history.entries()).await;
    let running = world.start_with(&ONLY_JOBS);
    let status = running.reaches("jobs", is_failing).await;
    assert!(status.to_string().contains("work.events/0 at offset 1: a double: position 1 follows 1"), "{status}");
    running.stop().await;
}

#[tokio::test]
async fn bytes_that_are_no_record_are_set_aside_and_the_order_of_their_aggregate_is_kept() {
    let world = World::new().await;
    let cancelled = |job| JobCancelled { job_id: id(job), reason: None };
    let before = History::new().event(submitted(0)).event(submitted(3));
    world.append(before.entries()).await;
    // Its bytes went bad in the log: the event at position 3 is one of job 0.
    world.append_garbage("work.events", 0, "default/job/job-0").await;
    let after = before.clone().event(cancelled(0)).event(cancelled(0)).event(cancelled(3));
    world.append(&after.entries()[3..]).await;
    // These bytes never were an event: the numbers go on as if they were not there.
    world.append_garbage("work.events", 0, "no aggregate").await;
    let last = after.clone().event(submitted(6));
    world.append(&last.entries()[5..]).await;

    let running = world.start_with(&ONLY_JOBS);
    let without: Vec<Entry> = [0, 1, 4, 5].map(|place| last.entries()[place].clone()).to_vec();
    world.follows(jobs(), &without).await;
    let parked = parked_of(&world, "jobs").await;
    let seen: Vec<_> = parked.iter().map(|r| (r.position, r.offset, r.aggregate.as_str())).collect();
    assert_eq!(seen, [(3, 2, "default/job/job-0"), (4, 3, "default/job/job-0"), (6, 5, "")]);
    assert_eq!((&parked[0].envelope[..], &parked[0].payload[..]), (&b"garbage"[..], &b"rubbish"[..]));
    assert!(parked[0].reason.contains("envelope") && parked[1].reason.contains("earlier"), "{parked:?}");
    running.reaches("jobs", |status| *status == Status::Ready).await;
    running.stop().await;

    // After a restart the aggregate is still set aside, also when the stored offsets are of no use.
    world.store.forgets_offsets.store(true, Ordering::SeqCst);
    let more = last.clone().event(cancelled(0)).event(cancelled(6));
    world.append(&more.entries()[6..]).await;
    let running = world.start_with(&ONLY_JOBS);
    let without: Vec<Entry> = [0, 1, 4, 5, 7].map(|place| more.entries()[place].clone()).to_vec();
    world.follows(jobs(), &without).await;
    assert_eq!(parked_of(&world, "jobs").await.len(), 4);
    running.stop().await;
}

#[tokio::test]
async fn unreadable_bytes_at_the_end_are_met_once_also_after_a_restart() {
    let world = World::new().await;
    let history = History::new().event(submitted(0));
    world.append(history.entries()).await;
    world.append_garbage("work.events", 0, "").await;
    let running = world.start_with(&ONLY_JOBS);
    eventually("parked", || parked_of(&world, "jobs"), |parked| parked.len() == 1).await;
    running.stop().await;
    // The next event has the number behind the one that cannot be read.
    let more = history.event(submitted(3)).event(submitted(6));
    world.append(&more.entries()[2..]).await;
    let running = world.start_with(&ONLY_JOBS);
    let without: Vec<Entry> = [0, 2].map(|place| more.entries()[place].clone()).to_vec();
    world.follows(jobs(), &without).await;
    assert_eq!(parked_of(&world, "jobs").await.len(), 1);
    running.stop().await;
}

#[tokio::test]
async fn a_payload_that_cannot_be_decoded_is_set_aside_where_it_is_read_and_kept_where_it_is_not() {
    let world = World::new().await;
    let history = History::new().event(submitted(0)).event(submitted(3));
    let mut entries = history.entries().to_vec();
    entries[0].payload = entries[0].payload.slice(..9);
    world.append(&entries).await;
    let running = world.start();
    world.equals_a_fresh_fold(&entries).await;
    let parked = parked_of(&world, "jobs").await;
    assert_eq!((parked.len(), &parked[0].payload), (1, &entries[0].payload.to_vec()));
    assert_eq!(parked_of(&world, "history").await, []);
    running.stop().await;
}

#[tokio::test]
async fn a_schema_newer_than_the_program_pauses_what_reads_it_and_is_not_set_aside() {
    let world = World::new().await;
    let newer = schemas::locked_schemas().map(|(id, _)| id.0).max().unwrap() + 1;
    let history = History::new()
        .event(submitted(0))
        .event(JobEvent::from(submitted(3)))
        .with(|envelope| envelope.schema_id = newer as i32)
        .event(submitted(6))
        .partition(1)
        .event(submitted(1));
    let mut entries = history.entries().to_vec();
    let wire = [&[0][..], &newer.to_be_bytes(), &entries[1].payload[5..]].concat();
    entries[1].payload = wire.into();
    world.append(&entries).await;
    let running = world.start();
    let status = running.reaches("jobs", |status| matches!(status, Status::Degraded(_))).await;
    assert!(status.to_string().contains(&format!("work.events/0 at offset 1 has schema id {newer}")), "{status}");
    let readable: Vec<Entry> = [0, 3].map(|place| entries[place].clone()).to_vec();
    world.follows(jobs(), &readable).await;
    world.follows(projections::find("history").unwrap(), &entries).await;
    assert_eq!(world.store.parked(9).await.unwrap(), []);
    eventually("readiness", || async { running.lifecycle.health().is_ready() }, |ready| *ready).await;
    running.stop().await;
}

#[tokio::test]
async fn a_stored_offset_that_leads_astray_is_only_a_hint() {
    let world = World::new().await;
    let history = submit(History::new(), 0..50);
    world.append(history.entries()).await;
    let running = world.start();
    world.equals_a_fresh_fold(history.entries()).await;
    running.stop().await;
    world.store.forgets_offsets.store(true, Ordering::SeqCst);
    let more = work(history.clone(), 0..50);
    world.append(&more.entries()[history.entries().len()..]).await;
    let running = world.start_with(&ONLY_JOBS);
    world.follows(jobs(), more.entries()).await;
    running.stop().await;
}

#[tokio::test]
async fn a_log_that_does_not_hold_the_position_is_refused() {
    let world = World::new().await;
    let history = submit(History::new(), 0..9);
    world.append(history.entries()).await;
    let running = world.start_with(&ONLY_JOBS);
    world.follows(jobs(), history.entries()).await;
    running.stop().await;
    let mut mixed = World::new().await;
    mixed.append(submit(History::new(), 0..3).entries()).await;
    mixed.store = world.store.clone();
    let running = mixed.start_with(&ONLY_JOBS);
    let status = running.reaches("jobs", is_failing).await;
    assert!(status.to_string().contains("has no position 3, where this read model stands"), "{status}");
    running.stop().await;
}

#[tokio::test]
async fn an_event_of_a_job_that_nobody_submitted_is_set_aside() {
    let world = World::new().await;
    let history = History::new().event(JobCancelled { job_id: id(0), reason: None }).event(submitted(3));
    world.append(history.entries()).await;
    let running = world.start();
    world.equals_a_fresh_fold(history.entries()).await;
    let reason = format!("{} of a job that nobody submitted", JobCancelled { job_id: id(0), reason: None }.name());
    assert_eq!(parked_of(&world, "jobs").await.iter().map(|r| r.reason.clone()).collect::<Vec<_>>(), [reason]);
    let source = Source { topic: Arc::from(Stream::Events.topic("work")), partition: 0 };
    assert_eq!(world.log.end(&source).await.unwrap(), 2);
    running.stop().await;
}
