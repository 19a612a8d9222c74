//! A log in memory: messages become records with the numbers that a gateway and a writer would give them.

use crate::{
    Entry, Message, Recorded, Stream, aggregate_id,
    envelope::{CommandResult, Envelope},
    schema,
};
use bytes::Bytes;
use std::{collections::HashMap, sync::Arc};
use uuid::Uuid;

/// Records in log order. Tenant, actor, time and partition hold for what is appended after they are set.
///
/// Seq counts per aggregate, position per topic and partition, both from 1. Events and results follow the last
/// command of their aggregate.
#[derive(Debug, Clone)]
pub struct History {
    tenant: String,
    actor: String,
    time: i64,
    partition: u32,
    seqs: HashMap<String, i64>,
    ends: HashMap<(String, u32), u64>,
    causes: HashMap<String, Arc<Envelope>>,
    entries: Vec<Entry>,
}

impl Default for History {
    fn default() -> Self {
        Self {
            tenant: "default".into(),
            actor: "somebody".into(),
            time: 1_800_000_000_000_000,
            partition: 0,
            seqs: HashMap::new(),
            ends: HashMap::new(),
            causes: HashMap::new(),
            entries: Vec::new(),
        }
    }
}

impl History {
    /// An empty one: tenant `default`, actor `somebody`, partition 0, a fixed time.
    pub fn new() -> Self {
        Self::default()
    }

    /// Of whom the next records are.
    pub fn tenant(mut self, tenant: &str) -> Self {
        self.tenant = tenant.into();
        self
    }

    /// Who does the next things.
    pub fn by(mut self, actor: &str) -> Self {
        self.actor = actor.into();
        self
    }

    /// When the next records are recorded, in microseconds.
    pub fn at(mut self, micros: i64) -> Self {
        self.time = micros;
        self
    }

    /// In which partition the next records stand.
    pub fn partition(mut self, partition: u32) -> Self {
        self.partition = partition;
        self
    }

    /// A command, as a gateway would append it.
    pub fn command<M: Message>(mut self, command: M) -> Self {
        let mut envelope = self.envelope(&command);
        envelope.command_id = envelope.id;
        envelope.causation_id = envelope.id;
        envelope.correlation_id = envelope.id;
        let key = envelope.key();
        self.push(Stream::Commands, envelope, &command);
        if let Some(entry) = self.entries.last() {
            self.causes.insert(key, entry.envelope.clone());
        }
        self
    }

    /// An event, as a writer would append it.
    pub fn event<M: Message>(mut self, event: M) -> Self {
        let mut envelope = self.envelope(&event);
        let key = envelope.key();
        if let Some(cause) = self.causes.get(&key) {
            envelope.command_id = cause.command_id;
            envelope.causation_id = cause.id;
            envelope.correlation_id = cause.correlation_id;
            envelope.actor.clone_from(&cause.actor);
        }
        let seq = self.seqs.entry(key).or_default();
        *seq += 1;
        envelope.seq = *seq;
        self.push(Stream::Events, envelope, &event);
        self
    }

    /// Several events.
    pub fn events<M: Message>(self, events: impl IntoIterator<Item = M>) -> Self {
        events.into_iter().fold(self, Self::event)
    }

    /// The answer to the last command appended.
    pub fn result(mut self, result: CommandResult) -> Self {
        let last = self.entries.iter().rev().find(|e| e.envelope.command_id == e.envelope.id && e.topic.ends_with(".commands"));
        if let Some(command) = last.map(|entry| entry.envelope.clone()) {
            let envelope = Envelope {
                id: self.next_id(),
                r#type: result.name().to_owned(),
                schema_id: result.schema_id().0 as i32,
                seq: self.seqs.get(&command.key()).copied().unwrap_or(0),
                causation_id: command.id,
                recorded_at: self.time,
                ..Envelope::clone(&command)
            };
            let context = command.r#type.split('.').next().unwrap_or_default().to_owned();
            self.push_to(Stream::Results.topic(&context), envelope, &result);
        }
        self
    }

    /// Changes the envelope of the last record.
    pub fn with(mut self, change: impl FnOnce(&mut Envelope)) -> Self {
        if let Some(entry) = self.entries.last_mut() {
            let mut envelope = Envelope::clone(&entry.envelope);
            change(&mut envelope);
            entry.envelope_bytes = encoded(|out| envelope.encode(out));
            entry.envelope = Arc::new(envelope);
        }
        self
    }

    /// The records, in order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The records of the type `M`, decoded.
    #[track_caller]
    pub fn recorded<M: Message>(&self) -> Vec<Recorded<M>> {
        let typed = self.entries.iter().filter(|entry| M::TYPES.contains(&entry.envelope.r#type.as_str()));
        let decoded = typed.map(|entry| match M::decode(&entry.envelope.r#type, &entry.payload) {
            Ok(message) => Recorded { envelope: entry.envelope.clone(), message },
            Err(error) => panic!("a generated message does not decode: {error}"),
        });
        decoded.collect()
    }

    fn envelope<M: Message>(&self, message: &M) -> Envelope {
        let aggregate_type = schema(message.name()).and_then(|s| s.aggregate).unwrap_or("source");
        let id = self.next_id();
        Envelope {
            id,
            tenant: self.tenant.clone(),
            aggregate_type: aggregate_type.into(),
            aggregate_id: message.aggregate_id().into(),
            seq: 0,
            position: 0,
            timeline: Uuid::nil(),
            r#type: message.name().into(),
            schema_id: message.schema_id().0 as i32,
            command_id: id,
            causation_id: id,
            correlation_id: id,
            traceparent: None,
            actor: self.actor.clone(),
            occurred_at: None,
            recorded_at: self.time,
            expected_seq: -2,
            idempotent: false,
            body_hash: None,
        }
    }

    fn next_id(&self) -> Uuid {
        aggregate_id(Uuid::from_u128(self.entries.len() as u128 + 1))
    }

    fn push<M: Message>(&mut self, stream: Stream, envelope: Envelope, message: &M) {
        let context = message.name().split('.').next().unwrap_or_default();
        self.push_to(stream.topic(context), envelope, message);
    }

    fn push_to<M: Message>(&mut self, topic: String, mut envelope: Envelope, message: &M) {
        let end = self.ends.entry((topic.clone(), self.partition)).or_default();
        *end += 1;
        if topic.ends_with(".events") {
            envelope.position = *end as i64;
        }
        self.entries.push(Entry {
            topic: topic.into(),
            partition: self.partition,
            position: *end,
            envelope_bytes: encoded(|out| envelope.encode(out)),
            envelope: Arc::new(envelope),
            payload: encoded(|out| message.encode(out)),
        });
    }
}

#[track_caller]
fn encoded(write: impl FnOnce(&mut Vec<u8>) -> Result<(), crate::CodecError>) -> Bytes {
    let mut bytes = Vec::new();
    if let Err(error) = write(&mut bytes) {
        panic!("a generated message does not encode: {error}");
    }
    bytes.into()
}
