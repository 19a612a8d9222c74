//! Reads a whole log back and checks what the writer promises.

use log::{Log, Record, Source};
use schemas::{
    Decider, Message,
    envelope::{CommandResult, Envelope},
    work::JobEvent,
};
use std::collections::{BTreeMap, HashMap};
use uuid::Uuid;
use work::{Job, JobState};

/// What a log holds.
#[derive(Debug, Default)]
pub struct Checked {
    /// Answers by command, in order.
    pub results: HashMap<Uuid, Vec<(Envelope, CommandResult)>>,
    /// Events by command, in order.
    pub events: HashMap<Uuid, Vec<Envelope>>,
    /// A fresh fold of all events.
    pub jobs: BTreeMap<String, (i64, JobState)>,
    /// Answers without the unreadable commands.
    pub answers: usize,
}

impl Checked {
    /// The only answer to a command.
    #[track_caller]
    pub fn answer(&self, command: u128) -> &(Envelope, CommandResult) {
        let answers = self.results.get(&Uuid::from_u128(command)).map(Vec::as_slice).unwrap_or_default();
        assert_eq!(answers.len(), 1, "command {command} has {} answers", answers.len());
        &answers[0]
    }

    pub fn statuses(&self, commands: impl IntoIterator<Item = u128>) -> Vec<i32> {
        commands.into_iter().map(|command| self.answer(command).1.status).collect()
    }
}

async fn read(log: &dyn Log, topic: &str, partition: u32) -> Vec<Record> {
    let source = Source { topic: topic.into(), partition };
    let (mut all, mut from) = (Vec::new(), 0);
    loop {
        let more = log.read(&source, from, 10_000).await.expect("a log in a test can be read");
        let Some(last) = more.last() else { return all };
        from = last.offset + 1;
        all.extend(more);
    }
}

/// How many answers there are.
pub async fn count_answers(log: &dyn Log) -> usize {
    let mut count = 0;
    for partition in 0..log.partitions() {
        count += read(log, "work.results", partition).await.len();
    }
    count
}

/// Reads everything, which must not change meanwhile; panics where positions, seqs or times are not as promised.
pub async fn check(log: &dyn Log) -> Checked {
    let mut checked = Checked::default();
    for partition in 0..log.partitions() {
        let (mut position, mut time) = (0, 0);
        for record in read(log, "work.events", partition).await {
            let envelope = Envelope::decode(&record.envelope).expect("an envelope");
            position += 1;
            assert_eq!(envelope.position, position, "positions are dense");
            assert!(envelope.recorded_at >= time, "time runs backwards");
            assert!(record.time >= envelope.recorded_at);
            time = envelope.recorded_at;
            assert_eq!(record.key, envelope.key());
            assert_eq!(schemas::partition(&record.key, log.partitions()), partition);
            assert_eq!(envelope.id.get_version_num(), 7);
            let event = JobEvent::decode(&envelope.r#type, &record.payload).expect("an event");
            let job = checked.jobs.entry(envelope.key()).or_default();
            job.0 += 1;
            assert_eq!(envelope.seq, job.0, "seqs are contiguous");
            Job::evolve(&mut job.1, &event);
            checked.events.entry(envelope.command_id).or_default().push(envelope);
        }
        for record in read(log, "work.results", partition).await {
            let envelope = Envelope::decode(&record.envelope).expect("an envelope");
            assert_eq!(envelope.r#type, "envelope.CommandResult");
            assert_eq!(envelope.position, 0);
            let result = CommandResult::decode(&envelope.r#type, &record.payload).expect("a result");
            checked.answers += 1;
            checked.results.entry(envelope.command_id).or_default().push((envelope, result));
        }
    }
    for (command, answers) in &checked.results {
        let events: Vec<&str> = checked.events.get(command).into_iter().flatten().map(|e| e.r#type.as_str()).collect();
        for (_, answer) in answers.iter().filter(|(_, answer)| answer.status < 300) {
            assert_eq!(answer.events, events, "an answer names the events of its command");
        }
        if answers.iter().all(|(_, answer)| answer.status >= 300) {
            assert!(events.is_empty(), "a refused command has no events");
        }
    }
    assert!(checked.events.keys().all(|command| checked.results.contains_key(command)), "events without an answer");
    checked
}
