//! Cursors that wait for their next reader, so that whoever reads on does not start anew.

use super::{client::retire, cursor::Cursor};
use crate::{Offset, Source};
use parking_lot::Mutex;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::{Mutex as Turn, OwnedMutexGuard};

/// Cursors kept in all, and of one partition.
const MOST: usize = 64;
const MOST_OF_ONE: usize = 4;
/// A cursor that nobody used for so long is dropped.
const IDLE: Duration = Duration::from_secs(60);

/// A cursor in use. It is free for others when dropped, also when a read is given up in the middle.
pub(super) type Lease = OwnedMutexGuard<Cursor>;

struct Slot {
    source: Source,
    used: Instant,
    cursor: Arc<Turn<Cursor>>,
}

/// The cursors, the latest used last.
#[derive(Default)]
pub(super) struct Cursors {
    slots: Mutex<Vec<Slot>>,
}

impl Cursors {
    /// A free cursor that reads on at `from`, if there is one.
    pub(super) fn find(&self, source: &Source, from: Offset) -> Option<Lease> {
        let mut slots = self.slots.lock();
        let (place, mut lease) =
            slots.iter().enumerate().rev().filter(|(_, slot)| slot.source == *source).find_map(|(place, slot)| {
                let lease = slot.cursor.clone().try_lock_owned().ok()?;
                lease.continues(from).then_some((place, lease))
            })?;
        let slot = slots.remove(place);
        slots.push(Slot { used: Instant::now(), ..slot });
        lease.skip_to(from);
        Some(lease)
    }

    /// Keeps a new cursor, for its opener to use first.
    pub(super) async fn add(&self, source: Source, cursor: Cursor) -> Lease {
        let cursor = Arc::new(Turn::new(cursor));
        let lease = cursor.clone().lock_owned().await;
        let mut slots = self.slots.lock();
        let mut surplus = Vec::new();
        let mut same = slots.iter().filter(|slot| slot.source == source).count();
        let mut all = slots.len();
        slots.retain(|slot| {
            let too_many = all >= MOST || (slot.source == source && same >= MOST_OF_ONE);
            if !(too_many || slot.used.elapsed() > IDLE) || slot.cursor.try_lock().is_err() {
                return true;
            }
            all -= 1;
            same -= usize::from(slot.source == source);
            surplus.push(slot.cursor.clone());
            false
        });
        slots.push(Slot { source, used: Instant::now(), cursor });
        drop(slots);
        if !surplus.is_empty() {
            retire(surplus);
        }
        lease
    }

    /// Drops a cursor that met an error.
    pub(super) fn discard(&self, lease: Lease) {
        let cursor = OwnedMutexGuard::mutex(&lease).clone();
        self.slots.lock().retain(|slot| !Arc::ptr_eq(&slot.cursor, &cursor));
        drop(lease);
        retire(cursor);
    }
}

impl Drop for Cursors {
    fn drop(&mut self) {
        let cursors: Vec<_> = self.slots.get_mut().drain(..).map(|slot| slot.cursor).collect();
        if !cursors.is_empty() {
            retire(cursors);
        }
    }
}
