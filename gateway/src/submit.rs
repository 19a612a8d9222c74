//! The way of a command into the log and of its result back.
//!
//! What enters is a command in the wire format with what surrounds it; what leaves is the result, or the promise that
//! the command is on record. A waiter is registered before the command is appended, so no result is missed. The number
//! of commands in flight is bounded. No rule of any domain is known here.

use crate::{
    auth::Principal,
    clock, codes,
    problem::Problem,
    waiters::{Waiter, Waiters, Wanted},
};
use bytes::Bytes;
use futures::future::join_all;
use log::{Append, Durability, Log, Offset, Source};
use schemas::{
    ConsistencyToken, Message, SchemaInfo, Stream,
    envelope::{CommandResult, Envelope},
};
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::sync::Semaphore;
use uuid::Uuid;

/// How long a command that was appended may take to be on record.
const STORED: Duration = Duration::from_secs(5);

/// A command that is ready for the log.
#[derive(Debug)]
pub(crate) struct Order {
    /// Its schema.
    pub schema: &'static SchemaInfo,
    /// Its identity.
    pub command_id: Uuid,
    /// The aggregate that it is for.
    pub aggregate_id: String,
    /// The command in the wire format.
    pub payload: Vec<u8>,
    /// The conversation that it belongs to.
    pub correlation_id: Option<Uuid>,
    /// The trace that it belongs to.
    pub traceparent: Option<String>,
    /// When it happened, as the caller says.
    pub occurred_at: Option<i64>,
    /// What it expects of the aggregate.
    pub expected_seq: i64,
    /// Hash of its body, where an `Idempotency-Key` was given.
    pub body_hash: Option<Vec<u8>>,
}

/// When a command is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Once it is decided, or after this time.
    Decided(Duration),
    /// The same, with the command on record durably before the wait begins.
    Recorded(Duration),
}

impl Wait {
    fn time(self) -> Duration {
        match self {
            Self::Decided(time) | Self::Recorded(time) => time,
        }
    }

    fn durability(self) -> Durability {
        match self {
            Self::Decided(time) if !time.is_zero() => Durability::Ordered,
            Self::Decided(_) | Self::Recorded(_) => Durability::Durable,
        }
    }
}

/// A command on its way.
struct Sent {
    context: &'static str,
    source: Source,
    waiter: Option<Waiter>,
    time: Duration,
}

/// What became of a command.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It was decided.
    Decided(Decision),
    /// It is on record and will be decided.
    Accepted,
}

/// A decided command.
#[derive(Debug)]
pub(crate) struct Decision {
    /// Sequence number of the aggregate after it.
    pub seq: i64,
    /// What the writer answered.
    pub result: CommandResult,
    /// What a query has to see to show it.
    pub token: ConsistencyToken,
}

/// Sends commands.
pub(crate) struct Submitter {
    log: Arc<dyn Log>,
    waiters: Waiters,
    topics: HashMap<&'static str, Vec<Source>>,
    in_flight: Semaphore,
    capacity: usize,
    timeline: Uuid,
}

impl Submitter {
    /// A sender of commands of the given contexts, at most `capacity` at a time.
    pub fn new(log: Arc<dyn Log>, waiters: Waiters, contexts: &[&'static str], capacity: usize) -> Self {
        let sources = |context: &str| {
            let topic: Arc<str> = Stream::Commands.topic(context).into();
            (0..log.partitions()).map(|partition| Source { topic: topic.clone(), partition }).collect()
        };
        let topics = contexts.iter().map(|context| (*context, sources(context))).collect();
        let timeline = log.timeline().0;
        Self { log, waiters, topics, in_flight: Semaphore::new(capacity), capacity, timeline }
    }

    /// Commands in flight.
    pub fn in_flight(&self) -> usize {
        self.capacity.saturating_sub(self.in_flight.available_permits())
    }

    /// Requests that wait for a result.
    pub fn waiting(&self) -> usize {
        self.waiters.len()
    }

    /// Sends a command and waits as `wait` says.
    pub async fn send(&self, principal: &Principal, order: Order, wait: Wait) -> Result<Outcome, Problem> {
        let Ok(_permit) = self.in_flight.try_acquire() else { return Err(self.full()) };
        let (append, sent) = self.prepare(principal, order, wait)?;
        let offsets = self.log.append(vec![append], wait.durability()).await?;
        self.outcome(sent, offsets.first().copied()).await
    }

    /// Sends several commands, which go to the log in their order and all or none, and waits for each as `wait` says.
    pub async fn send_all(
        &self,
        principal: &Principal,
        orders: Vec<Order>,
        wait: Wait,
    ) -> Result<Vec<Result<Outcome, Problem>>, Problem> {
        let count = u32::try_from(orders.len()).unwrap_or(u32::MAX);
        let Ok(_permit) = self.in_flight.try_acquire_many(count) else { return Err(self.full()) };
        let prepared = orders.into_iter().map(|order| self.prepare(principal, order, wait));
        let (appends, sent): (Vec<_>, Vec<_>) = prepared.collect::<Result<Vec<_>, _>>()?.into_iter().unzip();
        let offsets = self.log.append(appends, wait.durability()).await?;
        let offsets = offsets.into_iter().map(Some).chain(std::iter::repeat(None));
        Ok(join_all(sent.into_iter().zip(offsets).map(|(sent, offset)| self.outcome(sent, offset))).await)
    }

    fn full(&self) -> Problem {
        Problem::new(codes::BUSY, format!("{} commands are in flight at most; try again", self.capacity))
    }

    /// What goes to the log, and who waits for its result from now on.
    fn prepare(&self, principal: &Principal, order: Order, wait: Wait) -> Result<(Append, Sent), Problem> {
        let (context, command_id, idempotent) = (order.schema.context, order.command_id, order.body_hash.is_some());
        let wanted = Wanted { aggregate_id: order.aggregate_id.clone(), body_hash: order.body_hash.clone() };
        let append = self.append(principal, order, idempotent)?;
        let waiter = (!wait.time().is_zero()).then(|| self.waiters.register(command_id, wanted));
        let sent = Sent { context, source: append.source.clone(), waiter, time: wait.time() };
        Ok((append, sent))
    }

    /// What becomes of a command that was appended at `offset`.
    async fn outcome(&self, sent: Sent, offset: Option<Offset>) -> Result<Outcome, Problem> {
        let Some(waiter) = sent.waiter else { return Ok(Outcome::Accepted) };
        let Ok(Some(arrived)) = tokio::time::timeout(sent.time, waiter.arrived()).await else {
            self.stored(&sent.source, offset).await?;
            return Ok(Outcome::Accepted);
        };
        let result = CommandResult::decode("envelope.CommandResult", &arrived.payload)?;
        let position = u64::try_from(result.position).unwrap_or_default();
        let token = ConsistencyToken::at(self.timeline, sent.context, arrived.partition, position);
        Ok(Outcome::Decided(Decision { seq: arrived.seq, result, token }))
    }

    /// Makes sure that a command whose result did not come in time is on record: readers see what is stored only.
    async fn stored(&self, source: &Source, offset: Option<Offset>) -> Result<(), Problem> {
        let Some(offset) = offset else { return Ok(()) };
        if self.log.wait(source, offset, STORED).await? {
            return Ok(());
        }
        Err(Problem::new(codes::LOG_AWAY, "the command is not on record yet; ask for its status before sending it again"))
    }

    fn append(&self, principal: &Principal, order: Order, idempotent: bool) -> Result<Append, Problem> {
        let aggregate_type = order.schema.aggregate.unwrap_or_default();
        let key = schemas::key(principal.tenant, aggregate_type, &order.aggregate_id);
        let partition = schemas::partition(key.as_bytes(), self.log.partitions());
        let source = self.topics.get(order.schema.context).and_then(|sources| sources.get(partition as usize)).cloned();
        let source = source.ok_or_else(|| Problem::new(codes::UNKNOWN_COMMAND, "no topic takes this command"))?;
        let now = clock::now_micros();
        let envelope = Envelope {
            id: order.command_id,
            tenant: principal.tenant.to_owned(),
            aggregate_type: aggregate_type.to_owned(),
            aggregate_id: order.aggregate_id,
            seq: 0,
            position: 0,
            timeline: self.timeline,
            r#type: order.schema.name.to_owned(),
            schema_id: i32::try_from(order.schema.id.0).unwrap_or_default(),
            command_id: order.command_id,
            causation_id: order.command_id,
            correlation_id: order.correlation_id.unwrap_or(order.command_id),
            traceparent: order.traceparent,
            actor: principal.actor.to_owned(),
            occurred_at: order.occurred_at,
            recorded_at: now,
            expected_seq: order.expected_seq,
            idempotent,
            body_hash: order.body_hash,
        };
        let mut bytes = Vec::with_capacity(256);
        envelope.encode(&mut bytes)?;
        Ok(Append { source, key: Bytes::from(key), envelope: Bytes::from(bytes), payload: Bytes::from(order.payload), time: now })
    }
}
