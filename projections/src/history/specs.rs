#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use super::*;
use schemas::{
    spec::{self, ProjectionSpec},
    work::{CancelJob, JobCancelled},
};

fn cancelled(job_id: &str) -> JobCancelled {
    JobCancelled { job_id: job_id.to_owned(), reason: Some("enough".into()) }
}

fn history() -> spec::History {
    spec::History::new().by("ada").partition(3).at(700).command(CancelJob { job_id: "a".into(), reason: None })
}

#[test]
fn an_event_is_kept_with_its_bytes_and_all_that_its_envelope_says() {
    let given = history().event(cancelled("a")).with(|envelope| envelope.occurred_at = Some(650));
    let entry = given.entries().last().unwrap().clone();
    let rows = ProjectionSpec::<History>::given_facts(given).fact_rows();
    let [row] = &rows[..] else { panic!("{rows:?}") };
    assert_eq!((row.aggregate_type.as_str(), row.aggregate_id.as_str(), row.seq, row.position), ("job", "a", 1, 1));
    assert_eq!((row.topic.as_str(), row.partition, row.r#type.as_str()), ("work.events", 3, "work.JobCancelled"));
    assert_eq!((row.occurred_at, row.recorded_at, row.actor.as_str()), (Some(Time(650)), Time(700), "ada"));
    assert_eq!(row.payload, entry.payload.to_vec());
    assert_eq!(row.event_id, entry.envelope.id.to_string());
    assert_eq!(row.causation_id, entry.envelope.causation_id.to_string());
    assert_ne!(row.causation_id, row.event_id);
    assert_eq!(row.schema_id, i64::from(entry.envelope.schema_id));
}

#[test]
fn events_of_types_that_this_program_does_not_know_are_kept_too() {
    let given = history().event(cancelled("a")).with(|envelope| {
        envelope.r#type = "cells.CellDivided".into();
        envelope.schema_id = 9_999;
    });
    let spec = ProjectionSpec::<History>::given_facts(given);
    assert_eq!(spec.parked(), []);
    assert_eq!(spec.fact_rows().iter().map(|row| row.r#type.as_str()).collect::<Vec<_>>(), ["cells.CellDivided"]);
}

#[test]
fn an_event_whose_place_is_not_known_makes_no_row() {
    let given = history().event(cancelled("a"));
    let envelope = given.entries().last().unwrap().envelope.clone();
    let message = <AnyEvent as Subset>::decode("work.JobCancelled", b"bytes").unwrap();
    let mut rows = Vec::new();
    assert!(History::rows(&Recorded { envelope, message }, &mut rows).is_err());
    assert_eq!(rows, []);
}
