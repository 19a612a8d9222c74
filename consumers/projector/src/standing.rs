//! Where a generation stands in every source, as far as its task brought it, and what a write claims of that.
//!
//! A write names the sources that it moves, and the store refuses it if one of them is not where it was. A row that is
//! fed by several sources needs more: another owner may have changed it from a source that this write does not move. So
//! the writes of such a read model claim all sources, most of them to stay.

use crate::{batch::Part, cursor::Cursor};
use schemas::Grain;
use stores::Advance;

pub(crate) struct Standing(Vec<Advance>);

impl Standing {
    /// Of a task that has written nothing since the cursors were set.
    pub fn at(cursors: &[Cursor]) -> Self {
        let stay = |cursor: &Cursor| {
            let (source, position) = (cursor.source.clone(), cursor.line.position());
            let (topic, partition) = (source.topic, source.partition);
            Advance { topic, partition, from: position, to: position, next_offset: cursor.next }
        };
        Self(cursors.iter().map(stay).collect())
    }

    /// What a write of these parts claims.
    pub fn steps(&self, grain: Grain, parts: &[Part]) -> Vec<Advance> {
        let moves = parts.iter().map(|part| part.advance.clone());
        let is_idle = |place: usize| grain == Grain::Shared && parts.iter().all(|part| part.cursor != place);
        let stays = self.0.iter().enumerate().filter(|(place, _)| is_idle(*place)).map(|(_, stay)| stay.clone());
        moves.chain(stays).collect()
    }

    /// Takes note of parts that were written.
    pub fn moved(&mut self, parts: &[Part]) {
        for part in parts {
            if let Some(stay) = self.0.get_mut(part.cursor) {
                *stay = Advance { from: part.advance.to, ..part.advance.clone() };
            }
        }
    }
}
