//! Decides a batch of commands: pure, no log, no clock of its own.
//!
//! What enters is the state of a lane, commands in the order of the log, the stored answers that repeats will need, and
//! the time. What leaves is one transaction (per command its events, then its result; then the consumed offsets), and
//! an overlay in the state that waits for [`LaneState::merge`] or [`LaneState::discard`]. A later command of the batch
//! sees the overlay of the earlier ones.

use crate::{
    answer::{self, Answer, code},
    clock::Ids,
    command::{Command, Place, check},
    deduplication::{BodyHash, Found, InHand, Scope},
    error::in_short,
    offsets::after,
    records::{Payload, Records},
    repeat::Answers,
    state::{Decided, Frontier, LaneState},
    table::{Arrival, Decision, Verdict},
    telemetry::{Outcome, Tally},
};
use bytes::Bytes;
use log::{Offset, Transaction};
use schemas::{CodecError, SchemaId, Stream, envelope::Envelope};
use std::sync::Arc;

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
    let records = Records::with_capacity(commands.len() * 2 + 16);
    let mut draft = Draft { lane, answers, ids, now, frontier, records, consumed: vec![None; contexts], tally: Tally::default() };
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
    records: Records,
    consumed: Vec<Option<Offset>>,
    tally: Tally,
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
            match self.lane.keys.look_up(context, scope, hash, recorded_at) {
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
                tracing::error!(command.name = turn.envelope.r#type, detail, "a decider's event cannot be written");
                self.refuse(turn, Outcome::Undecodable, seq, Reply::no(500, code::UNWRITABLE, &detail))
            }
        }
    }

    /// The events stand in the encoder: wraps them, then answers.
    fn accept(&mut self, mut turn: InTurn<'_>, before: i64) -> Result<(), CodecError> {
        let encoded = std::mem::take(&mut self.lane.encoder.events);
        let names: Vec<&str> = encoded.iter().map(|event| event.name).collect();
        self.lane.caused(Arc::make_mut(&mut turn.envelope));
        let mut seq = before;
        for event in &encoded {
            seq += 1;
            let envelope = Arc::make_mut(&mut turn.envelope);
            envelope.seq = seq;
            if let Some(position) = self.frontier.positions.get_mut(turn.context) {
                *position += 1;
                envelope.position = *position;
            }
            let payload = Payload::Buffered(event.payload.clone());
            self.append(Stream::Events, &mut turn, (event.name, event.schema), payload)?;
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
        self.lane.caused(Arc::make_mut(&mut turn.envelope));
        self.answer(turn, seq, reply)
    }

    /// An idempotency key that was used before, or that cannot be remembered.
    fn repeat(&mut self, mut turn: InTurn<'_>, found: Found, scope: Scope, seq: i64) -> Result<(), CodecError> {
        let stored = match found {
            Found::InHand(InHand { record, seq }) => self.records.payload(record).map(|first| (seq, first.clone())),
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
        self.lane.caused(Arc::make_mut(&mut turn.envelope));
        // Whoever follows the log remembers the first answer, not this one.
        Arc::make_mut(&mut turn.envelope).idempotent = false;
        self.tally.count(Outcome::Repeated);
        self.result(turn, seq, payload)
    }

    fn answer(&mut self, turn: InTurn<'_>, seq: i64, reply: Reply<'_>) -> Result<(), CodecError> {
        let Reply { status, events, code, detail } = reply;
        let position = self.frontier.positions.get(turn.context).copied().unwrap_or(0);
        let arena = &mut self.lane.encoder.arena;
        let start = arena.len();
        Answer { status, events, position, code, detail }.encode(self.lane.answer_schema, arena)?;
        let payload = Payload::Buffered(start..arena.len());
        if let Some((scope, hash)) = turn.idempotency {
            self.lane.keys.note(turn.context, scope, hash, InHand { record: self.records.len(), seq }, turn.envelope.recorded_at);
        }
        self.result(turn, seq, payload)
    }

    fn result(&mut self, mut turn: InTurn<'_>, seq: i64, payload: Payload) -> Result<(), CodecError> {
        let envelope = Arc::make_mut(&mut turn.envelope);
        envelope.seq = seq;
        envelope.position = 0;
        self.append(Stream::Results, &mut turn, (answer::NAME, self.lane.answer_schema), payload)
    }

    /// Wraps a payload and puts it into the batch.
    fn append(
        &mut self,
        stream: Stream,
        turn: &mut InTurn<'_>,
        kind: (&str, SchemaId),
        payload: Payload,
    ) -> Result<(), CodecError> {
        let envelope = Arc::make_mut(&mut turn.envelope);
        envelope.id = self.ids.next(envelope.recorded_at);
        self.records.append((turn.context, stream), turn.key, envelope, kind, payload, &mut self.lane.encoder.arena)
    }

    fn seq(&self, kind: usize, key: &str) -> i64 {
        self.lane.tables.get(kind).map_or(0, |table| table.seq(key))
    }

    fn finish(self) -> Batch {
        let size = self.lane.encoder.arena.len();
        let arena = std::mem::replace(&mut self.lane.encoder.arena, Vec::with_capacity(size));
        let appended = self.records.places().collect();
        let transaction = self.records.into_transaction(arena, &self.lane.contexts, &self.consumed);
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
