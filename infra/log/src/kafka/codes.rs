//! What every error code of a transaction is to the caller, on librdkafka's mock cluster.
//!
//! The mock knows nothing of transactions but the answers it is told to give, so nothing is said here of what is
//! committed: only that each step ends, and that its error has the right class. One row per request and code.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use super::{
    client::Clients,
    groups::Voucher,
    producer::{Failed, Moved, Transactor, Work},
    settings::KafkaConfig,
    wire::Outgoing,
};
use rdkafka::{
    mocking::{MockCluster, MockCoordinator},
    producer::DefaultProducerContext,
    types::{RDKafkaApiKey as Api, RDKafkaRespErr as Code},
};
use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

/// A bound of every step together, and the reason why no code may hang.
const LIMIT: Duration = Duration::from_secs(50);
const TOPIC: &str = "work.events";

/// What the caller is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Committed,
    Aborted,
    Fenced,
    Unknown,
}
use Told::{Aborted, Committed, Fenced, Unknown};

/// Request, code that the broker answers it with once, what the caller is told.
const TABLE: &[(Api, Code, &[Told])] = &[
    (Api::AddPartitionsToTxn, Code::RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE, &[Committed]),
    (Api::AddPartitionsToTxn, Code::RD_KAFKA_RESP_ERR_NOT_COORDINATOR, &[Committed]),
    (Api::AddPartitionsToTxn, Code::RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS, &[Committed]),
    (Api::AddPartitionsToTxn, Code::RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS, &[Committed]),
    (Api::AddPartitionsToTxn, Code::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, &[Committed]),
    (Api::AddPartitionsToTxn, Code::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, &[Aborted]),
    (Api::AddPartitionsToTxn, Code::RD_KAFKA_RESP_ERR_PRODUCER_FENCED, &[Fenced]),
    (Api::AddPartitionsToTxn, Code::RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH, &[Fenced]),
    (Api::AddPartitionsToTxn, Code::RD_KAFKA_RESP_ERR_INVALID_PRODUCER_ID_MAPPING, &[Fenced, Aborted]),
    (Api::AddPartitionsToTxn, Code::RD_KAFKA_RESP_ERR_INVALID_TXN_STATE, &[Unknown]),
    (Api::AddPartitionsToTxn, Code::RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED, &[Unknown]),
    (Api::Produce, Code::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, &[Committed]),
    (Api::Produce, Code::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, &[Committed]),
    (Api::Produce, Code::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND, &[Committed]),
    (Api::Produce, Code::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT, &[Committed]),
    (Api::Produce, Code::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, &[Aborted]),
    (Api::Produce, Code::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, &[Aborted]),
    (Api::Produce, Code::RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH, &[Aborted, Fenced]),
    (Api::Produce, Code::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, &[Unknown]),
    (Api::Produce, Code::RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR, &[Committed]),
    (Api::AddOffsetsToTxn, Code::RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE, &[Committed]),
    (Api::AddOffsetsToTxn, Code::RD_KAFKA_RESP_ERR_NOT_COORDINATOR, &[Committed]),
    (Api::AddOffsetsToTxn, Code::RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS, &[Committed]),
    (Api::AddOffsetsToTxn, Code::RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, &[Aborted]),
    (Api::AddOffsetsToTxn, Code::RD_KAFKA_RESP_ERR_PRODUCER_FENCED, &[Fenced]),
    (Api::AddOffsetsToTxn, Code::RD_KAFKA_RESP_ERR_INVALID_TXN_STATE, &[Unknown]),
    (Api::TxnOffsetCommit, Code::RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS, &[Committed]),
    (Api::TxnOffsetCommit, Code::RD_KAFKA_RESP_ERR_NOT_COORDINATOR, &[Committed]),
    (Api::TxnOffsetCommit, Code::RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION, &[Fenced]),
    (Api::TxnOffsetCommit, Code::RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID, &[Fenced]),
    (Api::TxnOffsetCommit, Code::RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID, &[Fenced]),
    (Api::TxnOffsetCommit, Code::RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, &[Aborted]),
    (Api::TxnOffsetCommit, Code::RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH, &[Fenced]),
    (Api::EndTxn, Code::RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE, &[Committed]),
    (Api::EndTxn, Code::RD_KAFKA_RESP_ERR_NOT_COORDINATOR, &[Committed]),
    (Api::EndTxn, Code::RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS, &[Committed]),
    (Api::EndTxn, Code::RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS, &[Committed]),
    (Api::EndTxn, Code::RD_KAFKA_RESP_ERR_PRODUCER_FENCED, &[Fenced]),
    (Api::EndTxn, Code::RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH, &[Fenced]),
    (Api::EndTxn, Code::RD_KAFKA_RESP_ERR_INVALID_PRODUCER_ID_MAPPING, &[Fenced, Aborted]),
    (Api::EndTxn, Code::RD_KAFKA_RESP_ERR_INVALID_TXN_STATE, &[Unknown]),
    (Api::EndTxn, Code::RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED, &[Unknown]),
    (Api::EndTxn, Code::RD_KAFKA_RESP_ERR_UNKNOWN, &[Aborted]),
];

type Cluster = MockCluster<'static, DefaultProducerContext>;

/// A producer on a cluster of its own.
fn producer() -> (Cluster, Clients, Transactor) {
    let cluster = MockCluster::new(3).unwrap();
    cluster.create_topic(TOPIC, 2, 3).unwrap();
    let clients = Clients::new(KafkaConfig::new(cluster.bootstrap_servers()));
    let transactor = Transactor::take(&clients, "writer-0").unwrap();
    (cluster, clients, transactor)
}

fn commit(clients: &Clients, transactor: &Transactor) -> Told {
    let messages = (0..2).map(|step| Outgoing::plain(TOPIC, format!("k{step}"), "v".to_owned(), 1_000_000)).collect();
    let voucher = Voucher::Outsider(Arc::new(clients.outsider("writer").unwrap()));
    let consumed = vec![Moved { voucher, offsets: vec![(TOPIC.into(), 1, 7)] }];
    match transactor.commit(&mut Work { messages, consumed }) {
        Ok(_) => Committed,
        Err(Failed::Aborted(_)) => Aborted,
        Err(Failed::Fenced) => Fenced,
        Err(Failed::Unknown(_)) => Unknown,
    }
}

#[test]
fn every_transactional_error_code_has_its_class_and_none_hangs() {
    let started = Instant::now();
    let wrong: Vec<String> = thread::scope(|scope| {
        let rows: Vec<_> = TABLE.iter().map(|row| scope.spawn(move || judge(row))).collect();
        rows.into_iter().filter_map(|row| row.join().unwrap()).collect()
    });
    println!(
        "faults-row {}",
        serde_json::json!({
            "row": 12, "promise": "every transactional error code: abort or new producer, no hang beyond its limit", "place": "servers",
            "tries": TABLE.len(), "seed": 0, "seconds": started.elapsed().as_secs_f64(),
            "failure": (!wrong.is_empty()).then(|| wrong.join("; ")),
        })
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is wrong with the answer to a code.
fn judge((api, code, expected): &(Api, Code, &[Told])) -> Option<String> {
    let (cluster, clients, transactor) = producer();
    cluster.request_errors(*api, &[*code]);
    let started = Instant::now();
    let told = commit(&clients, &transactor);
    if started.elapsed() > LIMIT {
        return Some(format!("{api:?} {code:?}: {told:?} after {:?}", started.elapsed()));
    }
    (!expected.contains(&told)).then(|| format!("{api:?} {code:?}: {told:?} instead of {expected:?}"))
}

#[test]
fn a_coordinator_that_moves_in_the_middle_is_followed() {
    let (cluster, clients, transactor) = producer();
    for broker in [2, 3, 1] {
        cluster.coordinator(MockCoordinator::Transaction("writer-0".to_owned()), broker).unwrap();
        assert_eq!(commit(&clients, &transactor), Committed, "moved to broker {broker}");
    }
}
