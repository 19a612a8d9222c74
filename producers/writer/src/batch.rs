//! Decides a batch of commands: pure, no log, no clock of its own.
//!
//! What enters is the state of a lane, commands in the order of the log, the stored answers that repeats will need, and
//! the time. What leaves is one transaction (per command its events, then its result; then the consumed offsets), and
//! an overlay in the state that waits for [`LaneState::merge`] or [`LaneState::discard`]. A later command of the batch
//! sees the overlay of the earlier ones. All bytes of a batch stand in one buffer that the records share.

use crate::{
    GROUP,
    answer::{self, Answer, code},
    clock::Ids,
    command::{Command, Place, check},
    deduplication::{BodyHash, Found, InHand, Scope},
    error::in_short,
    offsets::after,
    repeat::Answers,
    state::{Decided, Frontier, LaneState},
    table::{Arrival, Decision, Verdict},
    telemetry::{Outcome, Tally},
};
use bytes::Bytes;
use log::{Append, Consumed, Offset, Source, Transaction};
use schemas::{CodecError, SchemaId, Stream, envelope::Envelope};
use std::{ops::Range, sync::Arc};

/// A decided batch.
pub(crate) struct Batch {
    pub(crate) transaction: Transaction,
    pub(crate) decided: Decided,
    pub(crate) tally: Tally,
}

/// Decides `commands`. The only errors are envelopes that cannot be written, which no input can cause.
pub(crate) fn decide_batch(
    lane: &mut LaneState,
    commands: Vec<Command<'_>>,
    answers: &Answers,
    ids: &mut Ids,
    now: i64,
) -> Result<Batch, CodecError> {
    let (frontier, contexts) = (lane.frontier.clone(), lane.contexts.len());
    let pending = Vec::with_capacity(commands.len() * 2 + 16);
    let mut draft = Draft { lane, answers, ids, now, frontier, pending, consumed: vec![None; contexts], tally: Tally::default() };
    for command in commands {
        draft.take(command)?;
    }
    Ok(draft.finish())
}

/// The batch while it grows.
struct Draft<'a> {
    lane: &'a mut LaneState,
    answers: &'a Answers,
    ids: &'a mut Ids,
    now: i64,
    frontier: Frontier,
    pending: Vec<Pending>,
    consumed: Vec<Option<Offset>>,
    tally: Tally,
}

/// A record whose bytes stand in the buffer.
struct Pending {
    context: usize,
    stream: Stream,
    key: Bytes,
    envelope: Range<usize>,
    payload: Payload,
    time: i64,
}

#[derive(Clone)]
enum Payload {
    Buffered(Range<usize>),
    Stored(Bytes),
}

/// What the result of a command says.
struct Reply<'a> {
    status: i32,
    events: &'a [&'a str],
    code: Option<&'a str>,
    detail: Option<&'a str>,
}

impl<'a> Reply<'a> {
    fn no(status: i32, code: &'a str, detail: &'a str) -> Self {
        Self { status, events: &[], code: Some(code), detail: Some(detail) }
    }
}

/// The command in hand: whose results it gets, and where.
struct InTurn<'c> {
    context: usize,
    key: &'c Bytes,
    envelope: Arc<Envelope>,
    idempotency: Option<(Scope, BodyHash)>,
}

impl Draft<'_> {
    fn take(&mut self, command: Command<'_>) -> Result<(), CodecError> {
        let Command { context, record, envelope } = command;
        if let Some(next) = self.consumed.get_mut(context) {
            *next = Some(after(record.offset));
        }
        let mut envelope = match envelope {
            Ok(envelope) => envelope,
            Err(error) => {
                let partition = self.lane.address.partition;
                tracing::warn!(
                    log.partition = partition,
                    log.offset = record.offset,
                    error = in_short(&error),
                    "skipped a command that no one can read"
                );
                self.tally.count(Outcome::Unreadable);
                return Ok(());
            }
        };
        let recorded_at = self.now.max(self.frontier.recorded_at).max(envelope.recorded_at);
        self.frontier.recorded_at = recorded_at;
        Arc::make_mut(&mut envelope).recorded_at = recorded_at;

        let address = self.lane.address;
        let place = Place { context, partition: address.partition, partitions: address.partitions };
        let checked = check(&self.lane.deciders, &place, &record.key, &envelope);
        let mut turn = InTurn { context, key: &record.key, envelope, idempotency: None };
        let (key, kind) = match checked {
            Ok(found) => found,
            Err(detail) => return self.refuse(turn, Outcome::Undecodable, 0, Reply::no(400, code::UNDECODABLE, &detail)),
        };
        if turn.envelope.idempotent {
            let scope = Scope::new(turn.envelope.command_id, &record.key);
            let hash = BodyHash::of(&turn.envelope);
            match self.lane.keys.look_up(scope, hash) {
                Found::New => turn.idempotency = Some((scope, hash)),
                found => return self.repeat(turn, found, scope, self.seq(kind, key)),
            }
        }
        let arrival = Arrival { key, envelope: &turn.envelope, payload: &record.payload };
        let Some(table) = self.lane.tables.get_mut(kind) else { return Ok(()) };
        let Decision { seq, verdict } = table.decide(&arrival, &mut self.lane.encoder);
        match verdict {
            Verdict::Accepted => self.accept(turn, seq),
            Verdict::Refused { kind, code, detail } => {
                self.refuse(turn, Outcome::Refused, seq, Reply::no(answer::refused(kind), code, &detail))
            }
            Verdict::Mismatch => {
                let detail = mismatch(turn.envelope.expected_seq, seq);
                self.refuse(turn, Outcome::Mismatched, seq, Reply::no(412, code::SEQ_MISMATCH, &detail))
            }
            Verdict::Undecodable(detail) => {
                turn.idempotency = None;
                self.refuse(turn, Outcome::Undecodable, seq, Reply::no(400, code::UNDECODABLE, &detail))
            }
            Verdict::Unwritable(detail) => {
                turn.idempotency = None;
                tracing::error!(command.r#type = turn.envelope.r#type, detail, "a decider's event cannot be written");
                self.refuse(turn, Outcome::Undecodable, seq, Reply::no(500, code::UNWRITABLE, &detail))
            }
        }
    }

    /// The events stand in the encoder: wraps them, then answers.
    fn accept(&mut self, mut turn: InTurn<'_>, before: i64) -> Result<(), CodecError> {
        let encoded = std::mem::take(&mut self.lane.encoder.events);
        let names: Vec<&str> = encoded.iter().map(|event| event.name).collect();
        let envelope = Arc::make_mut(&mut turn.envelope);
        self.lane.caused(envelope);
        let mut seq = before;
        for event in &encoded {
            seq += 1;
            envelope.seq = seq;
            if let Some(position) = self.frontier.positions.get_mut(turn.context) {
                *position += 1;
                envelope.position = *position;
            }
            let payload = Payload::Buffered(event.payload.clone());
            self.append(Stream::Events, turn.context, turn.key, envelope, (event.name, event.schema), payload)?;
        }
        let reply = Reply { status: answer::accepted(before, seq), events: &names, code: None, detail: None };
        self.tally.count(Outcome::Accepted);
        self.answer(turn, seq, reply)?;
        // Give the buffer back for the next command.
        self.lane.encoder.events = encoded;
        self.lane.encoder.events.clear();
        Ok(())
    }

    fn refuse(&mut self, mut turn: InTurn<'_>, outcome: Outcome, seq: i64, reply: Reply<'_>) -> Result<(), CodecError> {
        self.tally.count(outcome);
        let envelope = Arc::make_mut(&mut turn.envelope);
        self.lane.caused(envelope);
        self.answer(turn, seq, reply)
    }

    /// An idempotency key that was used before, or that cannot be remembered.
    fn repeat(&mut self, turn: InTurn<'_>, found: Found, scope: Scope, seq: i64) -> Result<(), CodecError> {
        let stored = match found {
            Found::InHand(InHand { record, seq }) => self.pending.get(record).map(|first| (seq, first.payload.clone())),
            Found::Committed => self.answers.get(scope).map(|first| (first.seq, Payload::Stored(first.payload.clone()))),
            Found::Reused => {
                let detail = "this Idempotency-Key came with another body before; use a fresh key for another command";
                return self.refuse(turn, Outcome::Reused, seq, Reply::no(422, code::KEY_REUSED, detail));
            }
            Found::Full | Found::New => {
                let detail = "no further Idempotency-Key can be remembered now; try again later, or without a key";
                return self.refuse(turn, Outcome::Full, seq, Reply::no(503, code::KEYS_FULL, detail));
            }
        };
        let Some((seq, payload)) = stored else {
            let detail = "this command was answered before, but the log no longer holds the answer; read the aggregate";
            return self.refuse(turn, Outcome::Repeated, seq, Reply::no(409, code::ANSWER_GONE, detail));
        };
        let InTurn { context, key, mut envelope, .. } = turn;
        let envelope = Arc::make_mut(&mut envelope);
        self.lane.caused(envelope);
        envelope.seq = seq;
        envelope.position = 0;
        self.tally.count(Outcome::Repeated);
        self.append(Stream::Results, context, key, envelope, (answer::NAME, self.lane.answer_schema), payload)
    }

    fn answer(&mut self, turn: InTurn<'_>, seq: i64, reply: Reply<'_>) -> Result<(), CodecError> {
        let InTurn { context, key, mut envelope, idempotency } = turn;
        let Reply { status, events, code, detail } = reply;
        let position = self.frontier.positions.get(context).copied().unwrap_or(0);
        let schema = self.lane.answer_schema;
        let arena = &mut self.lane.encoder.arena;
        let start = arena.len();
        Answer { status, events, position, code, detail }.encode(schema, arena)?;
        let payload = Payload::Buffered(start..arena.len());
        if let Some((scope, hash)) = idempotency {
            self.lane.keys.note(scope, hash, InHand { record: self.pending.len(), seq });
        }
        let envelope = Arc::make_mut(&mut envelope);
        envelope.seq = seq;
        envelope.position = 0;
        self.append(Stream::Results, context, key, envelope, (answer::NAME, schema), payload)
    }

    /// Finishes the envelope and puts the record into the batch.
    fn append(
        &mut self,
        stream: Stream,
        context: usize,
        key: &Bytes,
        envelope: &mut Envelope,
        (name, schema): (&str, SchemaId),
        payload: Payload,
    ) -> Result<(), CodecError> {
        envelope.id = self.ids.next(envelope.recorded_at);
        envelope.r#type.clear();
        envelope.r#type.push_str(name);
        envelope.schema_id = i32::try_from(schema.0).unwrap_or(i32::MAX);
        let arena = &mut self.lane.encoder.arena;
        let start = arena.len();
        envelope.encode(arena)?;
        let time = envelope.recorded_at;
        self.pending.push(Pending { context, stream, key: key.clone(), envelope: start..arena.len(), payload, time });
        Ok(())
    }

    fn seq(&self, kind: usize, key: &str) -> i64 {
        self.lane.tables.get(kind).map_or(0, |table| table.seq(key))
    }

    fn finish(self) -> Batch {
        let size = self.lane.encoder.arena.len();
        let arena = Bytes::from(std::mem::replace(&mut self.lane.encoder.arena, Vec::with_capacity(size)));
        let appended = self.pending.iter().map(|record| (record.context, record.stream)).collect();
        let contexts = &self.lane.contexts;
        let source = |context: usize, stream: Stream| -> Option<Source> {
            let context = contexts.get(context)?;
            Some(match stream {
                Stream::Commands => context.commands.clone(),
                Stream::Events => context.events.clone(),
                Stream::Results => context.results.clone(),
            })
        };
        let append = self.pending.into_iter().filter_map(|record| {
            let payload = match record.payload {
                Payload::Buffered(range) => arena.slice(range),
                Payload::Stored(bytes) => bytes,
            };
            let source = source(record.context, record.stream)?;
            Some(Append { source, key: record.key, envelope: arena.slice(record.envelope), payload, time: record.time })
        });
        let moved = self.consumed.iter().enumerate().filter_map(|(context, next)| {
            Some(Consumed { group: GROUP.into(), source: source(context, Stream::Commands)?, next: (*next)? })
        });
        let transaction = Transaction { append: append.collect(), consumed: moved.collect() };
        let decided = Decided { frontier: self.frontier, appended, consumed: self.consumed };
        Batch { transaction, decided, tally: self.tally }
    }
}

fn mismatch(expected: i64, seq: i64) -> String {
    let is = if seq == 0 { "it does not exist".to_owned() } else { format!("it is at seq {seq}") };
    match expected {
        0 => format!("the aggregate must not exist, but {is}"),
        -1 => format!("the aggregate must exist, but {is}"),
        n => format!("the aggregate must be at seq {n}, but {is}; read it again before deciding anew"),
    }
}
