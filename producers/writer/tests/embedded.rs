//! The writer on the embedded log, on disk.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use log::{Log, LogError, Transaction, sqlite::SqliteLog};
use service::Status;
use std::{path::Path, sync::Arc};
use support::{
    caller::Caller,
    checker::check,
    commands::{Sent, cancel, complete, job, lease, sent, submit},
    host::{Host, answers, eventually, send},
};
use tokio::task::JoinSet;

fn open(dir: &Path) -> Arc<SqliteLog> {
    Arc::new(SqliteLog::open(dir, 4).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_go_in_and_answers_come_out() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let host = Host::start(log.clone());
    host.ready().await;
    let caller = Caller::new(log.clone()).await;
    let id = job(1);
    assert_eq!(caller.status(&sent(1, &submit(&id))).await, 201);
    let (envelope, result) = caller.call(&sent(2, &lease(&id))).await;
    assert_eq!((result.status, envelope.seq, result.position), (200, 2, 2));
    assert_eq!(result.events, ["work.JobLeased"]);
    assert_eq!(caller.status(&sent(3, &complete(&id, 7))).await, 409);
    assert_eq!(caller.status(&sent(4, &complete(&id, 1)).expecting(5)).await, 412);
    assert_eq!(caller.status(&sent(5, &complete(&id, 1)).expecting(2)).await, 200);
    host.stop().await.unwrap();
    assert_eq!(check(log.as_ref()).await.answers, 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_knows_the_state_and_repeats_the_answers() {
    let dir = tempfile::tempdir().unwrap();
    let keyed = || sent(1, &submit(&job(1))).idempotent(1);
    let first = {
        let log = open(dir.path());
        let host = Host::start(log.clone());
        host.ready().await;
        let caller = Caller::new(log.clone()).await;
        let first = caller.call(&keyed()).await;
        for number in 2..200 {
            assert_eq!(caller.status(&sent(number, &submit(&job(number)))).await, 201);
        }
        host.stop().await.unwrap();
        drop(caller);
        log.close().await.unwrap();
        first
    };
    let log = open(dir.path());
    let host = Host::start(log.clone());
    let caller = Caller::new(log.clone()).await;
    let (envelope, result) = caller.call(&keyed()).await;
    assert_eq!((envelope.seq, result), (first.0.seq, first.1));
    assert_eq!(caller.status(&sent(1, &submit(&job(1))).idempotent(2)).await, 422);
    assert_eq!(caller.status(&sent(300, &submit(&job(7)))).await, 409);
    assert_eq!(caller.status(&sent(301, &lease(&job(7))).expecting(1)).await, 200);
    host.stop().await.unwrap();
    let checked = check(log.as_ref()).await;
    assert_eq!((checked.jobs.len(), checked.answers), (199, 203));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_restart_many_keys_at_once_each_get_their_own_answer() {
    let dir = tempfile::tempdir().unwrap();
    // Some are refused, some stand far apart from the others.
    let keyed = |number: u128| sent(number, &submit(&job(number / 3))).idempotent(1);
    let first = {
        let log = open(dir.path());
        let host = Host::start(log.clone());
        host.ready().await;
        let caller = Arc::new(Caller::new(log.clone()).await);
        let first = together(&caller, (0..300).map(keyed)).await;
        together(&caller, (10_000..15_000).map(|number| sent(number, &submit(&job(number))))).await;
        let first = [first, together(&caller, (300..600).map(keyed)).await].concat();
        host.stop().await.unwrap();
        log.close().await.unwrap();
        first
    };
    assert!(first.iter().any(|(_, status)| *status == 201) && first.iter().any(|(_, status)| *status == 409));
    let log = open(dir.path());
    let caller = Arc::new(Caller::new(log.clone()).await);
    let host = Host::start(log.clone());
    assert_eq!(together(&caller, (0..600).map(keyed)).await, first);
    host.stop().await.unwrap();
}

/// Sends commands at once; seq and status of the answers.
async fn together(caller: &Arc<Caller>, commands: impl Iterator<Item = Sent>) -> Vec<(i64, i32)> {
    let calls = commands.map(|command| async move {
        let (envelope, result) = caller.call(&command).await;
        (envelope.seq, result.status)
    });
    futures::future::join_all(calls).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_callers_at_once_each_get_their_own_answer() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let host = Host::start(log.clone());
    host.ready().await;
    let caller = Arc::new(Caller::new(log.clone()).await);
    let mut callers = JoinSet::new();
    for number in 0..64_u128 {
        let caller = caller.clone();
        callers.spawn(async move {
            for round in 0..20 {
                let (base, id) = (number * 1000 + round * 10, job(number * 1000 + round));
                let statuses = [
                    caller.status(&sent(base + 1, &submit(&id)).idempotent(1)).await,
                    caller.status(&sent(base + 2, &lease(&id)).expecting(1)).await,
                    caller.status(&sent(base + 1, &submit(&id)).idempotent(1)).await,
                    caller.status(&sent(base + 3, &complete(&id, 1))).await,
                    caller.status(&sent(base + 4, &cancel(&id))).await,
                ];
                assert_eq!(statuses, [201, 200, 201, 200, 409]);
            }
        });
    }
    while let Some(done) = callers.join_next().await {
        done.unwrap();
    }
    host.stop().await.unwrap();
    let checked = check(log.as_ref()).await;
    assert_eq!((checked.answers, checked.jobs.len()), (64 * 20 * 5, 64 * 20));
    assert!(checked.jobs.values().all(|(seq, job)| *seq == 3 && job.phase == work::Phase::Completed));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lane_whose_name_was_taken_joins_anew_and_the_thief_commits_nothing_more() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let host = Host::start(log.clone());
    host.ready().await;
    let caller = Caller::new(log.clone()).await;
    let submits = |from: u128| (from..from + 12).map(|n| sent(n, &submit(&job(n)))).collect::<Vec<_>>();
    send(log.as_ref(), &submits(1)).await;
    answers(log.as_ref(), 12).await;
    let mut thief = log.transactional("writer-0").await.unwrap();
    send(log.as_ref(), &submits(21)).await;
    let noticed = async || matches!(host.status(), Status::Failing(_)).then_some(());
    eventually("the fenced lane is noticed", noticed).await;
    answers(log.as_ref(), 24).await;
    let refused = thief.commit(Transaction::default()).await;
    assert!(matches!(refused, Err(LogError::Fenced { .. })), "{refused:?}");
    assert_eq!(caller.status(&sent(99, &lease(&job(1)))).await, 200);
    assert_eq!(host.status(), Status::Ready);
    host.stop().await.unwrap();
    assert_eq!(check(log.as_ref()).await.answers, 25);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_writers_share_the_lanes_and_one_takes_over_when_the_other_dies() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let first = Host::start(log.clone());
    first.ready().await;
    let caller = Arc::new(Caller::new(log.clone()).await);
    let calls = |from: u128| {
        let caller = caller.clone();
        async move {
            for number in from..from + 100 {
                assert_eq!(caller.status(&sent(number, &submit(&job(number)))).await, 201);
            }
        }
    };
    calls(1000).await;
    let second = Host::start(log.clone());
    let ((), ()) = tokio::join!(calls(2000), second.ready());
    let ((), ()) = tokio::join!(calls(3000), first.kill());
    calls(4000).await;
    second.stop().await.unwrap();
    let checked = check(log.as_ref()).await;
    assert_eq!((checked.answers, checked.jobs.len()), (400, 400));
}
