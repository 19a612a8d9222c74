//! Rows 11, 13 and 14: commits that come too late, transactions that the broker gives up, brokers that die.
//!
//! Row 12, the codes of transactional errors, needs librdkafka's mock: `infra/log/src/kafka/codes.rs`.

use crate::{PAUSE, servers};
use anyhow::{Result, ensure};
use proxy::{Act, Api, Pattern};
use std::time::Duration;
use swarmlog_tests::{
    BOUND, Setup, Stage, World,
    load::{Load, after_some},
    scenario::Run,
    world::eventually,
};

/// A program with one lane that comes by the proxy, so that what is caught is known to be its.
fn one_lane(stage: &Stage) -> Setup {
    stage.by_proxy().with("SWARMLOG_TOPICS_PARTITIONS", "1")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_comes_late_never_touches_the_next_transaction() -> Result<()> {
    let body = async |mut run: Run| {
        let stage = Stage::start().await?;
        let (setup, looker) = (one_lane(&stage), stage.onlooker());
        let mut world = World::start_with(setup).await?;
        let load = Load::start_on(&[world.client()], 8, PAUSE);
        for attempt in 0..run.tries {
            after_some(&load, &mut run.rng).await?;
            let late = stage.proxy.next(Pattern::request(Api::END_TXN), Act::Hold);
            late.has_caught(1, BOUND).await?;
            // The client gives it up and goes on by itself; then the next transaction is written and open.
            after_some(&load, &mut run.rng).await?;
            let open = stage.proxy.next(Pattern::response(Api::PRODUCE).transactional(), Act::Hold);
            open.has_caught(1, BOUND).await?;
            // From here on the late commit is the only one that arrives.
            let others = stage.proxy.every(Pattern::request(Api::END_TXN), Act::Hold);
            let before = looker.committed("work.results").await?;
            let answered = stage.proxy.next(Pattern::response(Api::END_TXN), Act::Delay(Duration::ZERO));
            late.release();
            answered.has_caught(1, BOUND).await?;
            let after = looker.committed("work.results").await?;
            let touched = after.difference(&before).count();
            ensure!(touched == 0, "try {attempt}: the late commit made {touched} records of the next transaction visible");
            if attempt % 2 == 1 {
                world.kill()?;
                others.discard();
                open.discard();
                world.restart().await?;
            } else {
                others.release();
                open.release();
            }
        }
        after_some(&load, &mut run.rng).await?;
        stage.check(load, &mut [&mut world]).await.map(drop)
    };
    servers(11, "EndTxn later than the client's timeout: it never touches the next transaction", 2, 50).run(body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_the_broker_gave_up_is_decided_again() -> Result<()> {
    let body = async |mut run: Run| {
        let stage = Stage::start().await?;
        let (setup, looker) = (one_lane(&stage), stage.onlooker());
        let mut world = World::start_with(setup).await?;
        let load = Load::start_on(&[world.client()], 8, PAUSE);
        for _ in 0..run.tries {
            after_some(&load, &mut run.rng).await?;
            // Neither a commit nor a new epoch, which would abort it, arrives at the broker.
            let held = [Api::END_TXN, Api::INIT_PRODUCER_ID].map(|api| stage.proxy.every(Pattern::request(api), Act::Hold));
            held[0].has_caught(1, BOUND).await?;
            let before = looker.committed("work.results").await?;
            ensure!(looker.has_open_transaction("work.results").await?, "no transaction is open");
            eventually("the broker aborts it", || async { Ok(!looker.has_open_transaction("work.results").await?) }).await?;
            let after = looker.committed("work.results").await?;
            ensure!(after == before, "a transaction that timed out became visible");
            for trap in held {
                trap.release();
            }
            after_some(&load, &mut run.rng).await?;
        }
        stage.check(load, &mut [&mut world]).await.map(drop)
    };
    servers(13, "transaction timed out at the broker: aborted, rewound, state known again", 1, 10).run(body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_broker_loses_and_doubles_nothing() -> Result<()> {
    let body = async |mut run: Run| {
        let stage = Stage::start().await?;
        let mut world = World::start_with(stage.direct()).await?;
        let load = Load::start_on(&[world.client()], 8, PAUSE);
        for _ in 0..run.tries {
            after_some(&load, &mut run.rng).await?;
            stage.kill().await?;
            stage.up().await?;
            after_some(&load, &mut run.rng).await?;
        }
        stage.check(load, &mut [&mut world]).await.map(drop)
    };
    servers(14, "broker kill -9 and restart: nothing acknowledged is lost or doubled (page cache kept)", 2, 50).run(body).await
}
