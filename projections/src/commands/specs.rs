#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use super::*;
use schemas::{
    ProjectionOf,
    spec::{History, ProjectionSpec, fold_all},
    work::CancelJob,
};

fn cancel() -> CancelJob {
    CancelJob { job_id: "a".into(), reason: None }
}

fn done() -> CommandResult {
    CommandResult { status: 200, events: vec!["work.JobCancelled".into()], position: 9, code: None, detail: None }
}

fn refused(status: i32) -> CommandResult {
    let (code, detail) = (Some("job_ended".to_owned()), Some("the job is completed".to_owned()));
    CommandResult { status, events: vec![], position: 9, code, detail }
}

fn accepted() -> History {
    History::new().by("ada").partition(2).at(100).command(cancel())
}

fn only(history: History) -> Command {
    let spec = ProjectionSpec::<Commands>::given(history);
    assert_eq!(spec.parked(), []);
    let rows = spec.rows();
    assert_eq!(rows.len(), 1, "{rows:?}");
    rows.into_iter().next().unwrap()
}

/// The same command once more, as a client sends it that got no answer.
fn again(history: History, at: i64) -> History {
    let first = history.entries()[0].envelope.clone();
    history.at(at).command(cancel()).with(|envelope| envelope.command_id = first.command_id)
}

fn answer(history: History, result: CommandResult) -> History {
    let first = history.entries()[0].envelope.clone();
    history.result(result).with(|envelope| envelope.command_id = first.command_id)
}

#[test]
fn an_accepted_command_waits_for_its_answer() {
    let row = only(accepted());
    assert_eq!((row.state, row.status, row.r#type.as_str()), (State::Accepted, 0, "work.CancelJob"));
    assert_eq!((row.aggregate_type.as_str(), row.aggregate_id.as_str(), row.actor.as_str()), ("job", "a", "ada"));
    assert_eq!((row.accepted_at, row.finished_at, row.partition), (Time(100), None, 2));
}

#[test]
fn an_answer_says_what_became_of_it() {
    let row = only(accepted().at(200).result(done()));
    assert_eq!((row.state, row.status, row.position, row.seq), (State::Done, 200, Some(9), Some(0)));
    assert_eq!(row.events, Some(Json(r#"["work.JobCancelled"]"#.into())));
    assert_eq!((row.accepted_at, row.finished_at), (Time(100), Some(Time(200))));
    let row = only(accepted().result(refused(409)));
    assert_eq!((row.state, row.status, row.events, row.code.as_deref()), (State::Refused, 409, None, Some("job_ended")));
}

#[test]
fn the_answer_may_come_before_the_command() {
    let history = accepted().at(200).result(done());
    let mut backwards = history.entries().to_vec();
    backwards.reverse();
    let commands = ProjectionOf::<Commands>::new();
    let first = fold_all(&commands, &backwards[..1], 1);
    let row = Command::from_values(first.rows.into_values().next().unwrap().split_off(1)).unwrap();
    assert_eq!((row.state, row.r#type.as_str(), row.accepted_at), (State::Done, "", Time(200)));
    for chunk in [1, 2] {
        assert_eq!(fold_all(&commands, &backwards, chunk), fold_all(&commands, history.entries(), 2));
    }
}

#[test]
fn the_first_answer_stays_but_a_refusal_gives_way_to_a_success() {
    let first = accepted().result(done());
    let reused = answer(again(first.clone(), 500), refused(422));
    assert_eq!(only(reused), only(first));
    let refused_first = answer(again(accepted().result(refused(409)), 500), done());
    let row = only(refused_first);
    assert_eq!((row.state, row.code, row.accepted_at, row.finished_at), (State::Done, None, Time(100), Some(Time(500))));
    let refused_twice = answer(again(accepted().result(refused(409)), 500), refused(403));
    assert_eq!(only(refused_twice).status, 409);
}

#[test]
fn what_could_not_be_read_is_told_from_a_refusal_and_gives_way_to_an_answer() {
    let unread = || CommandResult { code: Some("undecodable".to_owned()), ..refused(400) };
    let first = accepted().result(unread());
    let row = only(first.clone());
    assert_eq!((row.state, row.status, row.code.as_deref()), (State::Undecodable, 400, Some("undecodable")));
    assert_eq!(only(answer(again(first.clone(), 500), refused(409))).state, State::Refused);
    assert_eq!(only(answer(again(first, 500), done())).state, State::Done);
    let answered = accepted().result(refused(409));
    assert_eq!(only(answer(again(answered.clone(), 500), unread())), only(answered));
}
