//! What stands in the cluster: headers, partitions, prefixes, settings.

use super::world::{self, everything, said, source, text};
use rdkafka::{
    ClientConfig, Message,
    consumer::{BaseConsumer, Consumer},
    message::{Header, Headers, OwnedHeaders},
    producer::{BaseProducer, BaseRecord, Producer},
};
use schemas::envelope::Envelope;
use std::{collections::BTreeMap, time::Duration};
use swarmlog_log::{
    Append, Durability, Log, LogError,
    kafka::{KafkaConfig, KafkaLog},
};
use uuid::Uuid;

/// The first message of a topic, as any other program sees it: partition, key, value, milliseconds, headers.
type Seen = (i32, Vec<u8>, Vec<u8>, i64, BTreeMap<String, Vec<u8>>);

fn first(config: &KafkaConfig, topic: &str) -> Seen {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &config.bootstrap)
        .set("group.id", Uuid::new_v4().to_string())
        .set("auto.offset.reset", "earliest")
        .create()
        .unwrap();
    consumer.subscribe(&[&format!("{}{topic}", config.prefix)]).unwrap();
    // A poll also ends when the group changes.
    let message = (0..300).find_map(|_| consumer.poll(Duration::from_millis(100))).unwrap().unwrap();
    let headers = message.headers().unwrap();
    let headers = headers.iter().map(|header| (header.key.to_owned(), header.value.unwrap().to_vec())).collect();
    let owned = |bytes: Option<&[u8]>| bytes.unwrap().to_vec();
    let time = message.timestamp().to_millis().unwrap();
    (message.partition(), owned(message.key()), owned(message.payload()), time, headers)
}

fn envelope() -> Envelope {
    Envelope {
        id: Uuid::from_u128(7),
        tenant: "default".into(),
        aggregate_type: "job".into(),
        aggregate_id: "job-1".into(),
        r#type: "work.JobSubmitted".into(),
        traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into()),
        actor: "me".into(),
        recorded_at: 1_700_000_000_000_001,
        ..Envelope::decode(&golden()).unwrap()
    }
}

/// An envelope of the first version.
fn golden() -> Vec<u8> {
    let hex: String = include_str!("../../../../schemas/golden/envelope.Envelope.v1.hex").split_whitespace().collect();
    (0..hex.len() / 2).map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap()).collect()
}

#[tokio::test]
async fn a_record_is_a_cloud_event_in_binary_mode_in_the_partition_that_the_caller_chose() {
    let config = world::config().await;
    let log = KafkaLog::connect(config.clone()).await.unwrap();
    log.create_topics(&["work.events"]).await.unwrap();
    let mut bytes = Vec::new();
    envelope().encode(&mut bytes).unwrap();
    // Our own murmur2 chooses 1; that librdkafka's default would choose otherwise is what this key is for.
    let key = envelope().key();
    let partition = (0..log.partitions()).find(|p| *p != schemas::partition(key.as_bytes(), log.partitions())).unwrap();
    for chosen in [schemas::partition(key.as_bytes(), log.partitions()), partition] {
        let append = Append {
            source: source("work.events", chosen),
            key: key.clone().into(),
            envelope: bytes.clone().into(),
            payload: "payload".into(),
            time: 1_700_000_000_000_001,
        };
        log.append(vec![append], Durability::Durable).await.unwrap();
        assert_eq!(log.read(&source("work.events", chosen), 0, 10).await.unwrap().len(), 1, "partition {chosen}");
    }
    let (_, seen_key, value, time, headers) = tokio::task::spawn_blocking(move || first(&config, "work.events")).await.unwrap();
    assert_eq!((seen_key, value, time), (key.into_bytes(), b"payload".to_vec(), 1_700_000_000_000));
    assert_eq!(headers["swarmlog_envelope"], bytes);
    for (name, expected) in [
        ("ce_specversion", "1.0"),
        ("ce_id", "00000000-0000-0000-0000-000000000007"),
        ("ce_source", "/default/job"),
        ("ce_type", "work.JobSubmitted"),
        ("ce_time", "2023-11-14T22:13:20.000001Z"),
        ("ce_subject", "job-1"),
        ("content-type", "application/avro"),
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    ] {
        assert_eq!(String::from_utf8_lossy(&headers[name]), expected, "{name}");
    }
}

#[tokio::test]
async fn records_from_outside_come_with_an_empty_envelope_whatever_their_headers() {
    let config = world::config().await;
    let log = KafkaLog::connect(config.clone()).await.unwrap();
    log.create_topics(&["work.commands"]).await.unwrap();
    let topic = format!("{}work.commands", config.prefix);
    let producer: BaseProducer = ClientConfig::new().set("bootstrap.servers", &config.bootstrap).create().unwrap();
    let odd = OwnedHeaders::new()
        .insert(Header { key: "b", value: None::<&str> })
        .insert(Header { key: "swarmlog_envelope", value: Some("not where ours is") });
    producer.send(BaseRecord::<(), str>::to(&topic).partition(0).payload("no key")).unwrap();
    producer.send(BaseRecord::<str, ()>::to(&topic).partition(0).key("no value").timestamp(5).headers(odd)).unwrap();
    tokio::task::spawn_blocking(move || producer.flush(Duration::from_secs(30))).await.unwrap().unwrap();
    let records = log.read(&source("work.commands", 0), 0, 10).await.unwrap();
    assert_eq!(records.len(), 2);
    assert_eq!((&records[0].key[..], &records[0].payload[..], &records[0].envelope[..]), (&b""[..], &b"no key"[..], &b""[..]));
    assert_eq!((&records[1].key[..], &records[1].payload[..], &records[1].envelope[..]), (&b"no value"[..], &b""[..], &b""[..]));
    assert_eq!(records[1].time, 5000);
}

#[tokio::test]
async fn logs_with_other_prefixes_share_a_cluster_and_nothing_else() {
    let (one, other) = (world::log().await, world::log().await);
    assert_ne!(one.timeline(), other.timeline());
    let events = source("work.events", 0);
    let mut owners = Vec::new();
    for log in [&one, &other] {
        log.create_topics(&["work.events"]).await.unwrap();
        owners.push(log.transactional("writer-0").await.unwrap());
    }
    for (owner, text) in owners.iter_mut().zip(["one", "other"]) {
        owner.commit(world::say(&events, text)).await.unwrap();
    }
    assert_eq!(everything(&*one, &events).await.unwrap(), ["one"]);
    assert_eq!(everything(&*other, &events).await.unwrap(), ["other"]);
}

#[tokio::test]
async fn programs_that_found_a_log_at_once_agree_on_it() {
    let config = world::config().await;
    let connect = |partitions| tokio::spawn(KafkaLog::connect(KafkaConfig { partitions, ..config.clone() }));
    let (one, other) = (connect(2), connect(3));
    let (one, other) = (one.await.unwrap().unwrap(), other.await.unwrap().unwrap());
    assert_eq!((one.timeline(), one.partitions()), (other.timeline(), other.partitions()));
}

#[tokio::test]
async fn a_topic_with_another_number_of_partitions_is_fatal() {
    let config = world::config().await;
    let log = KafkaLog::connect(KafkaConfig { partitions: 2, ..config.clone() }).await.unwrap();
    // A log whose prefix makes its topic the other's: x.work.events.
    let foreign = KafkaConfig { prefix: format!("{}x.", config.prefix), partitions: 3, ..config };
    KafkaLog::connect(foreign).await.unwrap().create_topics(&["work.events"]).await.unwrap();
    let Err(LogError::Fatal(why)) = log.create_topics(&["x.work.events"]).await else { panic!("it was accepted") };
    assert!(why.contains("has 3 partitions and the log has 2"), "{why}");
}

#[tokio::test]
async fn settings_go_to_librdkafka_verbatim_and_what_it_does_not_know_is_refused_in_its_words() {
    let config = world::config().await;
    let with = |name: &str, value: &str| KafkaConfig {
        settings: BTreeMap::from([(name.to_owned(), value.to_owned())]),
        ..config.clone()
    };
    KafkaLog::connect(with("compression.type", "lz4")).await.unwrap();
    for (name, value, expected) in [
        ("no.such.setting", "1", "No such configuration property"),
        ("compression.type", "paper", "Invalid value"),
        ("acks", "1", "the guarantees of the log rest on it"),
    ] {
        let Err(LogError::Fatal(why)) = KafkaLog::connect(with(name, value)).await else { panic!("{name} was accepted") };
        assert!(why.contains(expected) && why.contains(name), "{why}");
    }
}

#[tokio::test]
async fn large_records_pass_and_too_large_ones_are_refused_without_harm() {
    let log = world::log().await;
    log.create_topics(&["work.commands"]).await.unwrap();
    let commands = source("work.commands", 0);
    let sized = |size: usize| Append { payload: vec![7; size].into(), ..text(&commands, "") };
    log.append(vec![sized(5 << 20)], Durability::Durable).await.unwrap();
    let refusal = log.append(vec![sized(9 << 20)], Durability::Durable).await;
    assert!(matches!(refusal, Err(LogError::Transient(_))), "{refusal:?}");
    log.append(vec![text(&commands, "after")], Durability::Durable).await.unwrap();
    let records = log.read(&commands, 1, 10).await.unwrap();
    assert_eq!(records.iter().map(said).collect::<Vec<_>>(), ["after"]);
}
