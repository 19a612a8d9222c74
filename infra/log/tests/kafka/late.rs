//! Requests that arrive, and answers that come, after the client gave them up.

use super::world::{Broker, everything, say, source, text};
use proxy::{Act, Api, Pattern, Proxy};
use std::{sync::Arc, time::Duration};
use swarmlog_log::{
    Log, LogError, Source, Transaction, Transactional,
    kafka::{KafkaConfig, KafkaLog},
};
use tokio::task::JoinHandle;

const LONG: Duration = Duration::from_secs(60);
/// Longer than a broker takes to commit what it was asked to commit.
const SOON: Duration = Duration::from_secs(2);

type Committing = JoinHandle<(Box<dyn Transactional>, Result<Vec<u64>, LogError>)>;

fn commit(mut owner: Box<dyn Transactional>, transaction: Transaction) -> Committing {
    tokio::spawn(async move {
        let outcome = owner.commit(transaction).await;
        (owner, outcome)
    })
}

/// A log through the proxy, and one beside it that sees what is committed.
async fn logs(broker: &Broker, proxy: &Proxy) -> (KafkaLog, Arc<KafkaLog>) {
    let config = broker.config();
    let through = KafkaConfig { bootstrap: proxy.address().to_string(), ..config.clone() };
    let log = KafkaLog::connect(through).await.unwrap();
    log.create_topics(&["work.events"]).await.unwrap();
    (log, Arc::new(KafkaLog::connect(config).await.unwrap()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_arrives_after_its_timeout_never_ends_the_next_transaction() {
    let (broker, proxy) = Broker::behind_a_proxy().await;
    let (log, beside) = logs(&broker, &proxy).await;
    let (events, others) = (source("work.events", 0), source("work.events", 1));
    let owner = log.transactional("writer-0").await.unwrap();

    // The client gives the request up and asks again; the first one is still on its way.
    let late = proxy.next(Pattern::request(Api::END_TXN), Act::Hold);
    let (mut owner, outcome) = commit(owner, say(&events, "first")).await.unwrap();
    late.has_caught(1, LONG).await.unwrap();
    match outcome {
        // A commit is answered a moment before others see it.
        Ok(_) => assert!(beside.wait(&events, 0, LONG).await.unwrap(), "an acknowledged commit is there"),
        Err(error) => assert!(matches!(error, LogError::Ambiguous(_)), "{error}"),
    }

    // Half of the next transaction is in the log when the late request arrives.
    let two = || Transaction { append: vec![text(&events, "second"), text(&others, "second")], consumed: Vec::new() };
    let (first_half, second_half, committing) = loop {
        let first_half = proxy.next(Pattern::response(Api::PRODUCE).transactional(), Act::Pass);
        let _passes = proxy.next(Pattern::request(Api::PRODUCE).transactional(), Act::Pass);
        let second_half = proxy.next(Pattern::request(Api::PRODUCE).transactional(), Act::Hold);
        let committing = commit(owner, two());
        tokio::select! {
            caught = second_half.has_caught(1, LONG) => {
                caught.unwrap();
                break (first_half, second_half, committing);
            }
            () = ended(&committing) => {}
        }
        // An owner that was left without an answer says so, and is replaced.
        let (_, outcome) = committing.await.unwrap();
        assert!(matches!(outcome, Err(LogError::Ambiguous(_))), "{outcome:?}");
        owner = log.transactional("writer-0").await.unwrap();
    };
    first_half.has_caught(1, LONG).await.unwrap();
    late.release();
    let (one, other) = tokio::join!(shows(&beside, &events), shows(&beside, &others));
    assert_eq!((one, other), (false, false), "the late commit ended a transaction that was not its own");
    second_half.release();
    let (_, outcome) = committing.await.unwrap();
    // Both halves or none, whatever the answer.
    let mut owner = log.transactional("writer-0").await.unwrap();
    owner.commit(say(&events, "third")).await.unwrap();
    let (one, other) = (everything(&*beside, &events).await.unwrap(), everything(&*beside, &others).await.unwrap());
    let has = |texts: &[String]| texts.contains(&"second".to_owned());
    assert_eq!(has(&one), has(&other), "{one:?} {other:?} after {outcome:?}");
    assert!(outcome.is_err() || has(&one), "an acknowledged transaction is there");
}

/// Whether others come to see the second transaction, waiting longer than a broker takes to commit what it was asked to.
async fn shows(log: &KafkaLog, source: &Source) -> bool {
    let end = tokio::time::Instant::now() + SOON;
    while tokio::time::Instant::now() < end {
        if everything(log, source).await.unwrap().contains(&"second".to_owned()) {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    false
}

async fn ended(committing: &Committing) {
    while !committing.is_finished() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
