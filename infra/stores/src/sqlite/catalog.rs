//! What the store knows by heart: its generations and where they stand.
//!
//! Only the writer changes it, after its transaction is committed; the directory's lock sees to it that there is no
//! other writer. So what is read here is what is stored, and the common questions cost no SQL.

use super::statements::Statements;
use crate::{Generation, GenerationState, StoreError, relation::Relation};
use parking_lot::RwLock;
use std::{
    collections::{BTreeMap, HashMap},
    ops::Deref,
    sync::Arc,
};
use tokio::sync::watch;

/// Position and next offset of each partition of a topic.
type Partitions = BTreeMap<u32, (u64, u64)>;

/// A generation.
pub(super) struct Held {
    relation: Relation,
    pub(super) sql: Statements,
    life: RwLock<(GenerationState, String)>,
    positions: RwLock<HashMap<String, Partitions>>,
    moved: watch::Sender<()>,
}

impl Deref for Held {
    type Target = Relation;

    fn deref(&self) -> &Relation {
        &self.relation
    }
}

impl Held {
    pub(super) fn new(relation: Relation, life: (GenerationState, String)) -> Self {
        let sql = Statements::of(&relation);
        Self { relation, sql, life: RwLock::new(life), positions: RwLock::default(), moved: watch::Sender::new(()) }
    }

    pub(super) fn state(&self) -> GenerationState {
        self.life.read().0
    }

    pub(super) fn describe(&self) -> Generation {
        let (state, note) = self.life.read().clone();
        Generation { id: self.id, name: self.name.clone(), version: self.version, state, table: self.table.clone(), note }
    }

    /// Position and next offset of a source; (0, 0) before the first step.
    pub(super) fn position(&self, topic: &str, partition: u32) -> (u64, u64) {
        self.positions.read().get(topic).and_then(|topic| topic.get(&partition)).copied().unwrap_or_default()
    }

    pub(super) fn positions(&self) -> BTreeMap<(String, u32), (u64, u64)> {
        let positions = self.positions.read();
        let sources = positions.iter().flat_map(|(topic, partitions)| partitions.iter().map(move |p| (topic, p)));
        sources.map(|(topic, (partition, stands))| ((topic.clone(), *partition), *stands)).collect()
    }

    pub(super) fn advance(&self, topic: &str, partition: u32, stands: (u64, u64)) {
        let mut positions = self.positions.write();
        match positions.get_mut(topic) {
            Some(partitions) => partitions.insert(partition, stands),
            None => positions.entry(topic.to_owned()).or_default().insert(partition, stands),
        };
    }

    /// Wakes those who wait for a position.
    pub(super) fn announce(&self) {
        self.moved.send_replace(());
    }

    pub(super) fn watch(&self) -> watch::Receiver<()> {
        self.moved.subscribe()
    }
}

/// All generations.
#[derive(Default)]
pub(super) struct Catalog(RwLock<Known>);

#[derive(Default)]
struct Known {
    by_id: BTreeMap<u64, Arc<Held>>,
    live: HashMap<String, Arc<Held>>,
}

impl Catalog {
    pub(super) fn add(&self, held: Held) -> Arc<Held> {
        let held = Arc::new(held);
        let mut known = self.0.write();
        if held.state() == GenerationState::Live {
            known.live.insert(held.name.clone(), Arc::clone(&held));
        }
        known.by_id.insert(held.id, Arc::clone(&held));
        held
    }

    pub(super) fn get(&self, generation: u64) -> Result<Arc<Held>, StoreError> {
        let held = self.0.read().by_id.get(&generation).cloned();
        held.ok_or_else(|| StoreError::Absent(format!("there is no generation {generation}")))
    }

    pub(super) fn live(&self, name: &str) -> Result<Arc<Held>, StoreError> {
        let held = self.0.read().live.get(name).cloned();
        held.ok_or_else(|| StoreError::Absent(format!("read model {name} has no live generation yet")))
    }

    /// All generations of a read model, newest first.
    pub(super) fn named(&self, name: &str) -> Vec<Arc<Held>> {
        self.0.read().by_id.values().rev().filter(|held| held.name == name).cloned().collect()
    }

    /// Makes `next` live, what was live retired, and forgets `dropped`.
    pub(super) fn switch(&self, next: &Arc<Held>, note: &str, dropped: &[Arc<Held>]) {
        let mut known = self.0.write();
        let before = known.live.insert(next.name.clone(), Arc::clone(next));
        if let Some(before) = before.filter(|before| before.id != next.id) {
            before.life.write().0 = GenerationState::Retired;
            before.announce();
        }
        *next.life.write() = (GenerationState::Live, note.to_owned());
        for held in dropped {
            known.by_id.remove(&held.id);
        }
    }

    pub(super) fn forget(&self, generation: u64) {
        self.0.write().by_id.remove(&generation);
    }
}
