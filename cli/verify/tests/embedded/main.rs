//! Planted errors on the embedded log and the SQLite store, one after the other.

#![allow(clippy::unwrap_used, clippy::expect_used, dead_code, reason = "tests; not every test uses every part of the world")]

#[path = "../plants/cases.rs"]
mod cases;
#[path = "../plants/commands.rs"]
mod commands;
mod files;
#[path = "../plants/plants.rs"]
mod plants;
mod torn;
#[path = "../plants/world.rs"]
mod world;

use cases::{all_rows, assert_clean, assert_clean_beside_a_running_system, assert_found};
use files::Files;
use std::sync::Arc;
use swarmlog_verify::{Options, ReadModelReport};
use torn::Torn;

/// A test that plants one error and finds it.
macro_rules! found {
    ($($name:ident: $plant:ident,)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let files = Files::filled().await;
                let planted = plants::$plant(&files.world).await;
                assert_found(&files.world.verify().await, &planted);
            }
        )*
    };
}

found! {
    a_position_gap_is_found: position_gap,
    events_in_the_wrong_order_are_found: position_disorder,
    a_record_of_a_newer_program_is_found: newer_schema,
    an_event_that_stands_twice_is_found: event_twice,
    an_event_of_a_command_without_an_answer_is_found: event_of_nothing,
    a_break_of_seq_is_found: seq_break,
    an_event_older_than_the_one_before_is_found: older_event,
    a_key_that_is_not_the_envelopes_is_found: foreign_key,
    an_event_in_a_foreign_partition_is_found: foreign_partition,
    a_payload_that_cannot_be_read_is_found: broken_payload,
    an_envelope_that_cannot_be_read_is_found: broken_envelope,
    a_command_that_was_decided_twice_is_found: decided_twice,
    a_command_without_its_result_is_found: missing_result,
    a_result_without_a_command_is_found: result_of_nothing,
    a_result_too_many_is_found: result_twice,
    a_repeat_with_another_answer_is_found: another_answer,
    a_wrong_row_is_found: wrong_row,
    a_missing_row_is_found: missing_row,
    a_row_too_many_is_found: extra_row,
    a_position_ahead_of_its_rows_is_found: position_ahead_of_rows,
    a_position_beyond_the_log_is_found: position_beyond_log,
    a_parked_record_that_the_log_does_not_have_is_found: parked_without_record,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_writer_and_projector_made_is_clean() {
    assert_clean(&Files::filled().await.world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_merely_new_is_not_wrong() {
    assert_clean_beside_a_running_system(&Files::filled().await.world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_are_compared_the_same_through_temporary_files() {
    let files = Files::filled().await;
    let planted = all_rows(&files.world).await;
    let report = files.world.verify_with(&Options { memory: 1, ..Options::default() }).await;
    assert_found(&report, &planted);
    let model = |name| report.read_models.iter().find(|model| model.name == name).unwrap();
    let counts = ["jobs", "history", "commands"].map(|name| (model(name).missing, model(name).extra, model(name).different));
    assert_eq!(counts, [(0, 0, 1), (1, 0, 0), (0, 1, 0)]);
    let wrong = report.findings.iter().find(|finding| finding.code.name() == "row_differs").unwrap();
    let [difference] = wrong.columns.as_slice() else { panic!("{wrong:?}") };
    assert_eq!((difference.column.as_str(), difference.expected.as_str(), difference.stored.as_str()), ("queue", "gpu", "cpu"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_differences_are_listed_and_the_others_counted() {
    let files = Files::filled().await;
    let (generation, rows) = files.world.rows("jobs", 30).await;
    let key = projections::find("jobs").unwrap().table().key;
    let deletes = rows.iter().map(|row| row[..=key].to_vec()).collect();
    files.world.store.write(stores::Write { generation, deletes, ..Default::default() }).await.unwrap();
    let report = files.world.verify().await;
    assert_eq!((report.errors, report.findings.len(), report.unlisted.len()), (30, 20, 1));
    assert_eq!((report.unlisted[0].more, report.unlisted[0].code.name()), (10, "row_missing"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_position_behind_its_rows_is_found() {
    let files = Files::filled().await;
    let planted = vec![("row_extra", "read model history".to_owned())];
    let files = files
        .tampered(
            "UPDATE positions SET position = position - 1, next_offset = next_offset - 1 WHERE generation = \
             (SELECT id FROM generations WHERE name = 'history' AND state = 'live') AND partition = 1",
        )
        .await;
    assert_found(&files.world.verify().await, &planted);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_projector_sets_aside_is_listed_and_the_other_rows_are_compared() {
    let files = Files::filled().await;
    plants::broken_payload(&files.world).await;
    plants::broken_envelope(&files.world).await;
    let running = files.world.project();
    files.world.settle().await;
    running.stop().await;
    for memory in [1 << 30, 1] {
        let report = files.world.verify_with(&Options { memory, ..Options::default() }).await;
        assert_eq!(
            world::codes(&report),
            ["envelope_unreadable", "event_without_result", "parked", "payload_unreadable"],
            "{:#?}",
            report.findings
        );
        let parked: Vec<u64> = report.read_models.iter().map(|model| model.parked).collect();
        assert_eq!(parked, [2, 2, 1, 0], "jobs and job_queue read the payload, history only the envelope");
        let sound = |model: &ReadModelReport| model.compared && model.errors == 0 && model.behind == 0;
        assert!(report.read_models.iter().all(sound), "{:#?}", report.read_models);
    }
    // As if it had never been set aside.
    let files = files.tampered("DELETE FROM parked").await;
    let report = files.world.verify().await;
    assert_eq!(
        world::codes(&report),
        ["envelope_unreadable", "event_without_result", "parked_missing", "payload_unreadable"],
        "{:#?}",
        report.findings
    );
    // As if its bytes had been changed.
    let report = files.tampered("DELETE FROM parked").await.world.verify().await;
    assert_eq!(report.errors, 3 + 2, "nobody can tell whether the last record was an event");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_cannot_be_read_to_its_end_is_told_and_what_is_fed_by_it_is_not_judged() {
    let files = Files::filled().await;
    let source = files.world.sources("work.events")[1].clone();
    let planted = [("log_unreadable", source.to_string()), ("not_compared", "read model history".into())];
    let log = Arc::new(Torn { log: files.world.log.clone(), source, at: 7 });
    let report = world::World { log, store: files.world.store.clone() }.verify().await;
    assert_found(&report, &planted);
    let compared: Vec<_> = report.read_models.iter().map(|model| model.compared).collect();
    assert_eq!(compared, [false, false, false, true], "{:#?}", report.findings);
}
