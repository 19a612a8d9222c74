//! Appends outside transactions: one idempotent producer for the whole process.
//!
//! What is under way is bounded by number and bytes; beyond, appends are refused at once, and so they are while no
//! broker can be reached. Times are raised and records handed over under one lock, so their order is the order of times.
//! A record that may or may not have been written makes the append `Ambiguous`.

use super::{
    client::{Clients, retire},
    context::Context,
    error::{code, is_unwritten, refused},
    times::Times,
    wire::{self, Outgoing},
};
use crate::{Append, LogError, Offset, Source};
use parking_lot::Mutex;
use rdkafka::{
    ClientContext, Message,
    config::RDKafkaLogLevel,
    error::KafkaError,
    producer::{DeliveryResult, Producer, ProducerContext, ThreadedProducer},
    types::RDKafkaErrorCode as Code,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{sync::oneshot, task::spawn_blocking, time::timeout};

/// Records and bytes under way.
const MOST_RECORDS: usize = 50_000;
const MOST_BYTES: usize = 64 << 20;
/// How long the question may take whether a broker is back.
const BACK: Duration = Duration::from_millis(500);

type Sending = ThreadedProducer<Deliveries>;

/// Appends records.
pub(super) struct Appender {
    clients: Arc<Clients>,
    bytes: Arc<AtomicUsize>,
    state: Mutex<State>,
    /// Held by the one who asks whether a broker is back.
    asking: tokio::sync::Mutex<()>,
}

struct State {
    producer: Arc<Sending>,
    times: Times,
}

impl Appender {
    pub(super) fn new(clients: Arc<Clients>) -> Result<Self, LogError> {
        let producer = Arc::new(clients.appender(Deliveries::default())?);
        let state = Mutex::new(State { producer, times: Times::default() });
        Ok(Self { clients, bytes: Arc::default(), state, asking: tokio::sync::Mutex::default() })
    }

    /// Whether the last time of `source` is known; an append to it needs that.
    pub(super) fn knows(&self, source: &Source) -> bool {
        self.state.lock().times.knows(source)
    }

    /// The last record of `source` has this time.
    pub(super) fn learn(&self, source: &Source, time: i64) {
        self.state.lock().times.learn(source.clone(), time);
    }

    /// Appends records, each with the name of its topic in the cluster, and answers their offsets.
    pub(super) async fn append(&self, records: Vec<(Arc<str>, Append)>) -> Result<Vec<Offset>, LogError> {
        self.send(records.len(), |times| {
            let outgoing = records.into_iter().map(|(topic, append)| {
                let time = times.raise(&append.source, append.time);
                Outgoing::new(topic, append, time)
            });
            outgoing.collect()
        })
        .await
    }

    /// Appends messages that are not of the port.
    pub(super) async fn append_plain(&self, messages: Vec<Outgoing>) -> Result<Vec<Offset>, LogError> {
        self.send(messages.len(), |_| messages).await
    }

    async fn send(&self, count: usize, make: impl FnOnce(&mut Times) -> Vec<Outgoing>) -> Result<Vec<Offset>, LogError> {
        if count == 0 {
            return Ok(Vec::new());
        }
        self.check_brokers().await?;
        let (batch, outcome) = Batch::new(count);
        self.hand_over(count, &batch, make)?;
        match timeout(self.clients.append_limit(), outcome).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(LogError::Ambiguous("the producer ended before it told what became of an append".to_owned())),
            Err(_) => Err(LogError::Ambiguous("nobody told in time what became of an append".to_owned())),
        }
    }

    fn hand_over(
        &self,
        count: usize,
        batch: &Arc<Batch>,
        make: impl FnOnce(&mut Times) -> Vec<Outgoing>,
    ) -> Result<(), LogError> {
        let mut state = self.state.lock();
        let under_way = usize::try_from(state.producer.in_flight_count()).unwrap_or_default();
        // One large append may always pass alone.
        if under_way > 0 && (under_way + count > MOST_RECORDS || self.bytes.load(Ordering::Acquire) > MOST_BYTES) {
            return Err(LogError::Transient(format!("{under_way} records wait for the brokers and no more may; try later")));
        }
        if let Some((_, why)) = state.producer.client().fatal_error() {
            tracing::warn!("producer of appends is replaced: {why}");
            let fresh = Arc::new(self.clients.appender(Deliveries::default())?);
            retire(std::mem::replace(&mut state.producer, fresh));
        }
        for (index, mut message) in make(&mut state.times).into_iter().enumerate() {
            let bytes = Bytes::take(&self.bytes, message.size());
            let sent = Box::new(Sent { batch: batch.clone(), index, _bytes: bytes });
            if let Err((error, _)) = state.producer.send(message.record(sent)) {
                batch.settle(index, Err((code(&error), error.to_string())));
            }
        }
        Ok(())
    }

    /// Refuses at once while no broker can be reached.
    async fn check_brokers(&self) -> Result<(), LogError> {
        let producer = self.state.lock().producer.clone();
        if !producer.context().context.is_away() {
            return Ok(());
        }
        let away = || LogError::Transient("no broker of Kafka can be reached".to_owned());
        let _asking = self.asking.try_lock().map_err(|_| away())?;
        let asked = spawn_blocking(move || {
            let back = producer.client().fetch_metadata(None, BACK);
            back.inspect(|_| producer.context().context.back()).map(drop)
        });
        asked.await.map_err(|_| away())?.map_err(|_| away())
    }
}

impl Drop for Appender {
    fn drop(&mut self) {
        retire(self.state.get_mut().producer.clone());
    }
}

/// Bytes under way, until dropped.
struct Bytes {
    all: Arc<AtomicUsize>,
    size: usize,
}

impl Bytes {
    fn take(all: &Arc<AtomicUsize>, size: usize) -> Self {
        all.fetch_add(size, Ordering::AcqRel);
        Self { all: all.clone(), size }
    }
}

impl Drop for Bytes {
    fn drop(&mut self) {
        self.all.fetch_sub(self.size, Ordering::AcqRel);
    }
}

/// A record on its way.
pub(super) struct Sent {
    batch: Arc<Batch>,
    index: usize,
    _bytes: Bytes,
}

/// Hands each delivery to its append.
#[derive(Default)]
pub(super) struct Deliveries {
    context: Context,
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
    type DeliveryOpaque = Box<Sent>;

    fn delivery(&self, delivery: &DeliveryResult<'_>, sent: Box<Sent>) {
        let outcome = match delivery {
            Ok(message) => {
                self.context.back();
                Ok(wire::offset(message.offset()))
            }
            Err((error, _)) => Err((code(error), error.to_string())),
        };
        sent.batch.settle(sent.index, outcome);
    }
}

type Answer = Result<Vec<Offset>, LogError>;

/// The records of one append.
struct Batch {
    progress: Mutex<Progress>,
}

struct Progress {
    offsets: Vec<Offset>,
    left: usize,
    failures: Vec<(Code, String)>,
    answer: Option<oneshot::Sender<Answer>>,
}

impl Batch {
    fn new(count: usize) -> (Arc<Self>, oneshot::Receiver<Answer>) {
        let (answer, outcome) = oneshot::channel();
        let progress = Progress { offsets: vec![0; count], left: count, failures: Vec::new(), answer: Some(answer) };
        (Arc::new(Self { progress: Mutex::new(progress) }), outcome)
    }

    fn settle(&self, index: usize, outcome: Result<Offset, (Code, String)>) {
        let mut progress = self.progress.lock();
        match outcome {
            Ok(offset) => {
                if let Some(place) = progress.offsets.get_mut(index) {
                    *place = offset;
                }
            }
            Err(failure) => progress.failures.push(failure),
        }
        progress.left -= 1;
        if progress.left == 0
            && let Some(answer) = progress.answer.take()
        {
            // Whoever appended may have gone.
            let _ = answer.send(progress.verdict());
        }
    }
}

impl Progress {
    fn verdict(&mut self) -> Answer {
        let (failed, count) = (self.failures.len(), self.offsets.len());
        let Some((code, why)) = self.failures.first() else { return Ok(std::mem::take(&mut self.offsets)) };
        if failed == count && self.failures.iter().all(|(code, _)| is_unwritten(*code)) {
            return Err(refused(&format!("append refused: {why}"), &KafkaError::MessageProduction(*code)));
        }
        Err(LogError::Ambiguous(format!("{failed} of {count} appended records may be lost: {why}")))
    }
}
