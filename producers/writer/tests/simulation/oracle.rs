//! What a log must hold: exactly what one careful clerk would have written, who takes the commands one by one and keeps everything.
//!
//! From the commands of a partition, in their order, follow all results and all events, with their seqs and positions. So every
//! command has one effect and one answer, a repeat has the first one's, nothing is decided on a state that is not the fold of
//! the events before it, and time never runs backwards. The clerk takes from the log only the times of the records, and,
//! for a key so old that some clock may have let it be forgotten, whether it was.

use super::{storage::Storage, world::Met, writers::WINDOW};
use bytes::Bytes;
use log::{Record, Source};
use schemas::{
    Decider, Message, Recorded, Refusal, RefusalKind,
    envelope::{CommandResult, Envelope},
    work::{JobCommand, JobEvent},
};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};
use uuid::Uuid;
use work::{Job, JobState};

/// An answer, with the seq that its envelope says.
#[derive(Debug, Clone, PartialEq)]
struct Answer {
    seq: i64,
    result: CommandResult,
}

/// What an idempotency key was answered.
struct Known {
    hash: Option<Vec<u8>>,
    answer: Answer,
    recorded_at: i64,
}

/// What follows from a command.
struct Verdict {
    what: &'static str,
    answer: Answer,
    events: Vec<JobEvent>,
    is_remembered: bool,
}

#[derive(Default)]
struct Clerk {
    jobs: BTreeMap<Bytes, (i64, JobState)>,
    keys: HashMap<(Uuid, Bytes), Known>,
    position: i64,
}

/// Checks a partition. No clock ever showed more than `latest`.
pub(crate) fn check(storage: &Storage, partition: u32, partitions: u32, latest: i64, met: &mut Met) {
    let all = |topic: &str| storage.all(&Source { topic: topic.into(), partition });
    let (mut results, mut events) = (all("work.results").iter(), all("work.events").iter());
    let (mut clerk, mut time) = (Clerk::default(), 0);
    for command in all("work.commands") {
        let place = format!("the command at offset {} of partition {partition}", command.offset);
        let Ok(envelope) = Envelope::decode(&command.envelope) else {
            met.note("unreadable");
            continue;
        };
        let result = results.next().unwrap_or_else(|| panic!("{place} has no answer"));
        let (caused, answer) = read_result(result);
        assert_eq!((caused.command_id, caused.causation_id), (envelope.command_id, envelope.id), "the answer to {place}");
        assert_eq!((&result.key, caused.position), (&command.key, 0), "the answer to {place}");
        assert!(caused.recorded_at >= time, "time runs backwards at {place}");
        assert!(caused.recorded_at >= envelope.recorded_at, "{place} was decided before it was sent");
        time = caused.recorded_at;
        let envelope = Arc::new(Envelope { recorded_at: time, ..envelope });
        let scope = (envelope.command_id, command.key.clone());
        let is_right = command.key == envelope.key() && schemas::partition(&command.key, partitions) == partition;
        let known = clerk.keys.get(&scope).filter(|_| is_right && envelope.idempotent);
        let repeated = known.map(|known| clerk.repeat(known, &command.key, &envelope));
        // Some clock may have let it be forgotten; then the log says whether it was.
        let may_be_new = known.is_some_and(|known| latest - known.recorded_at > i64::try_from(WINDOW.as_micros()).unwrap());
        let verdict = match repeated {
            Some(repeated) if is_same(&repeated.answer, &answer) => repeated,
            Some(repeated) if !may_be_new => repeated,
            _ => clerk.decide(&command.key, &envelope, &command.payload, is_right),
        };
        met.note(verdict.what);
        assert!(is_same(&verdict.answer, &answer), "{place} must be answered {:?}, not {answer:?}", verdict.answer);
        for event in &verdict.events {
            let record = events.next().unwrap_or_else(|| panic!("an event of {place} is missing"));
            clerk.event(record, event, &envelope, &place);
        }
        if verdict.is_remembered && envelope.idempotent {
            clerk.keys.insert(scope, Known { hash: envelope.body_hash.clone(), answer, recorded_at: time });
        }
    }
    assert_eq!((results.count(), events.count()), (0, 0), "answers and events of no command in partition {partition}");
}

fn read_result(record: &Record) -> (Envelope, Answer) {
    let envelope = Envelope::decode(&record.envelope).expect("an envelope");
    let result = CommandResult::decode(&envelope.r#type, &record.payload).expect("a result");
    let seq = envelope.seq;
    (envelope, Answer { seq, result })
}

/// Whether an answer is the one that there must be; without a detail, any will do.
fn is_same(must: &Answer, is: &Answer) -> bool {
    let detail = must.result.detail.clone().or_else(|| is.result.detail.clone());
    Answer { seq: must.seq, result: CommandResult { detail, ..must.result.clone() } } == *is
}

impl Clerk {
    fn seq(&self, key: &Bytes) -> i64 {
        self.jobs.get(key).map_or(0, |(seq, _)| *seq)
    }

    fn refusal(&self, what: &'static str, seq: i64, status: i32, code: &str, detail: Option<String>) -> Verdict {
        let (code, events) = (Some(code.to_owned()), Vec::new());
        let result = CommandResult { status, events, position: self.position, code, detail };
        Verdict { what, answer: Answer { seq, result }, events: Vec::new(), is_remembered: what != "undecodable" }
    }

    fn repeat(&self, known: &Known, key: &Bytes, envelope: &Envelope) -> Verdict {
        let verdict = if known.hash == envelope.body_hash {
            Verdict { what: "repeated", answer: known.answer.clone(), events: Vec::new(), is_remembered: false }
        } else {
            self.refusal("key reused", self.seq(key), 422, "idempotency_key_reused", None)
        };
        Verdict { is_remembered: false, ..verdict }
    }

    fn decide(&self, key: &Bytes, envelope: &Arc<Envelope>, payload: &[u8], is_right: bool) -> Verdict {
        if !is_right {
            return self.refusal("undecodable", 0, 400, "undecodable", None);
        }
        let (seq, state) = self.jobs.get(key).cloned().unwrap_or_default();
        let Ok(message) = JobCommand::decode(&envelope.r#type, payload) else {
            return self.refusal("undecodable", seq, 400, "undecodable", None);
        };
        let is_expected = match envelope.expected_seq {
            -2 => true,
            -1 => seq > 0,
            exact => seq == exact,
        };
        if !is_expected {
            return self.refusal("mismatched", seq, 412, "seq_mismatch", None);
        }
        match Job::decide(&Recorded { envelope: envelope.clone(), message }, &state) {
            Err(refusal) => {
                let status = match refusal.kind() {
                    RefusalKind::Absent => 404,
                    RefusalKind::Conflict => 409,
                    RefusalKind::Forbidden => 403,
                };
                self.refusal("refused", seq, status, refusal.code(), Some(refusal.to_string()))
            }
            Ok(events) => {
                let after = seq + events.len() as i64;
                let status = if seq == 0 && after > 0 { 201 } else { 200 };
                let position = self.position + events.len() as i64;
                let names = events.iter().map(|event| event.name().to_owned()).collect();
                let result = CommandResult { status, events: names, position, code: None, detail: None };
                Verdict { what: "accepted", answer: Answer { seq: after, result }, events, is_remembered: true }
            }
        }
    }

    fn event(&mut self, record: &Record, event: &JobEvent, command: &Envelope, place: &str) {
        let envelope = Envelope::decode(&record.envelope).expect("an envelope");
        let is = JobEvent::decode(&envelope.r#type, &record.payload).expect("an event");
        assert_eq!(&is, event, "an event of {place}");
        let job = self.jobs.entry(record.key.clone()).or_default();
        job.0 += 1;
        self.position += 1;
        Job::evolve(&mut job.1, event);
        assert_eq!((envelope.seq, envelope.position), (job.0, self.position), "seq and position of an event of {place}");
        assert_eq!((&envelope.key(), envelope.command_id), (&command.key(), command.command_id), "an event of {place}");
        assert_eq!(envelope.recorded_at, command.recorded_at, "the time of an event of {place}");
        assert_eq!(record.key, envelope.key());
    }
}
