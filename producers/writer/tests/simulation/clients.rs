//! Clients: fresh commands, repeats with the same and another body, every form of an expected seq, and rubbish.

use super::{
    commands::{Sent, cancel, complete, job, lease, retry, sent, submit},
    storage::Storage,
};
use bytes::Bytes;
use log::{Append, Record, Source};
use rand::{Rng, rngs::SmallRng, seq::IndexedRandom};
use schemas::{
    envelope::Envelope,
    work::{FailJob, FailureClass, JobCommand, LeaseJob, RecordCheckpoint, RenewLease, ReportProgress},
};
use uuid::Uuid;

/// How many jobs there are: few, so that commands meet.
const JOBS: u128 = 4;

const RUBBISH: &[u8] = b"\x00\x00\x00\x00\x63nonsense";

/// Whether no one can say what a command was, so that nobody answers it.
pub(crate) fn is_rubbish(record: &Record) -> bool {
    record.envelope == RUBBISH
}

#[derive(Default)]
pub(crate) struct Clients {
    numbers: u128,
    /// Commands with a key, to repeat.
    keyed: Vec<Sent>,
}

fn command(id: &str, rng: &mut SmallRng) -> JobCommand {
    let job_id = id.to_owned();
    let fence = rng.random_range(1..=3);
    let duration_ms = rng.random_range(1..=60) * 1000;
    match rng.random_range(0..16) {
        0..3 => submit(id),
        3..7 => LeaseJob { duration_ms, ..into_lease(id) }.into(),
        7..9 => RenewLease { job_id, fence, duration_ms }.into(),
        9 => ReportProgress { job_id, fence, step: rng.random_range(0..9), total_steps: None, message: None }.into(),
        10..12 => {
            let (uri, sha256) = ("s3://checkpoints/1".to_owned(), "0".repeat(64));
            RecordCheckpoint { job_id, fence, step: rng.random_range(0..9), uri, sha256, size_bytes: 1 }.into()
        }
        12..14 => {
            let class = if rng.random() { FailureClass::Transient } else { FailureClass::Permanent };
            FailJob { job_id, fence, class, message: "it broke".to_owned() }.into()
        }
        14 => retry(id),
        _ if rng.random_range(0..4) > 0 => lease(id),
        _ if rng.random() => complete(id, fence),
        _ => cancel(id),
    }
}

fn into_lease(id: &str) -> LeaseJob {
    LeaseJob { job_id: id.to_owned(), worker: "grace".to_owned(), duration_ms: 0 }
}

impl Clients {
    /// The next record of the commands' topic.
    pub(crate) fn next(&mut self, storage: &Storage, partitions: u32, now: i64, rng: &mut SmallRng) -> Append {
        let id = job(rng.random_range(1..=JOBS));
        let command = command(&id, rng);
        self.numbers += 1;
        let fresh = sent(self.numbers, &command).expecting(expected(storage, partitions, &id, rng));
        let sent = match self.keyed.choose(rng) {
            Some(earlier) if rng.random_bool(0.35) => {
                let body = if rng.random_bool(0.2) { 2 } else { 1 };
                let command_id = Uuid::from_u128(self.numbers + (1 << 64));
                earlier.clone().idempotent(body).with(|envelope| envelope.id = command_id)
            }
            _ if rng.random() => {
                self.keyed.push(fresh.clone().idempotent(1));
                fresh.idempotent(1)
            }
            _ => fresh,
        };
        let mut record = sent.with(|envelope| envelope.recorded_at = now).append(partitions);
        match rng.random_range(0..100) {
            0 => record.envelope = Bytes::from_static(RUBBISH),
            1 => record.key = Bytes::from_static(b"default/job/of-another"),
            2 => record.payload = Bytes::from_static(RUBBISH),
            _ => {}
        }
        record
    }

    /// Commands for every job, and for some of the keys: the answers tell what a writer knows.
    pub(crate) fn probes(&mut self, partitions: u32, now: i64, rng: &mut SmallRng) -> Vec<Append> {
        let seqs = (1..=JOBS).flat_map(|number| {
            // Nothing is at such a seq, so the answer says where it is; a lease tells the rest.
            [sent(0, &submit(&job(number))).expecting(99_999), sent(0, &lease(&job(number)))]
        });
        let probes = seqs.chain(self.keyed.choose_multiple(rng, 6).cloned()).enumerate().map(|(number, sent)| {
            sent.with(|envelope| {
                let id = Uuid::from_u128(self.numbers + number as u128 + (1 << 96));
                envelope.id = id;
                envelope.recorded_at = now;
                if !envelope.idempotent {
                    envelope.command_id = id;
                }
            })
        });
        let probes: Vec<Append> = probes.map(|sent| sent.append(partitions)).collect();
        self.numbers += probes.len() as u128;
        probes
    }
}

/// What a client expects of an aggregate: often what it has read.
fn expected(storage: &Storage, partitions: u32, id: &str, rng: &mut SmallRng) -> i64 {
    match rng.random_range(0..16) {
        0 => -1,
        1 => 0,
        2 => rng.random_range(1..6),
        3..6 => {
            let key = format!("default/job/{id}");
            let partition = schemas::partition(key.as_bytes(), partitions);
            let source = Source { topic: "work.events".into(), partition };
            let last = storage.all(&source).iter().rfind(|record| record.key == key.as_bytes());
            last.map_or(0, |last| Envelope::decode(&last.envelope).expect("an envelope").seq)
        }
        _ => -2,
    }
}
