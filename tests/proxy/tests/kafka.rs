//! The proxy between the log and a real broker: kinds of requests are told apart.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use local::{Server, Servers};
use log::{
    Append, Durability, Log, LogError, Source, Transaction,
    kafka::{KafkaConfig, KafkaLog},
};
use std::{process::Command, time::Duration};
use swarmlog_proxy::{Act, Api, Pattern, Proxy, Wire};
use tokio::net::TcpListener;

const BOUND: Duration = Duration::from_secs(60);

fn text(source: &Source, payload: &str) -> Append {
    Append {
        source: source.clone(),
        key: "default/thing/1".into(),
        envelope: "about it".into(),
        payload: payload.to_owned().into(),
        time: 1_700_000_000_000_000,
    }
}

fn say(source: &Source, payload: &str) -> Transaction {
    Transaction { append: vec![text(source, payload)], consumed: Vec::new() }
}

async fn everything(log: &KafkaLog, source: &Source) -> Vec<String> {
    let records = log.read(source, 0, 1000).await.unwrap();
    records.iter().map(|record| String::from_utf8(record.payload.to_vec()).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_and_responses_of_one_kind_are_caught_and_others_pass() {
    let folder = tempfile::tempdir().unwrap();
    let mut servers = Servers::open(folder.path(), || Command::new("false")).unwrap();
    servers.end_with_this_process().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = servers.advertise(listener.local_addr().unwrap()).unwrap();
    let servers = tokio::task::spawn_blocking(move || servers.up(&[Server::Kafka]).map(|()| servers)).await.unwrap().unwrap();
    let proxy = Proxy::start(listener, upstream, Wire::Kafka).unwrap();
    let direct = KafkaLog::connect(KafkaConfig::new(&servers.addresses().kafka)).await.unwrap();
    let log = KafkaLog::connect(KafkaConfig::new(proxy.address().to_string())).await.unwrap();
    log.create_topics(&["work.events"]).await.unwrap();
    let events = Source { topic: "work.events".into(), partition: 0 };
    let mut owner = log.transactional("writer-0").await.unwrap();

    // Only the records of the transaction wait; an append beside it passes.
    let trap = proxy.next(Pattern::request(Api::PRODUCE).transactional(), Act::Hold);
    let committing = tokio::spawn(async move {
        let outcome = owner.commit(say(&events, "of a transaction")).await;
        (owner, events, outcome)
    });
    trap.has_caught(1, BOUND).await.unwrap();
    let beside = Source { topic: "work.events".into(), partition: 1 };
    log.append(vec![text(&beside, "beside")], Durability::Durable).await.unwrap();
    assert!(!committing.is_finished());
    trap.release();
    let (mut owner, events, outcome) = committing.await.unwrap();
    outcome.unwrap();

    // The request passes, and its response is lost with the connection: the log says that it does not know.
    let trap = proxy.next(Pattern::response(Api::END_TXN), Act::Hold);
    let committing = tokio::spawn(async move {
        let outcome = owner.commit(say(&events, "whose answer is late")).await;
        (events, outcome)
    });
    trap.has_caught(1, BOUND).await.unwrap();
    let source = Source { topic: "work.events".into(), partition: 0 };
    assert!(direct.wait(&source, 2, BOUND).await.unwrap(), "the broker has committed");
    assert!(!committing.is_finished());
    trap.release();
    let (events, outcome) = committing.await.unwrap();
    outcome.unwrap();
    assert_eq!(everything(&direct, &events).await, ["of a transaction", "whose answer is late"]);

    // While every append is lost, none is acknowledged.
    let lost = proxy.every(Pattern::request(Api::PRODUCE), Act::Cut);
    let outcome = log.append(vec![text(&beside, "lost")], Durability::Durable).await;
    assert!(matches!(outcome, Err(LogError::Ambiguous(_) | LogError::Transient(_))), "{outcome:?}");
    assert!(lost.caught() > 0);
    drop(lost);
    assert_eq!(everything(&direct, &beside).await, ["beside"]);
    servers.kill(Server::Kafka).unwrap();
}
