//! Where a task stands after something went wrong.
//!
//! What is stored decides. A write without an answer is looked up in the stored positions. Positions that another owner
//! moved are loaded anew, as often as it happens: for a moment there may be two owners, when a read model changes hands,
//! and the store lets only one of them make each step.

use crate::{
    memory::Memory,
    runner::{Runner, cursors},
    standing::Standing,
    trouble::{CALL, Trouble, within},
};
use std::sync::atomic::Ordering;
use stores::Advance;

impl Runner {
    /// Finds out whether the write without an answer happened.
    pub async fn look_up(&mut self) -> Result<(), Trouble> {
        let id = self.writing.generation.id;
        let stored = within(CALL, "reading positions", self.context.store.positions(id)).await?;
        let at = |advance: &Advance| stored.get(&(advance.topic.to_string(), advance.partition)).copied().unwrap_or_default();
        let advances: Vec<Advance> =
            self.pending.front().into_iter().flat_map(|unsure| &unsure.batch.parts).map(|part| part.advance.clone()).collect();
        if advances.iter().all(|advance| at(advance) == (advance.to, advance.next_offset)) {
            return self.reload().await;
        }
        self.writing.is_unsure = false;
        if !advances.iter().all(|advance| at(advance).0 == advance.from) {
            self.stale = Some("the stored positions are neither those before the last write nor those after it".to_owned());
        }
        Ok(())
    }

    /// Loads positions anew that another owner moved.
    pub async fn take_over(&mut self, reason: String) -> Result<(), Trouble> {
        let name = self.context.projection.name();
        tracing::warn!(projection.name = name, reason, "another owner moved the position, loading anew");
        self.reload().await?;
        self.stale = None;
        Ok(())
    }

    /// Goes on from what is stored.
    async fn reload(&mut self) -> Result<(), Trouble> {
        let id = self.writing.generation.id;
        let positions = within(CALL, "reading positions", self.context.store.positions(id)).await?;
        let aggregates = within(CALL, "reading parked records", self.context.store.parked_aggregates(id)).await?;
        let limits: Vec<_> = self.reading.cursors.iter().map(|cursor| cursor.until).collect();
        self.reading.cursors = cursors(&self.context, &positions);
        for (cursor, until) in self.reading.cursors.iter_mut().zip(limits) {
            cursor.until = until;
        }
        self.writing.standing = Standing::at(&self.reading.cursors);
        for (next, cursor) in self.writing.progress.iter().zip(&self.reading.cursors) {
            next.store(cursor.next, Ordering::Relaxed);
        }
        self.writing.parked.add(aggregates.iter().map(String::as_str));
        self.pending.clear();
        self.writing.memory = Memory::off();
        self.writing.is_unsure = false;
        Ok(())
    }
}
