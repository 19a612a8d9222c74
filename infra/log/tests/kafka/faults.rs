//! What the log survives, on real brokers.

use super::world::{self, Broker, everything, said, say, source, text};
use local::Server;
use rdkafka::{
    ClientConfig,
    producer::{BaseProducer, BaseRecord, Producer},
};
use std::{
    collections::BTreeMap,
    fs,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use swarmlog_log::{
    Append, Consumed, Delivery, Durability, Log, LogError, Source, Transaction, Transactional,
    kafka::{KafkaConfig, KafkaLog},
};

const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_zombies_commit_is_fenced_and_never_seen() {
    let config = world::config().await;
    let (old, new) = (KafkaLog::connect(config.clone()).await.unwrap(), KafkaLog::connect(config).await.unwrap());
    old.create_topics(&["work.events", "work.commands"]).await.unwrap();
    let (events, commands) = (source("work.events", 0), source("work.commands", 0));
    let mut zombie = old.transactional("writer-0").await.unwrap();
    zombie.commit(say(&events, "before")).await.unwrap();
    let mut owner = new.transactional("writer-0").await.unwrap();
    assert!(owner.epoch() > zombie.epoch());
    let moved = Consumed { group: "writer".into(), source: commands.clone(), next: 9 };
    let late = Transaction { append: vec![text(&events, "late")], consumed: vec![moved] };
    assert!(matches!(zombie.commit(late).await, Err(LogError::Fenced { .. })));
    owner.commit(say(&events, "after")).await.unwrap();
    assert_eq!(everything(&new, &events).await.unwrap(), ["before", "after"]);
    assert_eq!(new.committed("writer", &commands).await.unwrap(), None);
}

#[tokio::test]
async fn a_member_that_was_expelled_moves_no_offset_even_if_nobody_took_its_name() {
    let config = world::config().await;
    let settings = BTreeMap::from([("max.poll.interval.ms".to_owned(), "3000".to_owned())]);
    let slow = KafkaLog::connect(KafkaConfig { settings, ..config.clone() }).await.unwrap();
    let quick = KafkaLog::connect(config).await.unwrap();
    slow.create_topics(&["work.commands", "work.events"]).await.unwrap();
    let (commands, events) = (source("work.commands", 0), source("work.events", 0));
    let mut owner = slow.transactional("writer-0").await.unwrap();
    let consumed = |next| vec![Consumed { group: "writer".into(), source: commands.clone(), next }];
    let mut member = slow.consume("writer", &["work.commands"]).await.unwrap();
    while !matches!(member.next(10, LONG).await.unwrap(), Delivery::Assigned(sources) if sources.contains(&commands)) {}
    owner.commit(Transaction { append: vec![text(&events, "mine")], consumed: consumed(1) }).await.unwrap();
    // It does not ask for deliveries any more; the other gets everything.
    let mut other = quick.consume("writer", &["work.commands"]).await.unwrap();
    while !matches!(other.next(10, LONG).await.unwrap(), Delivery::Assigned(sources) if sources.contains(&commands)) {}
    let late = Transaction { append: vec![text(&events, "late")], consumed: consumed(2) };
    assert!(matches!(owner.commit(late).await, Err(LogError::Fenced { .. })));
    assert_eq!(quick.committed("writer", &commands).await.unwrap(), Some(1));
    assert_eq!(everything(&quick, &events).await.unwrap(), ["mine"]);
}

#[tokio::test]
async fn open_and_aborted_transactions_are_invisible_to_readers_and_consumers() {
    let config = world::config().await;
    let log = KafkaLog::connect(config.clone()).await.unwrap();
    log.create_topics(&["work.events"]).await.unwrap();
    let events = source("work.events", 0);
    let mut consumer = log.consume("reader", &["work.events"]).await.unwrap();
    let mut assigned = false;
    while !assigned {
        if let Delivery::Assigned(sources) = consumer.next(10, LONG).await.unwrap() {
            sources.iter().for_each(|source| consumer.seek(source, 0));
            assigned = sources.contains(&events);
        }
    }
    let foreign: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", &config.bootstrap)
        .set("transactional.id", format!("{}foreign", config.prefix))
        .create()
        .unwrap();
    let topic = format!("{}work.events", config.prefix);
    let foreign = Arc::new(foreign);
    let blocking = async |step: Box<dyn FnOnce(&BaseProducer) + Send>| {
        let foreign = foreign.clone();
        tokio::task::spawn_blocking(move || step(&foreign)).await.unwrap();
    };
    for (end, expected) in [("abort", vec![]), ("commit", vec!["2"])] {
        let (topic, payload) = (topic.clone(), if end == "abort" { "1" } else { "2" });
        blocking(Box::new(move |producer| {
            if payload == "1" {
                producer.init_transactions(LONG).unwrap();
            }
            producer.begin_transaction().unwrap();
            producer.send(BaseRecord::to(&topic).partition(0).key("k").payload(payload)).unwrap();
            producer.flush(LONG).unwrap();
        }))
        .await;
        let before = log.end(&events).await.unwrap();
        assert!(everything(&log, &events).await.unwrap().is_empty(), "an open transaction was read");
        assert!(!log.wait(&events, before, Duration::from_millis(100)).await.unwrap());
        assert!(matches!(consumer.next(10, Duration::from_millis(300)).await.unwrap(), Delivery::Idle));
        blocking(Box::new(move |producer| match end {
            "abort" => producer.abort_transaction(LONG).unwrap(),
            _ => producer.commit_transaction(LONG).unwrap(),
        }))
        .await;
        if !expected.is_empty() {
            assert!(log.wait(&events, before, LONG).await.unwrap());
            let Delivery::Records(of, records) = consumer.next(10, LONG).await.unwrap() else { panic!("no record came") };
            assert_eq!((of, records.iter().map(said).collect::<Vec<_>>()), (events.clone(), vec!["2".to_owned()]));
        }
        assert_eq!(everything(&log, &events).await.unwrap(), expected);
    }
}

#[tokio::test]
async fn a_refused_record_aborts_its_transaction_and_the_owner_goes_on() {
    let log = world::log().await;
    log.create_topics(&["work.events", "work.commands"]).await.unwrap();
    let (events, commands) = (source("work.events", 0), source("work.commands", 0));
    let mut owner = log.transactional("writer-0").await.unwrap();
    let large = Append { payload: vec![7; 9 << 20].into(), ..text(&events, "") };
    let moved = Consumed { group: "writer".into(), source: commands.clone(), next: 3 };
    let refused = owner.commit(Transaction { append: vec![text(&events, "beside"), large], consumed: vec![moved] }).await;
    assert!(matches!(refused, Err(LogError::Transient(_))), "{refused:?}");
    owner.commit(say(&events, "after")).await.unwrap();
    assert_eq!(everything(&*log, &events).await.unwrap(), ["after"]);
    assert_eq!(log.committed("writer", &commands).await.unwrap(), None);
}

#[tokio::test]
async fn a_commit_that_was_given_up_leaves_an_owner_that_must_be_replaced() {
    let log = world::log().await;
    log.create_topics(&["work.events"]).await.unwrap();
    let events = source("work.events", 0);
    let mut owner = log.transactional("writer-0").await.unwrap();
    owner.commit(say(&events, "first")).await.unwrap();
    // Dropped in the middle: the timeout is over when the commit first waits.
    assert!(tokio::time::timeout(Duration::ZERO, owner.commit(say(&events, "given up"))).await.is_err());
    assert!(matches!(owner.commit(say(&events, "second")).await, Err(LogError::Ambiguous(_))));
    let mut owner = log.transactional("writer-0").await.unwrap();
    owner.commit(say(&events, "third")).await.unwrap();
    let found = everything(&*log, &events).await.unwrap();
    assert!(found == ["first", "third"] || found == ["first", "given up", "third"], "{found:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_of_the_broker_loses_and_doubles_no_commit() {
    let disturb = |broker: &Broker, round: u64| {
        std::thread::sleep(Duration::from_millis(5 + 7 * round));
        broker.servers.kill(Server::Kafka).unwrap();
        broker.servers.up(&[Server::Kafka]).unwrap();
    };
    commits_survive(disturb).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_stops_answering_for_longer_than_a_commit_may_take_loses_and_doubles_none() {
    let disturb = |broker: &Broker, round: u64| {
        std::thread::sleep(Duration::from_millis(5 + 7 * round));
        broker.signal("STOP");
        // Longer than a transaction, and once longer than the wait for a commit.
        std::thread::sleep(Duration::from_millis(if round == 0 { 11_000 } else { 3_000 }));
        broker.signal("CONT");
    };
    commits_survive(disturb).await;
}

/// Commits numbers while the broker is disturbed, resolving what is ambiguous by reading; each must be there once.
async fn commits_survive(disturb: impl Fn(&Broker, u64) + Send + 'static) {
    let broker = Arc::new(tokio::task::spawn_blocking(Broker::start).await.unwrap());
    let log = KafkaLog::connect(broker.config()).await.unwrap();
    log.create_topics(&["work.commands", "work.events"]).await.unwrap();
    let (commands, events) = (source("work.commands", 0), source("work.events", 0));
    let (calm, commits) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let disturbing = tokio::task::spawn_blocking({
        let (broker, calm, commits) = (broker.clone(), calm.clone(), commits.clone());
        move || {
            for round in 0..5 {
                let before = commits.load(Ordering::Acquire);
                // Each round disturbs commits that are under way.
                while commits.load(Ordering::Acquire) < before + 10 && Arc::strong_count(&commits) > 1 {
                    std::thread::sleep(Duration::from_millis(1));
                }
                disturb(&broker, round);
            }
            calm.store(true, Ordering::Release);
        }
    });
    let (mut owner, mut number, mut after) = (None, 0, 0);
    let mut outcomes: BTreeMap<&str, u32> = BTreeMap::new();
    let start = Instant::now();
    // Some commits more once it is calm.
    while after < 20 {
        assert!(start.elapsed() < Duration::from_secs(240), "commits do not go on: {outcomes:?}");
        let Some(current) = &mut owner else {
            owner = resolve(&log, &events, &commands, &mut number).await;
            continue;
        };
        let moved = Consumed { group: "writer".into(), source: commands.clone(), next: number + 1 };
        let transaction = Transaction { append: vec![text(&events, number.to_string())], consumed: vec![moved] };
        let outcome = match Transactional::commit(&mut **current, transaction).await {
            Ok(_) => {
                number += 1;
                commits.fetch_add(1, Ordering::AcqRel);
                after += u32::from(calm.load(Ordering::Acquire));
                "committed"
            }
            Err(LogError::Transient(_)) => "aborted",
            Err(LogError::Ambiguous(_)) => {
                owner = None;
                "ambiguous"
            }
            Err(LogError::Fenced { .. }) => {
                owner = None;
                "fenced"
            }
            Err(error) => panic!("{error}"),
        };
        *outcomes.entry(outcome).or_default() += 1;
    }
    disturbing.await.unwrap();
    let found = everything(&log, &events).await.unwrap();
    assert_eq!(found, (0..number).map(|number| number.to_string()).collect::<Vec<_>>(), "{outcomes:?}");
    assert_eq!(log.committed("writer", &commands).await.unwrap(), Some(number));
    eprintln!("{number} commits: {outcomes:?}");
    assert!(outcomes.len() > 1, "the broker was not missed: {outcomes:?}");
}

/// Takes the name anew and reads which number is next. Whatever was answered before is there.
async fn resolve(log: &KafkaLog, events: &Source, commands: &Source, number: &mut u64) -> Option<Box<dyn Transactional>> {
    let owner = log.transactional("writer-0").await.ok()?;
    let found = everything(log, events).await.ok()?.len() as u64;
    let moved = log.committed("writer", commands).await.ok()?.unwrap_or(0);
    assert!([*number, *number + 1].contains(&found), "{number} commits were answered and {found} are there");
    assert_eq!(found, moved, "records and consumed offset move together");
    *number = found;
    Some(owner)
}

#[tokio::test]
async fn while_the_broker_is_away_appends_are_refused_soon_and_afterwards_they_pass() {
    let broker = Arc::new(tokio::task::spawn_blocking(Broker::start).await.unwrap());
    let log = Arc::new(KafkaLog::connect(broker.config()).await.unwrap());
    log.create_topics(&["work.commands"]).await.unwrap();
    let commands = source("work.commands", 0);
    log.append(vec![text(&commands, "before")], Durability::Durable).await.unwrap();
    let away = broker.clone();
    tokio::task::spawn_blocking(move || away.servers.kill(Server::Kafka)).await.unwrap().unwrap();
    // The first may have been on their way when it was not known yet.
    let start = Instant::now();
    while !matches!(log.append(vec![text(&commands, "lost")], Durability::Durable).await, Err(LogError::Transient(_))) {
        assert!(start.elapsed() < LONG, "no append was refused");
    }
    let start = Instant::now();
    for _ in 0..3 {
        let outcome = log.append(vec![text(&commands, "refused")], Durability::Durable).await;
        assert!(matches!(outcome, Err(LogError::Transient(_))), "{outcome:?}");
    }
    assert!(start.elapsed() < Duration::from_secs(15), "a refusal took {:?}", start.elapsed() / 3);
    assert!(matches!(log.end(&commands).await, Err(LogError::Transient(_))));
    let back = broker.clone();
    tokio::task::spawn_blocking(move || back.servers.up(&[Server::Kafka])).await.unwrap().unwrap();
    let start = Instant::now();
    while let Err(error) = log.append(vec![text(&commands, "after")], Durability::Durable).await {
        assert!(start.elapsed() < LONG, "{error}");
        // A broker that was away is asked for again at most every second.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let found = everything(&*log, &commands).await.unwrap();
    assert_eq!((found.first().map(String::as_str), found.last().map(String::as_str)), (Some("before"), Some("after")));
    assert!(!found.contains(&"refused".to_owned()));
}

impl Broker {
    /// Sends a signal to the broker.
    fn signal(&self, name: &str) {
        let pid = fs::read_to_string(self.folder().join("kafka.pid")).unwrap();
        let pid = pid.split_whitespace().next().unwrap();
        assert!(Command::new("kill").args([&format!("-{name}"), pid]).status().unwrap().success());
    }
}
