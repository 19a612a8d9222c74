//! Which records the snapshot of a read model has taken in, and which it has set aside.
//!
//! What is set aside is not folded, so that the other rows can be judged. That it stands in the log as it was kept, that
//! nothing else had to be set aside, and that the later records of its aggregate were, is checked by place.

use crate::{
    chunk::{Chunk, Reading, is_numbered},
    code::Code,
    finding::{Finding, Findings, Place},
    fresh::Fresh,
};
use log::{Record, Source};
use schemas::{AnyProjection, Entry};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use stores::{ParkedRecord, Snapshot};

/// Topic, partition and position of a record.
type Spot = (String, u32, u64);

/// The live generation, and the fold of its records.
pub(crate) struct Live {
    projection: &'static dyn AnyProjection,
    pub generation: u64,
    pub snapshot: Box<dyn Snapshot>,
    parked: BTreeMap<Spot, ParkedRecord>,
    /// Parked records that the log has shown.
    met: BTreeSet<Spot>,
    /// Aggregates with a parked record, by source.
    held: HashMap<(String, u32), HashSet<String>>,
    /// Aggregates that the fold itself set aside.
    pub unfit: HashSet<String>,
    sources: HashMap<(String, u32), Stand>,
    pub fresh: Fresh,
    /// The log no longer has all that the rows were made from.
    pub is_truncated: bool,
    /// Places that the log has and the snapshot has not come to.
    pub behind: u64,
    /// Why its rows cannot be compared.
    pub obstacle: Option<String>,
}

/// Where the fold of a source stands.
#[derive(Default)]
struct Stand {
    position: u64,
    /// Place of the last record of a topic that nobody numbers: behind it there may be marks of transactions.
    last: u64,
    /// Unreadable records since, which may have positions of their own.
    unreadable: u64,
    /// Those of them that are not parked, with their offsets; wrong if a record behind them was taken in.
    unparked: Vec<(Spot, u64)>,
}

impl Live {
    pub(crate) fn new(
        projection: &'static dyn AnyProjection,
        generation: u64,
        snapshot: Box<dyn Snapshot>,
        parked: Vec<ParkedRecord>,
        fresh: Fresh,
        obstacle: Option<String>,
    ) -> Self {
        let spot = |record: &ParkedRecord| (record.topic.clone(), record.partition, record.position);
        Self {
            projection,
            generation,
            snapshot,
            parked: parked.into_iter().map(|record| (spot(&record), record)).collect(),
            met: BTreeSet::new(),
            held: HashMap::new(),
            unfit: HashSet::new(),
            sources: HashMap::new(),
            fresh,
            is_truncated: false,
            behind: 0,
            obstacle,
        }
    }

    /// How many records are set aside.
    pub(crate) fn set_aside(&self) -> u64 {
        self.parked.len() as u64
    }

    /// Where the snapshot stands in a source: position and next offset.
    fn stands(&self, source: &Source) -> (u64, u64) {
        let place = (source.topic.to_string(), source.partition);
        self.snapshot.positions().get(&place).copied().unwrap_or_default()
    }

    /// A source is read to its end; answers where the snapshot stands in it.
    pub(crate) fn end_of(&mut self, source: &Source, last: u64) -> u64 {
        let (position, _) = self.stands(source);
        let stand = self.sources.entry((source.topic.to_string(), source.partition)).or_insert_with(|| {
            // It stands where there was something, and the log has nothing left of it.
            self.is_truncated |= position > 0 && !is_numbered(&source.topic);
            Stand::default()
        });
        let (last, position_of_rows) =
            if is_numbered(&source.topic) { (last, position + stand.unreadable) } else { (stand.last, position) };
        self.behind += last.saturating_sub(position_of_rows);
        position
    }

    /// The entries that the snapshot has taken in and that the read model reads.
    pub(crate) fn select(&mut self, chunk: &Chunk, part: &str, findings: &mut Findings) -> Vec<Entry> {
        let source = (chunk.source.topic.to_string(), chunk.source.partition);
        let (upto, next_offset) = self.stands(&chunk.source);
        let numbered = is_numbered(&source.0);
        let spot = |position| (source.0.clone(), source.1, position);
        if !self.sources.contains_key(&source) && !numbered {
            self.is_truncated |= chunk.records.first().is_some_and(|(record, _)| record.offset > 0);
        }
        let mut stand = self.sources.remove(&source).unwrap_or_default();
        let mut held = self.held.remove(&source).unwrap_or_default();
        let mut entries = Vec::new();
        for (record, read) in chunk.iter() {
            stand.last = record.offset + 1;
            match read {
                // A double is told with its partition; the projector has not taken it in either.
                Ok(entry) if entry.position > upto || entry.position <= stand.position => {}
                Ok(entry) => {
                    for ((_, _, position), offset) in stand.unparked.drain(..) {
                        let place = Place::part(part).position(position).offset(offset);
                        findings.add(missing(place, chunk, "nobody can read it"));
                    }
                    (stand.position, stand.unreadable) = (entry.position, 0);
                    if !self.projection.reads(&entry.envelope.r#type) {
                        continue;
                    }
                    if let Some(parked) = self.parked.get(&spot(entry.position)) {
                        same(parked, record, part, findings);
                        self.met.insert(spot(entry.position));
                        held.insert(entry.envelope.key());
                        continue;
                    }
                    if !held.is_empty() && held.contains(&entry.envelope.key()) {
                        let place = Place::part(part).position(entry.position).offset(record.offset).key(entry.envelope.key());
                        findings.add(missing(place, chunk, "an earlier record of its aggregate is"));
                    }
                    entries.push(entry.clone());
                }
                Err(Reading::Newer(schema)) => {
                    if record.offset < next_offset {
                        let (source, offset) = (&chunk.source, record.offset);
                        self.obstacle =
                            Some(format!("{source} offset {offset} has an envelope of schema id {schema}, which is newer"));
                    }
                    break;
                }
                Err(_) => {
                    stand.unreadable += 1;
                    let position = if numbered { stand.position + stand.unreadable } else { record.offset + 1 };
                    match self.parked.get(&spot(position)) {
                        Some(parked) => {
                            same(parked, record, part, findings);
                            self.met.insert(spot(position));
                            held.extend(Some(parked.aggregate.clone()).filter(|aggregate| !aggregate.is_empty()));
                        }
                        None => stand.unparked.push((spot(position), record.offset)),
                    }
                }
            }
        }
        self.sources.insert(source.clone(), stand);
        self.held.insert(source, held);
        entries
    }

    /// Everything is read: what is set aside must have been met, and every position must be that of a source.
    pub(crate) fn places(&self, part: &str, findings: &mut Findings) {
        for (spot, parked) in self.parked.iter().filter(|(spot, _)| !self.met.contains(*spot)) {
            let (topic, partition, position) = spot;
            if self.is_truncated && !is_numbered(topic) {
                continue;
            }
            let place = Place::part(part).position(*position).offset(parked.offset).key(&parked.aggregate);
            let expected = format!("a record of {topic}/{partition} that the read model has come to");
            findings.add(Finding::new(Code::ParkedUnknown, place, expected, "set aside, but not there"));
        }
        for ((topic, partition), (position, _)) in self.snapshot.positions() {
            if *position > 0 && !self.sources.contains_key(&(topic.clone(), *partition)) {
                let place = Place::part(part).position(*position);
                let found = format!("a position of {topic}/{partition}");
                findings.add(Finding::new(Code::PositionBeyondLog, place, "positions of its own topics and partitions", found));
            }
        }
    }
}

fn missing(place: Place, chunk: &Chunk, why: &str) -> Finding {
    let expected = format!("set aside from {}, since {why}", chunk.source);
    Finding::new(Code::ParkedMissing, place, expected, "not set aside")
}

/// A parked record keeps the bytes that the log has.
fn same(parked: &ParkedRecord, record: &Record, part: &str, findings: &mut Findings) {
    if parked.envelope != record.envelope || parked.payload != record.payload {
        let place = Place::part(part).position(parked.position).offset(record.offset).key(&parked.aggregate);
        findings.add(Finding::new(Code::ParkedUnknown, place, "the bytes that the log has", "set aside with other bytes"));
    }
}
