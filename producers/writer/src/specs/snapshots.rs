//! Snapshots and what is behind them lead to what the whole log leads to, whatever became of the snapshots.

use super::{
    Rig,
    commands::{Sent, cancel, job, lease, sent, submit},
    dump, laws,
    memory::MemoryLog,
};
use crate::{patience::Patience, recovery::catch_up, snapshots::Snapshots, state::LaneState};
use log::{Log, Record, Source};
use proptest::prelude::*;
use std::sync::Arc;
use tokio::sync::watch;
use uuid::Uuid;

const TOPIC: &str = "work.snapshots";

/// A lane that writes snapshots.
struct Life {
    rig: Rig,
    log: MemoryLog,
    snapshots: Snapshots,
}

/// Catches up from nothing; answers whether there were snapshots to load.
async fn caught_up(log: &MemoryLog, mut lane: LaneState, now: i64) -> (LaneState, Snapshots, bool) {
    let (_leave, left) = watch::channel(false);
    let marks = catch_up(log, &mut lane, &mut Patience::new(left), now).await.unwrap();
    let is_loaded = marks.iter().any(Option::is_some);
    (lane, Snapshots::new(Arc::new(log.clone()), marks, 4), is_loaded)
}

impl Life {
    fn new() -> Self {
        let log = MemoryLog::new(1);
        let snapshots = Snapshots::new(Arc::new(log.clone()), vec![None], 4);
        Self { rig: Rig::new(), log, snapshots }
    }

    /// Decides and commits a batch.
    fn batch(&mut self, sent: &[Sent]) {
        let taken = self.rig.taken(sent);
        let batch = self.rig.decide(&taken);
        self.log.append_now(batch.transaction.append.clone());
        let offsets = self.rig.commit(&batch.transaction);
        self.rig.lane.merge(&batch.decided, &offsets);
        self.snapshots.step(&mut self.rig.lane);
    }

    /// So many chunks are stored, if there are so many.
    async fn progress(&mut self, chunks: usize) {
        for _ in 0..chunks {
            if !self.snapshots.is_at_work() {
                return;
            }
            self.snapshots.progress().await;
            self.snapshots.step(&mut self.rig.lane);
        }
    }

    /// All snapshots are stored.
    async fn settle(&mut self) {
        self.progress(usize::MAX).await;
    }

    /// The lane that the next owner gets, and whether snapshots helped.
    async fn successor(&self) -> (LaneState, Snapshots, bool) {
        caught_up(&self.log, self.rig.lane_like(), self.rig.now).await
    }

    async fn succeeds(&self) -> bool {
        let (lane, _, is_loaded) = self.successor().await;
        assert_eq!(dump(&lane), dump(&self.rig.recovered()));
        is_loaded
    }
}

/// Jobs `1..=count`, each submitted with a key and leased, all covered by snapshots; and one more that is not.
async fn covered(count: u128) -> Life {
    let mut life = Life::new();
    for number in 1..=count {
        let id = job(number);
        life.batch(&[sent(number * 2, &submit(&id)).idempotent(1), sent(number * 2 + 1, &lease(&id))]);
    }
    life.settle().await;
    life.batch(&[sent(1000, &lease(&job(1)))]);
    life
}

fn snapshots(log: &MemoryLog) -> Vec<Record> {
    log.all(TOPIC, 0)
}

#[tokio::test]
async fn what_snapshots_cover_is_not_read_again() {
    let life = covered(20).await;
    let expected = dump(&life.rig.recovered());
    life.log.tamper("work.events", 0, |events| drop(events.drain(..30)));
    life.log.tamper("work.results", 0, |results| drop(results.drain(..30)));
    let (lane, _, is_loaded) = life.successor().await;
    assert!(is_loaded);
    assert_eq!(dump(&lane), expected);
}

#[tokio::test]
async fn whatever_happens_to_one_snapshot_the_lane_is_what_the_log_says() {
    type Harm = fn(&mut Vec<Record>, usize);
    let harms: [(&str, Harm); 4] = [
        ("is lost", |records, at| drop(records.remove(at))),
        ("is cut", |records, at| {
            let payload = &mut records[at].payload;
            *payload = payload.slice(..payload.len() - 1);
        }),
        ("is changed", |records, at| {
            let mut bytes = records[at].payload.to_vec();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 0x55;
            records[at].payload = bytes.into();
        }),
        ("is that of another", |records, at| {
            let other = records[(at + 1) % records.len()].payload.clone();
            records[at].payload = other;
        }),
    ];
    let whole = covered(7).await;
    let count = snapshots(&whole.log).len();
    assert!(count >= 12, "{count}");
    for (name, harm) in harms {
        for at in 0..count {
            let life = covered(7).await;
            life.log.tamper(TOPIC, 0, |records| harm(records, at));
            let (lane, _, _) = life.successor().await;
            assert_eq!(dump(&lane), dump(&life.rig.recovered()), "record {at} {name}");
        }
    }
}

#[tokio::test]
async fn snapshots_of_another_history_are_ignored() {
    let life = covered(5).await;
    assert!(life.succeeds().await);
    let mut lane = life.rig.lane_like();
    lane.address.timeline = Uuid::from_u128(2);
    let (lane, _, is_loaded) = caught_up(&life.log, lane, life.rig.now).await;
    assert!(!is_loaded);
    assert_eq!(dump(&lane), dump(&life.rig.recovered()));
}

#[tokio::test]
async fn snapshots_that_outlived_what_they_cover_are_ignored() {
    for topic in ["work.events", "work.results"] {
        let life = covered(6).await;
        for topic in ["work.events", "work.results"].into_iter().filter(|other| topic == "work.events" || topic == *other) {
            life.log.lose(topic, 0, 8);
        }
        let (lane, _, is_loaded) = life.successor().await;
        assert!(!is_loaded, "{topic}");
        life.log.truncate(TOPIC);
        let (plain, _, _) = life.successor().await;
        assert_eq!(dump(&lane), dump(&plain), "{topic}");
    }
}

#[tokio::test]
async fn a_batch_that_is_not_committed_is_in_no_snapshot() {
    let mut life = covered(5).await;
    let taken = life.rig.taken(&[sent(2000, &cancel(&job(2))), sent(2001, &submit(&job(77))).idempotent(1)]);
    life.rig.decide(&taken);
    life.rig.lane.discard();
    for number in 0..4 {
        life.batch(&[sent(2002 + number, &lease(&job(3)))]);
    }
    life.settle().await;
    assert!(life.succeeds().await);
    assert!(!snapshots(&life.log).iter().any(|record| record.key.ends_with(job(77).as_bytes())));
}

#[tokio::test]
async fn an_owner_that_was_replaced_and_does_not_know_it_writes_nothing_that_is_believed() {
    // It dies after so many chunks: before its mark, so that its aggregates stand under the mark of the new owner, or after.
    for chunks in 1..8 {
        let mut life = covered(6).await;
        let (lane, snapshots, _) = life.successor().await;
        let mut old_lane = std::mem::replace(&mut life.rig.lane, lane);
        life.snapshots = snapshots;
        life.batch(&[sent(3000, &cancel(&job(1))), sent(3001, &submit(&job(8))).idempotent(1)]);
        life.batch(&[sent(3002, &cancel(&job(2))), sent(3003, &submit(&job(9))).idempotent(1)]);
        life.settle().await;
        // It writes everything anew from what it knows.
        let mut old = Snapshots::new(Arc::new(life.log.clone()), vec![None], 1);
        for _ in 0..chunks {
            old.step(&mut old_lane);
            if old.is_at_work() {
                old.progress().await;
            }
        }
        life.succeeds().await;
        // As a compacted topic has it: of every key only the newest record.
        life.log.tamper(TOPIC, 0, |records| {
            let all = records.clone();
            records.retain(|record| all.iter().rfind(|other| other.key == record.key).unwrap().offset == record.offset);
        });
        life.succeeds().await;
    }
}

#[tokio::test]
async fn snapshots_do_not_pile_up() {
    let mut life = covered(5).await;
    for number in 0..400 {
        life.batch(&[sent(5000 + number, &lease(&job(number % 5 + 1))), sent(6000 + number, &submit(&job(1)))]);
        life.settle().await;
    }
    assert!(life.succeeds().await);
    let source = Source { topic: TOPIC.into(), partition: 0 };
    assert!(life.log.end(&source).await.unwrap() > 300, "there were many");
    assert!(snapshots(&life.log).len() < 100, "{}", snapshots(&life.log).len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_lane_that_dies_at_any_moment_is_what_the_whole_log_leads_to(
        commands in laws::commands(),
        cuts in prop::collection::vec(0..40_usize, 4..16),
        chunks in prop::collection::vec(0..5_usize, 17),
        deaths in prop::collection::vec(any::<bool>(), 17),
        tick in 0..60_000_000_i64,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut life = Life::new();
            for (turn, batch) in laws::split(&commands, &cuts).iter().enumerate() {
                life.rig.now += tick;
                life.batch(batch);
                life.progress(chunks[turn]).await;
                if deaths[turn] {
                    let (lane, snapshots, _) = life.successor().await;
                    assert_eq!(dump(&lane), dump(&life.rig.recovered()));
                    (life.rig.lane, life.snapshots) = (lane, snapshots);
                }
            }
            life.settle().await;
            life.succeeds().await;
        });
    }
}
