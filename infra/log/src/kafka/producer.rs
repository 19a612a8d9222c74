//! A transactional producer and one transaction of it, in blocking steps that each have an end.
//!
//! Records are handed over, consumed offsets are sent while they travel, deliveries are awaited in short steps (the
//! library's own flush waits in steps of 100 ms), then the transaction is committed. What failed before the commit was
//! asked for changed nothing: it is aborted. A producer that was left without an answer must not be used again, because
//! its late request could end a later transaction (Kafka before KIP-890's second part, confluentinc/librdkafka#5423). The
//! library itself asks again after a lost answer or connection, and answers the commit with success: a producer that lost
//! one, or took suspiciously long, is spent.

use super::{
    client::Clients,
    context::Context,
    error::{code, is_expelled, is_fenced, is_late, refused},
    groups::Voucher,
    pace::Pace,
    wire::{self, Outgoing},
};
use crate::{
    LogError, Offset,
    failpoint::{Place as Point, pass},
};
use parking_lot::Mutex;
use rdkafka::{
    ClientContext, Message, Offset as Place, TopicPartitionList,
    config::RDKafkaLogLevel,
    error::KafkaError,
    producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext, PurgeConfig},
    types::RDKafkaErrorCode as Code,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// How long each step may take.
const INIT: Duration = Duration::from_secs(20);
const SEND_OFFSETS: Duration = Duration::from_secs(5);
const COMMIT: Duration = Duration::from_secs(10);
const ABORT: Duration = Duration::from_secs(5);
/// Deliveries fail by themselves before; this only bounds the wait for that.
const DELIVER: Duration = Duration::from_secs(30);
/// More than the library has to tell after a transaction.
const NEWS: usize = 32;
/// The step in which deliveries are awaited.
const STEP: Duration = Duration::from_micros(50);

/// What is committed together.
#[derive(Default)]
pub(super) struct Work {
    pub messages: Vec<Outgoing>,
    pub consumed: Vec<Moved>,
}

/// Offsets that move in the name of one member of a group.
pub(super) struct Moved {
    pub voucher: Voucher,
    /// Full name of the topic, partition, next offset.
    pub offsets: Vec<(Arc<str>, u32, Offset)>,
}

/// Why a transaction was not answered with offsets.
#[derive(Debug)]
pub(super) enum Failed {
    /// Nothing was changed, and the producer is as before.
    Aborted(String),
    /// A newer producer has the name, or the group goes on without the member. Nothing was changed.
    Fenced,
    /// The producer is of no use any more.
    Unknown(String),
}

/// The producer.
pub(super) struct Transactor {
    producer: BaseProducer<Deliveries>,
    pace: Mutex<Pace>,
    is_spent: AtomicBool,
    in_time: Duration,
}

/// How things stood when a transaction began.
#[derive(Clone, Copy)]
struct Begin {
    at: Instant,
    disruptions: u64,
}

impl Transactor {
    /// Takes the name: who had it before is fenced, its open transaction aborted.
    pub(super) fn take(clients: &Clients, name: &str) -> Result<Self, LogError> {
        let producer = clients.transactional(name, Deliveries::default())?;
        let limit = Instant::now() + INIT;
        loop {
            match producer.init_transactions(limit.saturating_duration_since(Instant::now())) {
                Ok(()) => {
                    return Ok(Self {
                        producer,
                        pace: Mutex::default(),
                        is_spent: AtomicBool::default(),
                        in_time: clients.in_time(),
                    });
                }
                Err(error) if is_fenced(code(&error)) => return Err(LogError::Fenced { name: name.to_owned(), epoch: 0 }),
                Err(KafkaError::Transaction(error)) if error.is_retriable() && Instant::now() < limit => {
                    producer.poll(Duration::from_millis(10));
                }
                Err(error) => return Err(refused(&format!("transactional name {name} cannot be taken"), &error)),
            }
        }
    }

    /// Whether a request of the transaction that ended last may still be under way. Then a new producer must take the name.
    pub(super) fn is_spent(&self) -> bool {
        self.is_spent.load(Ordering::Acquire)
    }

    /// Commits and answers the offsets of the messages.
    pub(super) fn commit(&self, work: &mut Work) -> Result<Vec<Offset>, Failed> {
        let mut pace = self.pace.lock();
        pace.wait();
        let start = Instant::now();
        let outcome = self.transact(work, |filled| pace.filled(filled - start));
        pace.ended();
        outcome
    }

    fn transact(&self, work: &mut Work, filled: impl FnOnce(Instant)) -> Result<Vec<Offset>, Failed> {
        self.producer.context().delivered.lock().clear(work.messages.len());
        let decides = !work.consumed.is_empty();
        pass(Point::BeforeProduce, decides);
        let begin = Begin { at: Instant::now(), disruptions: self.disruptions() };
        self.producer.begin_transaction().map_err(|error| self.judge("begin", &error))?;
        if let Err(failed) = self.fill(work) {
            return Err(self.abort(failed, begin));
        }
        filled(Instant::now());
        pass(Point::BeforeCommit, decides);
        match self.producer.commit_transaction(COMMIT) {
            Ok(()) => {
                pass(Point::AfterCommit, decides);
                self.is_spent.store(self.is_asked_twice(begin), Ordering::Release);
                Ok(self.producer.context().delivered.lock().take())
            }
            Err(error) if needs_abort(&error) => Err(self.abort(self.judge("commit", &error), begin)),
            // The answer to a first request may have been lost, and a newer producer have come before the second.
            Err(error) if is_fenced(code(&error)) && !self.is_asked_twice(begin) => Err(Failed::Fenced),
            Err(error) => Err(Failed::Unknown(format!("commit: {error}"))),
        }
    }

    fn fill(&self, work: &mut Work) -> Result<(), Failed> {
        for (index, message) in work.messages.iter_mut().enumerate() {
            self.send(message.record(index))?;
        }
        for moved in &work.consumed {
            let mut list = TopicPartitionList::with_capacity(moved.offsets.len());
            for (topic, partition, next) in &moved.offsets {
                let place = Place::Offset(wire::raw(*next));
                list.add_partition_offset(topic, partition.cast_signed(), place).map_err(|e| self.judge("offsets", &e))?;
            }
            let metadata = moved.voucher.metadata().ok_or(Failed::Fenced)?;
            let sent = self.producer.send_offsets_to_transaction(&list, &metadata, SEND_OFFSETS);
            sent.map_err(|error| self.judge("consumed offsets", &error))?;
        }
        self.drain()?;
        let failure = self.producer.context().delivered.lock().failure.take();
        failure.map_or(Ok(()), |error| Err(self.judge("append", &error)))
    }

    fn send(&self, mut record: BaseRecord<'_, [u8], [u8], usize>) -> Result<(), Failed> {
        let limit = Instant::now() + DELIVER;
        loop {
            match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err((error, back)) if code(&error) == Code::QueueFull && Instant::now() < limit => {
                    self.producer.poll(Duration::from_millis(1));
                    record = back;
                }
                Err((error, _)) => return Err(self.judge("append", &error)),
            }
        }
    }

    /// Waits until it is known of every message what became of it.
    fn drain(&self) -> Result<(), Failed> {
        let limit = Instant::now() + DELIVER;
        loop {
            let before = self.producer.in_flight_count();
            self.producer.poll(Duration::ZERO);
            let left = self.producer.in_flight_count();
            if left == 0 {
                return Ok(());
            }
            if Instant::now() > limit {
                return Err(Failed::Unknown(format!("{left} records were not delivered in time; they were not committed")));
            }
            if left == before {
                thread::sleep(STEP);
            }
        }
    }

    /// Aborts after a failure, which stays as it is unless the abort goes wrong.
    fn abort(&self, failed: Failed, begin: Begin) -> Failed {
        let failed = match failed {
            // A request that went down with its connection may still arrive.
            Failed::Aborted(why) if self.disruptions() != begin.disruptions => {
                Failed::Unknown(format!("{why}; it was not committed"))
            }
            failed => failed,
        };
        if matches!(failed, Failed::Unknown(_)) {
            return failed;
        }
        // An abort waits for messages, but does not take notice of what became of them.
        self.producer.purge(PurgeConfig::default().queue().inflight());
        if let Err(unknown) = self.drain() {
            return unknown;
        }
        match self.producer.abort_transaction(ABORT) {
            Ok(()) => {
                self.is_spent.store(self.is_asked_twice(begin), Ordering::Release);
                failed
            }
            Err(error) if is_fenced(code(&error)) => Failed::Fenced,
            Err(error) => match failed {
                Failed::Fenced => Failed::Fenced,
                failed => Failed::Unknown(format!("{failed:?}, then the abort: {error}")),
            },
        }
    }

    /// What an error before the commit means.
    fn judge(&self, step: &str, error: &KafkaError) -> Failed {
        let code = self.producer.client().fatal_error().map_or(code(error), |(code, _)| code);
        match code {
            code if is_fenced(code) || is_expelled(code) => Failed::Fenced,
            code if is_late(code) => Failed::Unknown(format!("{step}: {error}; it was not committed")),
            _ => Failed::Aborted(format!("{step}: {error}")),
        }
    }

    /// Whether a request of the transaction may have been sent twice, and the first one still be under way.
    fn is_asked_twice(&self, begin: Begin) -> bool {
        // The library tells one thing at a time, and only when it is asked.
        (0..NEWS).for_each(|_| self.producer.poll(Duration::ZERO));
        let has_lost = self.producer.context().context.losses() > 0;
        has_lost || begin.at.elapsed() >= self.in_time || self.disruptions() != begin.disruptions
    }

    fn disruptions(&self) -> u64 {
        self.producer.context().context.disruptions()
    }
}

fn needs_abort(error: &KafkaError) -> bool {
    matches!(error, KafkaError::Transaction(error) if error.txn_requires_abort())
}

/// What became of the messages of the transaction under way.
#[derive(Default)]
struct Delivered {
    offsets: Vec<Offset>,
    failure: Option<KafkaError>,
}

impl Delivered {
    fn clear(&mut self, count: usize) {
        self.offsets.clear();
        self.offsets.resize(count, 0);
        self.failure = None;
    }

    fn take(&mut self) -> Vec<Offset> {
        std::mem::take(&mut self.offsets)
    }
}

/// Notes deliveries.
#[derive(Default)]
struct Deliveries {
    context: Context,
    delivered: Mutex<Delivered>,
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, topic: &str, line: &str) {
        self.context.log(level, topic, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.context.error(error, reason);
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = usize;

    fn delivery(&self, delivery: &DeliveryResult<'_>, index: usize) {
        let mut delivered = self.delivered.lock();
        match delivery {
            Ok(message) => {
                if let Some(place) = delivered.offsets.get_mut(index) {
                    *place = wire::offset(message.offset());
                }
            }
            Err((error, _)) => drop(delivered.failure.get_or_insert_with(|| error.clone())),
        }
    }
}
