//! The specification harness, on a small decider and a small read model of its own.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

extern crate swarmlog_schemas as schemas;

use schemas::{
    Decider, Grain, Projection, ProjectionOf, Recorded, Refusal, RefusalKind, Row, Unfit,
    envelope::CommandResult,
    spec::{DeciderSpec, History, ProjectionSpec, assert_any_split, fold_all},
    work::{CancelJob, JobCancelled, JobCommand, JobEvent, JobSubmitted, Priority},
};
use serde::{Deserialize, Serialize};
use std::fmt;

const JOB: &str = "0192f0c1-2345-7abc-8def-0123456789ab";

fn submitted(job: &str) -> JobSubmitted {
    let (queue, kind, config) = ("gpu".to_owned(), "train".to_owned(), "{}".to_owned());
    JobSubmitted { job_id: job.into(), queue, kind, priority: Priority::Normal, config, max_attempts: 3 }
}

fn cancelled(job: &str, reason: &str) -> JobCancelled {
    JobCancelled { job_id: job.into(), reason: Some(reason.into()) }
}

struct Cancellation;

#[derive(Default, Clone, Debug, Serialize, Deserialize)]
struct State {
    exists: bool,
    cancelled: bool,
}

#[derive(Debug, PartialEq)]
struct Absent;

impl fmt::Display for Absent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("there is no such job")
    }
}

impl Refusal for Absent {
    fn kind(&self) -> RefusalKind {
        RefusalKind::Absent
    }
    fn code(&self) -> &'static str {
        "no_such_job"
    }
}

impl Decider for Cancellation {
    const NAME: &'static str = "job";
    const SOURCE: &'static [&'static str] = &[include_str!("spec.rs")];
    type Command = JobCommand;
    type Event = JobEvent;
    type State = State;
    type Refusal = Absent;
    fn id(command: &JobCommand) -> &str {
        command.aggregate_id()
    }
    fn evolve(state: &mut State, event: &JobEvent) {
        match event {
            JobEvent::JobSubmitted(_) => state.exists = true,
            JobEvent::JobCancelled(_) => state.cancelled = true,
            _ => {}
        }
    }
    fn decide(command: &Recorded<JobCommand>, state: &State) -> Result<Vec<JobEvent>, Absent> {
        let who = format!("{} at {}", command.envelope.actor, command.envelope.recorded_at);
        match (state.exists, state.cancelled) {
            (false, _) => Err(Absent),
            (true, false) => Ok(vec![cancelled(Self::id(&command.message), &who).into()]),
            (true, true) => Ok(Vec::new()),
        }
    }
}

#[test]
fn a_decider_is_specified_by_events_a_command_and_what_follows() {
    let cancel = || CancelJob { job_id: JOB.into(), reason: None };
    DeciderSpec::<Cancellation>::given([]).when(cancel()).then_refused(Absent);
    DeciderSpec::<Cancellation>::given([submitted(JOB).into()]).at(7).by("anna").when(cancel()).then([cancelled(
        JOB,
        "anna at 7",
    )
    .into()]);
    DeciderSpec::<Cancellation>::given([submitted(JOB).into(), cancelled(JOB, "x").into()]).when(cancel()).then_nothing();
}

#[test]
#[should_panic(expected = "assertion `left == right` failed")]
fn a_specification_that_does_not_hold_panics() {
    DeciderSpec::<Cancellation>::given([]).when(CancelJob { job_id: JOB.into(), reason: None }).then_nothing();
}

struct Open;

#[derive(Debug, Clone, PartialEq, Row)]
#[row(table = "open")]
struct OpenRow {
    #[row(key)]
    job_id: String,
    events: i64,
}

impl Projection for Open {
    const NAME: &'static str = "open";
    const VERSION: u32 = 1;
    const GRAIN: Grain = Grain::Aggregate;
    type Event = JobEvent;
    type Row = OpenRow;
    fn keys(event: &Recorded<JobEvent>, out: &mut Vec<String>) {
        out.push(event.message.aggregate_id().to_owned());
    }
    fn fold(key: &String, row: &mut Option<OpenRow>, event: &Recorded<JobEvent>) -> Result<(), Unfit> {
        match &event.message {
            JobEvent::JobSubmitted(job) if job.queue == "broken" => return Err(Unfit("broken".into())),
            JobEvent::JobCancelled(_) => *row = None,
            _ => row.get_or_insert_with(|| OpenRow { job_id: key.clone(), events: 0 }).events += 1,
        }
        Ok(())
    }
}

#[test]
fn a_projection_is_specified_by_a_history_and_its_rows() {
    let history = History::new()
        .event(submitted("a"))
        .event(submitted("b"))
        .event(submitted("b"))
        .event(cancelled("a", "no"))
        .tenant("other")
        .event(submitted("a"));
    let spec = ProjectionSpec::<Open>::given(history);
    assert_eq!(spec.row("a".into()), None);
    assert_eq!(spec.rows(), [OpenRow { job_id: "b".into(), events: 2 }]);
    assert_eq!(spec.of_tenant("other").row("a".into()), Some(OpenRow { job_id: "a".into(), events: 1 }));
}

#[test]
fn a_parked_record_takes_every_later_one_of_its_aggregate_along_however_the_log_is_cut() {
    let broken = JobSubmitted { queue: "broken".into(), ..submitted("a") };
    let history = History::new().event(submitted("a")).event(broken).event(submitted("b")).event(submitted("a"));
    let refolded = assert_any_split(&ProjectionOf::<Open>::new(), history.entries());
    assert_eq!(refolded.parked.iter().map(|p| p.index).collect::<Vec<_>>(), [1, 3]);
    assert_eq!(refolded.rows.len(), 2);
}

#[test]
fn a_history_numbers_records_as_a_gateway_and_a_writer_do() {
    let history = History::new()
        .command(CancelJob { job_id: "a".into(), reason: None })
        .event(cancelled("a", "x"))
        .result(CommandResult { status: 200, events: vec![], position: 1, code: None, detail: None })
        .partition(1)
        .event(submitted("b"))
        .with(|envelope| envelope.traceparent = Some("00-1".into()));
    let of = |n: usize| &history.entries()[n];
    assert_eq!((&*of(0).topic, of(0).envelope.seq, of(0).envelope.position), ("work.commands", 0, 0));
    assert_eq!((&*of(1).topic, of(1).envelope.seq, of(1).envelope.position), ("work.events", 1, 1));
    assert_eq!((&*of(2).topic, of(2).envelope.seq, of(2).envelope.position), ("work.results", 1, 0));
    assert_eq!((of(1).envelope.command_id, of(1).envelope.causation_id), (of(0).envelope.id, of(0).envelope.id));
    assert_eq!(of(2).envelope.command_id, of(0).envelope.id);
    assert_eq!((of(3).partition, of(3).position, of(3).envelope.traceparent.as_deref()), (1, 1, Some("00-1")));
    assert_eq!(schemas::envelope::Envelope::decode(&of(3).envelope_bytes).unwrap(), *of(3).envelope);
    let of_events_only = fold_all(&ProjectionOf::<Open>::new(), history.entries(), 10);
    assert_eq!(of_events_only.rows.len(), 1, "commands and results are not read");
}
