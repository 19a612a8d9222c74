//! The records of a batch that a projection reads, decoded, and what became of the others.

use super::{Folded, Parked};
use crate::{CodecError, Entry, Recorded, SchemaId, Subset};
use std::collections::{HashMap, HashSet};

pub(super) struct Decoded<E> {
    /// Place in the batch and message.
    pub events: Vec<(usize, Recorded<E>)>,
    /// The first record that a newer program could read; nothing behind it was looked at.
    pub newer: Option<(usize, SchemaId)>,
    /// What is known of the outcome so far.
    pub folded: Folded,
    /// Aggregates parked within this batch, and the place from which on.
    parked: HashMap<String, usize>,
}

impl<E: Subset> Decoded<E> {
    pub fn read(batch: &[Entry], parked: &HashSet<String>, read: fn(&Entry) -> Result<E, CodecError>) -> Self {
        let mut decoded =
            Self { events: Vec::with_capacity(batch.len()), newer: None, folded: Folded::default(), parked: HashMap::new() };
        for (index, entry) in batch.iter().enumerate() {
            if !E::reads(&entry.envelope.r#type) {
                decoded.folded.ignored += 1;
                continue;
            }
            if !parked.is_empty() && parked.contains(&entry.envelope.key()) {
                decoded.folded.parked.push(follows(index));
                continue;
            }
            match read(entry) {
                Ok(message) => decoded.events.push((index, Recorded { envelope: entry.envelope.clone(), message })),
                Err(error) => match newer(&error, entry) {
                    Some(schema) => {
                        decoded.newer = Some((index, schema));
                        break;
                    }
                    None => decoded.set_aside(index, entry.envelope.key(), error.to_string()),
                },
            }
        }
        decoded
    }

    /// Whether an earlier record of the event's aggregate was set aside; if so, the event is too.
    pub fn follows_parked(&mut self, index: usize, event: &Recorded<E>) -> bool {
        let parked = !self.parked.is_empty() && self.parked.get(&event.envelope.key()).is_some_and(|from| *from <= index);
        if parked {
            self.folded.parked.push(follows(index));
        }
        parked
    }

    pub fn set_aside(&mut self, index: usize, aggregate: String, reason: String) {
        let from = self.parked.entry(aggregate).or_insert(index);
        *from = index.min(*from);
        self.folded.parked.push(Parked { index, reason });
    }

    pub fn finish(mut self) -> Folded {
        self.folded.parked.sort_by_key(|parked| parked.index);
        self.folded
    }
}

fn follows(index: usize) -> Parked {
    Parked { index, reason: "an earlier event of this aggregate is parked".to_owned() }
}

/// An envelope names the schema of its payload; where the two disagree the bytes are broken, not newer.
fn newer(error: &CodecError, entry: &Entry) -> Option<SchemaId> {
    error.newer_schema().filter(|schema| u32::try_from(entry.envelope.schema_id) == Ok(schema.0))
}
