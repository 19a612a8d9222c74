//! `commands`: what became of every command.
//!
//! A row is fed by two topics, the commands and their results, which a host reads independently: the answer may come
//! before the command that it answers, and the row is the same in the end. A command that was sent again with its
//! `Idempotency-Key` has one row, with the first answer; only a refusal gives way to a later success, and what could not
//! be read, which is no answer to the command, gives way to one.

#[cfg(test)]
mod specs;

use crate::words::words;
use schemas::{
    CodecError, Entry, Grain, Message, Projection, Recorded, Row, Stream, Subset, Unfit,
    envelope::{CommandResult, Envelope},
    row::{Json, Time},
};

words! {
    /// Where a command stands.
    State {
        /// It waits for its answer.
        Accepted = "accepted",
        /// It was carried out.
        Done = "done",
        /// It was refused.
        Refused = "refused",
        /// The writer could not read what it says.
        Undecodable = "undecodable",
    }
}

/// The code of the writer's answer to a command that it cannot read.
const UNDECODABLE: &str = "undecodable";

/// A trace that a command leaves in the log.
#[derive(Debug, Clone, PartialEq)]
pub enum CommandTrace {
    /// It was accepted; what it says is not read.
    Accepted,
    /// It was answered.
    Result(CommandResult),
}

/// A trace and the partition that it was found in, as far as that is known.
#[derive(Debug, Clone, PartialEq)]
pub struct Trace {
    /// The trace.
    pub trace: CommandTrace,
    /// The partition.
    pub partition: Option<u32>,
}

impl Subset for Trace {
    const STREAMS: &'static [Stream] = &[Stream::Commands, Stream::Results];

    fn reads(_: &str) -> bool {
        true
    }

    fn decode(name: &str, wire: &[u8]) -> Result<Self, CodecError> {
        let trace = if CommandResult::TYPES.contains(&name) {
            CommandTrace::Result(<CommandResult as Subset>::decode(name, wire)?)
        } else {
            CommandTrace::Accepted
        };
        Ok(Self { trace, partition: None })
    }
}

/// A command and its answer.
#[derive(Debug, Clone, PartialEq, Row)]
#[row(table = "commands")]
pub struct Command {
    /// Identity of the command.
    #[row(key)]
    pub command_id: String,
    /// Full name of its schema: `work.SubmitJob`; empty as long as only the answer is known.
    pub r#type: String,
    /// Type of the aggregate that it is for.
    pub aggregate_type: String,
    /// Identity of the aggregate that it is for.
    pub aggregate_id: String,
    /// HTTP status of the answer; 0 while there is none.
    pub status: i64,
    /// Where it stands.
    pub state: State,
    /// Number of the aggregate's last event after the command.
    pub seq: Option<i64>,
    /// Types of the events that it caused, in order.
    pub events: Option<Json>,
    /// Stable code of a refusal.
    pub code: Option<String>,
    /// What was refused and what to do.
    pub detail: Option<String>,
    /// Who sent it.
    pub actor: String,
    /// When it was accepted; while only the answer is known, the answer's time.
    pub accepted_at: Time,
    /// When it was answered.
    pub finished_at: Option<Time>,
    /// Position of the last event of the partition after the command.
    pub position: Option<i64>,
    /// The partition of the command, its events and its answer.
    pub partition: i64,
}

/// The read model.
#[derive(Debug)]
pub enum Commands {}

impl Projection for Commands {
    const NAME: &'static str = "commands";
    const VERSION: u32 = 2;
    const GRAIN: Grain = Grain::Shared;
    type Event = Trace;
    type Row = Command;

    fn read(entry: &Entry) -> Result<Trace, CodecError> {
        let trace = Trace::decode(&entry.envelope.r#type, &entry.payload)?;
        Ok(Trace { partition: Some(entry.partition), ..trace })
    }

    fn keys(event: &Recorded<Trace>, out: &mut Vec<String>) {
        out.push(event.envelope.command_id.to_string());
    }

    fn fold(key: &String, row: &mut Option<Command>, event: &Recorded<Trace>) -> Result<(), Unfit> {
        let Some(partition) = event.message.partition else {
            return Err(Unfit("where the record stands in the log is not known".to_owned()));
        };
        let at = Time(event.envelope.recorded_at);
        let command = row.get_or_insert_with(|| Command::first_seen(key, &event.envelope, partition));
        command.accepted_at = command.accepted_at.min(at);
        match &event.message.trace {
            CommandTrace::Accepted if command.r#type.is_empty() => {
                command.r#type.clone_from(&event.envelope.r#type);
                command.actor.clone_from(&event.envelope.actor);
            }
            CommandTrace::Accepted => {}
            CommandTrace::Result(result) => command.answer(result, event.envelope.seq, at),
        }
        Ok(())
    }
}

impl Command {
    fn first_seen(key: &str, envelope: &Envelope, partition: u32) -> Self {
        Self {
            command_id: key.to_owned(),
            r#type: String::new(),
            aggregate_type: envelope.aggregate_type.clone(),
            aggregate_id: envelope.aggregate_id.clone(),
            status: 0,
            state: State::Accepted,
            seq: None,
            events: None,
            code: None,
            detail: None,
            actor: envelope.actor.clone(),
            accepted_at: Time(envelope.recorded_at),
            finished_at: None,
            position: None,
            partition: i64::from(partition),
        }
    }

    fn answer(&mut self, result: &CommandResult, seq: i64, at: Time) {
        let state = match result.code.as_deref() {
            _ if (200..300).contains(&result.status) => State::Done,
            Some(UNDECODABLE) => State::Undecodable,
            _ => State::Refused,
        };
        let replaces = match self.state {
            State::Accepted => true,
            State::Undecodable => state != State::Undecodable,
            State::Refused => state == State::Done,
            State::Done => false,
        };
        if !replaces {
            return;
        }
        self.state = state;
        self.status = i64::from(result.status);
        self.seq = Some(seq);
        self.events = (state == State::Done).then(|| Json(serde_json::Value::from(result.events.clone()).to_string()));
        self.code.clone_from(&result.code);
        self.detail.clone_from(&result.detail);
        self.finished_at = Some(at);
        self.position = Some(result.position);
    }
}
