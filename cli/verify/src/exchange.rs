//! Commands, their answers and their events: every answer belongs to a command, every command that the writer is done with
//! has as many answers as it was sent, and every event comes from a command that was answered, its events being in one
//! place. Pure but for the temporary files of the marks.
//!
//! A command that comes again with its key is answered again, with the answer that it got first. So among the answers
//! of one command and key, those that can be repeated are one and the same, unless the window of the key lies between.
//! Where old records were removed, what is missing at the beginning is excused and nothing else: answers have the order
//! of their commands.

use crate::{
    census::Census,
    chunk::Chunk,
    code::Code,
    error::VerifyError,
    events::readable,
    marks::{Mark, Marks, fingerprint},
    pass::Looker,
};
use log::{Offset, Source};
use schemas::{Message, SchemaKind, envelope::CommandResult};
use uuid::Uuid;

/// Set in the order of a mark of an answer, so that answers come last.
const ANSWER: u64 = 1 << 63;
/// Set in the order of a mark of events, which come between commands and answers.
const EVENTS: u64 = 1 << 62;
/// Set in the order of the second mark of an answer, which says its time.
const TIME: u64 = 1;

/// Looks at a partition of commands; the marks of the events are there already.
pub(crate) struct Commands {
    pub census: Census,
    pub marks: Marks,
}

/// The mark of a command's events that begin at `offset`.
pub(crate) fn events_mark(command: Uuid, key: &[u8], offset: Offset, recorded_at: i64) -> Mark {
    let what = fingerprint(&[command.as_bytes(), key]);
    Mark { what, order: EVENTS | offset << 1, says: recorded_at.cast_unsigned() }
}

/// Looks at a partition of results; the marks of commands and events are there already.
pub(crate) struct Results {
    pub census: Census,
    pub marks: Marks,
}

impl Commands {
    pub(crate) fn new(source: Source, marks: Marks, limit: u64) -> Self {
        Self { census: Census::new(source, limit), marks }
    }
}

impl Results {
    pub(crate) fn new(source: Source, marks: Marks, limit: u64) -> Self {
        Self { census: Census::new(source, limit), marks }
    }
}

impl Looker for Commands {
    fn look(&mut self, chunk: &Chunk) -> Result<(), VerifyError> {
        for (record, read) in chunk.iter() {
            self.census.record(record);
            match read {
                Ok(entry) => {
                    self.census.place(entry.position);
                    let what = fingerprint(&[entry.envelope.command_id.as_bytes(), &record.key]);
                    self.marks.push(Mark { what, order: record.offset << 1, says: 0 })?;
                }
                // Whoever may append can write one; the writer skips it, and there is no one to answer.
                Err(_) => self.census.unreadable += 1,
            }
        }
        Ok(())
    }
}

impl Looker for Results {
    fn look(&mut self, chunk: &Chunk) -> Result<(), VerifyError> {
        for (record, read) in chunk.iter() {
            self.census.record(record);
            let entry = match read {
                Ok(entry) => entry,
                Err(reading) => {
                    self.census.unreadable(record, reading);
                    continue;
                }
            };
            let (at, envelope) = (Some(entry.position), &entry.envelope);
            self.census.place(entry.position);
            self.census.time(record, at, envelope.recorded_at);
            let mut first = 0;
            match readable(entry, SchemaKind::Result, "") {
                Err((code, reason)) => self.census.found(code, record, at, || ("an answer".to_owned(), reason)),
                Ok(()) => {
                    let result = <CommandResult as Message>::decode(&envelope.r#type, &entry.payload);
                    if result.is_ok_and(|result| writer::is_first(result.code.as_deref())) {
                        first = fingerprint(&[&entry.payload]) as u64 | 1;
                    }
                }
            }
            let what = fingerprint(&[envelope.command_id.as_bytes(), &record.key]);
            let order = ANSWER | record.offset << 1;
            self.marks.push(Mark { what, order, says: first })?;
            self.marks.push(Mark { what, order: order | TIME, says: envelope.recorded_at.cast_unsigned() })?;
        }
        Ok(())
    }
}

/// What the partition is like.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    /// Commands before this offset were decided.
    pub decided: Offset,
    /// The oldest commands were removed.
    pub commands_truncated: bool,
    /// The oldest answers were removed.
    pub results_truncated: bool,
    /// When the oldest answer that is left was given, in microseconds; without any the greatest time.
    pub answered_since: i64,
    /// For how long a key is remembered, in microseconds.
    pub window: i64,
}

/// Something wrong between commands and answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unmatched {
    pub code: Code,
    /// Offset of the command if an answer is missing, of the event if it is about events, else of the answer.
    pub offset: Offset,
    pub commands: u64,
    pub answers: u64,
}

impl Unmatched {
    /// Whether it is about events.
    pub(crate) fn is_of_event(&self) -> bool {
        matches!(self.code, Code::CommandDecidedTwice | Code::EventWithoutResult)
    }
}

/// Commands, answers and events of one id and key.
#[derive(Debug, Default)]
struct Group {
    commands: u64,
    decided: u64,
    last_decided: Offset,
    last_command: Offset,
    answers: u64,
    first_answer: Offset,
    last_answer: Offset,
    /// The answer that a repeat gets, and when it was given.
    answer: Option<(u64, i64)>,
    /// The answer in hand, until its time is known.
    in_hand: u64,
    /// An answer that differs from the first.
    differs: Option<Offset>,
    /// The last place of its events, and when they were recorded.
    events: Option<(Offset, i64)>,
    /// Events in another place while the command was still remembered.
    again: Option<Offset>,
}

impl Group {
    fn take(&mut self, mark: Mark, terms: &Terms) {
        let offset = (mark.order & !(ANSWER | EVENTS)) >> 1;
        if mark.order & EVENTS != 0 {
            let at = mark.says.cast_signed();
            if self.events.replace((offset, at)).is_some_and(|(_, before)| at.saturating_sub(before) <= terms.window) {
                self.again = Some(offset);
            }
        } else if mark.order & ANSWER == 0 {
            self.commands += 1;
            self.last_command = offset;
            if offset < terms.decided {
                self.decided += 1;
                self.last_decided = offset;
            }
        } else if mark.order & TIME == 0 {
            if self.answers == 0 {
                self.first_answer = offset;
            }
            self.answers += 1;
            self.last_answer = offset;
            self.in_hand = mark.says;
        } else if self.in_hand != 0 {
            let (answer, at) = (self.in_hand, mark.says.cast_signed());
            match self.answer {
                Some((first, given)) if first != answer && at.saturating_sub(given) <= terms.window => {
                    self.differs = Some(offset)
                }
                Some((first, _)) if first == answer => {}
                _ => self.answer = Some((answer, at)),
            }
        }
    }
}

/// Goes through sorted marks, twice: first for where the matched ones begin.
pub(crate) struct Matching {
    terms: Terms,
    what: Option<u128>,
    group: Group,
    /// Where the first command that has an answer stands, and the first answer that has a command.
    matched: (Offset, Offset),
    judges: bool,
}

impl Matching {
    pub(crate) fn new(terms: Terms) -> Self {
        Self { terms, what: None, group: Group::default(), matched: (Offset::MAX, Offset::MAX), judges: false }
    }

    pub(crate) fn see(&mut self, mark: Mark) -> Vec<Unmatched> {
        let ended = if self.what == Some(mark.what) { Vec::new() } else { self.end() };
        self.what = Some(mark.what);
        self.group.take(mark, &self.terms);
        ended
    }

    /// After the last mark; from then on the next time through is the one that judges.
    pub(crate) fn end_of_pass(&mut self) -> Vec<Unmatched> {
        let ended = self.end();
        (self.what, self.judges) = (None, true);
        ended
    }

    fn end(&mut self) -> Vec<Unmatched> {
        let group = std::mem::take(&mut self.group);
        if !self.judges {
            if group.commands > 0 && group.answers > 0 {
                self.matched = (self.matched.0.min(group.last_command), self.matched.1.min(group.last_answer));
            }
            return Vec::new();
        }
        let mut found = Vec::new();
        let mut add = |code, offset| found.push(Unmatched { code, offset, commands: group.commands, answers: group.answers });
        let excused = |truncated, offset, matched| truncated && offset < matched;
        if group.answers < group.decided && !excused(self.terms.results_truncated, group.last_decided, self.matched.0) {
            add(Code::ResultMissing, group.last_decided);
        }
        if group.answers > group.commands && !excused(self.terms.commands_truncated, group.first_answer, self.matched.1) {
            let code = if group.commands == 0 { Code::ResultWithoutCommand } else { Code::ResultDouble };
            add(code, group.last_answer);
        }
        if let Some(offset) = group.differs {
            add(Code::AnswersDiffer, offset);
        }
        if let Some(offset) = group.again {
            add(Code::CommandDecidedTwice, offset);
        }
        if let Some((offset, at)) = group.events.filter(|_| group.answers == 0)
            && !(self.terms.results_truncated && at <= self.terms.answered_since)
        {
            add(Code::EventWithoutResult, offset);
        }
        found
    }
}

#[cfg(test)]
mod tests;
