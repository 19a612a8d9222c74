//! Laws that hold for every read model of the registry, over generated lives of several jobs that overlap.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use proptest::prelude::*;
use schemas::{
    AnyProjection, Entry, Grain,
    envelope::CommandResult,
    row::Value,
    spec::{History, Refolded, fold_all},
    work::{
        CancelJob, CheckpointRecorded, FailureClass, JobCancelled, JobCompleted, JobEvent, JobFailed, JobLeased, JobProgressed,
        JobRetried, JobSubmitted, LeaseLost, LeaseRenewed, LossReason, Priority,
    },
};
use std::collections::{BTreeMap, HashMap, HashSet};
use swarmlog_projections as projections;

/// What happens next to which job, as a number that each job reads in its own way.
type Step = (usize, u8);

#[derive(Debug, Clone, Copy, PartialEq, Default)]
enum Life {
    #[default]
    Absent,
    Queued,
    Held,
    Failed,
    Over,
}

/// The job's next event and where it then stands; nothing where nothing can follow.
fn next(life: Life, choice: u8, id: &str, fence: i64) -> Option<(JobEvent, Life)> {
    let job_id = id.to_owned();
    let step = i64::from(choice);
    Some(match (life, choice % 8) {
        (Life::Absent, _) => {
            let priority = [Priority::Normal, Priority::Urgent, Priority::Critical][usize::from(choice % 3)];
            let (queue, config) = (format!("q{}", choice % 2), format!(r#"{{"n":{choice}}}"#));
            let submitted = JobSubmitted { job_id, queue, kind: "train".into(), priority, config, max_attempts: 9 };
            (submitted.into(), Life::Queued)
        }
        (Life::Queued | Life::Held, 0) => (JobCancelled { job_id, reason: None }.into(), Life::Over),
        (Life::Queued, _) => {
            let leased = JobLeased { job_id, worker: "w".into(), fence: fence + 1, attempt: fence as i32 + 1, until: 10 * step };
            (leased.into(), Life::Held)
        }
        (Life::Held, 1) => (JobCompleted { job_id, fence, result: "{}".into(), result_uri: None }.into(), Life::Over),
        (Life::Held, 2) => {
            (JobFailed { job_id, fence, class: FailureClass::Transient, message: "oom".into() }.into(), Life::Failed)
        }
        (Life::Held, 3) => (LeaseLost { job_id, fence, worker: "w".into(), reason: LossReason::Expired }.into(), Life::Queued),
        (Life::Held, 4) => (LeaseRenewed { job_id, fence, until: 20 * step }.into(), Life::Held),
        (Life::Held, 5) => {
            let (uri, sha256) = (format!("blob:{choice}"), "ab".to_owned());
            (CheckpointRecorded { job_id, fence, step, uri, sha256, size_bytes: 1 }.into(), Life::Held)
        }
        (Life::Held, _) => (JobProgressed { job_id, fence, step, total_steps: None, message: None }.into(), Life::Held),
        (Life::Failed, _) => (JobRetried { job_id, attempt: fence as i32, reason: None }.into(), Life::Queued),
        (Life::Over, _) => return None,
    })
}

/// A log: a command, an event and an answer for every step that can follow; a refusal for every other.
fn log(steps: &[Step]) -> Vec<Entry> {
    let mut lives: BTreeMap<usize, (Life, i64)> = BTreeMap::new();
    let mut history = History::new();
    for (time, (job, choice)) in steps.iter().enumerate() {
        let id = format!("job-{job}");
        let (life, fence) = lives.entry(*job).or_default();
        let tenant = if job % 2 == 0 { "default" } else { "other" };
        history = history.tenant(tenant).partition((job % 3) as u32).at(1_000 + time as i64);
        history = history.command(CancelJob { job_id: id.clone(), reason: None });
        let (status, events) = match next(*life, *choice, &id, *fence) {
            Some((event, after)) => {
                *fence += i64::from(matches!(event, JobEvent::JobLeased(_)));
                *life = after;
                history = history.event(event);
                (200, vec!["work.Something".to_owned()])
            }
            None => (409, vec![]),
        };
        history = history.result(CommandResult { status, events, position: time as i64, code: None, detail: None });
    }
    history.entries().to_vec()
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec((0..6_usize, any::<u8>()), 1..80)
}

/// Folds batches of the given sizes, over and over; asserts what holds for every batch.
fn fold_in(projection: &dyn AnyProjection, entries: &[Entry], sizes: &[usize]) -> BTreeMap<String, Vec<Value>> {
    let table = projection.table();
    let key = |row: &[Value]| format!("{:?}", &row[..=table.key]);
    let mut rows: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    let mut sizes = sizes.iter().copied().cycle();
    let mut left = entries;
    while !left.is_empty() {
        let (batch, rest) = left.split_at(sizes.next().unwrap_or(1).clamp(1, left.len()));
        left = rest;
        let slice = projection.open(batch, &HashSet::new());
        let loaded = slice.keys().iter().map(|k| rows.get(&key(k)).cloned()).collect();
        let folded = slice.fold(loaded);
        assert_eq!(folded.applied + folded.ignored + folded.parked.len(), batch.len(), "an outcome for every record");
        let mut touched = HashSet::new();
        for row in &folded.upserts {
            assert_eq!(row.len(), 1 + table.columns.len());
            assert!(touched.insert(key(row)), "{} writes {} twice", projection.name(), key(row));
        }
        for row in &folded.deletes {
            assert_eq!(row.len(), 1 + table.key);
            assert!(touched.insert(key(row)), "{} writes and deletes {}", projection.name(), key(row));
        }
        rows.extend(folded.upserts.into_iter().map(|row| (key(&row), row)));
        for row in folded.deletes {
            rows.remove(&key(&row));
        }
    }
    rows
}

fn read(projection: &dyn AnyProjection, entries: &[Entry]) -> Vec<Entry> {
    let topics: Vec<String> = projection.streams().iter().map(|stream| stream.topic("work")).collect();
    entries.iter().filter(|entry| topics.contains(&entry.topic.to_string())).cloned().collect()
}

/// Another order of the same log in which every partition of every topic keeps its own.
fn interleave(entries: &[Entry], choices: &[usize]) -> Vec<Entry> {
    let mut sources: BTreeMap<(String, u32), std::collections::VecDeque<Entry>> = BTreeMap::new();
    for entry in entries {
        sources.entry((entry.topic.to_string(), entry.partition)).or_default().push_back(entry.clone());
    }
    let mut queues: Vec<_> = sources.into_values().collect();
    let mut choices = choices.iter().copied().cycle();
    let mut order = Vec::new();
    while !queues.is_empty() {
        let place = choices.next().unwrap_or(0) % queues.len();
        order.extend(queues[place].pop_front());
        queues.retain(|queue| !queue.is_empty());
    }
    order
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn however_a_log_is_cut_into_batches_the_rows_are_the_same(
        steps in steps(),
        sizes in prop::collection::vec(1..20_usize, 1..8),
    ) {
        let log = log(&steps);
        for projection in projections::all() {
            let entries = read(*projection, &log);
            let whole = fold_in(*projection, &entries, &[entries.len().max(1)]);
            prop_assert_eq!(fold_in(*projection, &entries, &sizes), whole.clone(), "{}", projection.name());
            prop_assert_eq!(fold_in(*projection, &entries, &[1]), whole, "{}", projection.name());
        }
    }

    #[test]
    fn however_the_partitions_and_topics_interleave_the_rows_are_the_same(
        steps in steps(),
        choices in prop::collection::vec(0..12_usize, 1..40),
    ) {
        let log = log(&steps);
        for projection in projections::all() {
            let entries = read(*projection, &log);
            let other = interleave(&entries, &choices);
            prop_assert_eq!(fold_in(*projection, &other, &[7]), fold_in(*projection, &entries, &[7]), "{}", projection.name());
        }
    }

    /// Drops events of a valid log, so that some of the others cannot follow.
    #[test]
    fn what_is_set_aside_leaves_no_trace_in_any_row(steps in steps(), drops in prop::collection::vec(any::<bool>(), 8..9)) {
        let log = log(&steps);
        for projection in projections::all() {
            let holed: Vec<Entry> = read(*projection, &log)
                .into_iter()
                .enumerate()
                .filter_map(|(place, entry)| (!drops[place % drops.len()]).then_some(entry))
                .collect();
            let Refolded { rows, parked } = fold_all(*projection, &holed, 9);
            let gone: HashSet<usize> = parked.iter().map(|record| record.index).collect();
            let kept: Vec<Entry> =
                holed.iter().enumerate().filter_map(|(place, entry)| (!gone.contains(&place)).then_some(entry.clone())).collect();
            let again = fold_all(*projection, &kept, 9);
            prop_assert_eq!(again.parked, vec![], "{}", projection.name());
            prop_assert_eq!(again.rows, rows, "{}", projection.name());
        }
    }
}

#[test]
fn a_log_of_valid_lives_is_taken_in_by_every_read_model() {
    let steps: Vec<Step> = (0..600).map(|n| (n % 60, (n * 37 % 251) as u8)).collect();
    let log = log(&steps);
    let lives: HashMap<&str, usize> = log.iter().fold(HashMap::new(), |mut counts, entry| {
        *counts.entry(entry.envelope.r#type.as_str()).or_default() += 1;
        counts
    });
    assert!(lives.contains_key("work.JobRetried") && lives.contains_key("work.JobCompleted"), "{lives:?}");
    for projection in projections::all() {
        let refolded = fold_all(*projection, &log, 50);
        assert_eq!(refolded.parked, [], "{}", projection.name());
        assert!(!refolded.rows.is_empty(), "{}", projection.name());
    }
}

#[test]
fn tables_have_names_of_their_own_and_are_found_by_them() {
    let names: HashSet<&str> = projections::all().iter().map(|projection| projection.name()).collect();
    assert_eq!(names.len(), projections::all().len());
    for projection in projections::all() {
        assert_eq!(projection.table().name, projection.name());
        assert_eq!(projections::find(projection.name()).map(|found| found.name()), Some(projection.name()));
        assert!(projection.version() > 0 && !projection.streams().is_empty(), "{}", projection.name());
        assert!(!(projection.is_facts() && projection.grain() == Grain::Shared), "{}", projection.name());
    }
    assert!(projections::find("absent").is_none());
}

#[test]
fn every_column_is_documented_where_it_is_declared() {
    for projection in projections::all() {
        let file = format!("{}/src/{}/mod.rs", env!("CARGO_MANIFEST_DIR"), projection.name());
        let source = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{file}: {error}"));
        let lines: Vec<&str> = source.lines().map(str::trim).collect();
        let row = lines.iter().position(|line| line.starts_with("#[row(table = ")).expect("a row type");
        for column in projection.table().columns {
            let field = lines[row..]
                .iter()
                .position(|line| {
                    line.starts_with(&format!("pub {}: ", column.name)) || line.starts_with(&format!("pub r#{}: ", column.name))
                })
                .unwrap_or_else(|| panic!("{file}: no field {}", column.name));
            let documented = lines[..row + field].iter().rev().find(|line| !line.starts_with("#["));
            assert!(documented.is_some_and(|line| line.starts_with("/// ")), "{file}: {} has no words", column.name);
        }
    }
}
