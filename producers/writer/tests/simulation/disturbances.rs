//! What happens to writers and to their log without anybody asking for it.

use super::{schedule::Schedule, world::World, writers::CLOCKS};
use log::Source;
use rand::Rng;

impl Schedule {
    /// Something happens that nobody asked for.
    pub(super) async fn disturb(&mut self) {
        let what = self.world.rng.random_range(0..20);
        let snapshots = Source { topic: "work.snapshots".into(), partition: self.world.rng.random_range(0..self.partitions) };
        let place = self.world.rng.random_range(0..self.writers.len().max(1));
        let World { storage, group, rng, met, .. } = &mut self.world;
        let what = match what {
            0..3 if self.writers.len() < 3 => return self.start(),
            3..6 if place < self.writers.len() => {
                met.note("killed");
                let writer = self.writers.swap_remove(place);
                self.tell("kill", writer.number);
                return writer.kill().await;
            }
            6 if place < self.writers.len() => {
                self.writers[place].shut_down();
                "shut down"
            }
            7..11 => {
                group.give_away(false, rng);
                "given away"
            }
            11..14 => {
                group.give_away(true, rng);
                "taken by force"
            }
            14..16 => {
                let ahead = [5_000_000, 60_000_000, 900_000_000][rng.random_range(0..3)];
                self.jumps[rng.random_range(0..=CLOCKS)] = rng.random_range(-ahead..=ahead);
                "clock jumps"
            }
            16 => {
                storage.compact(&snapshots);
                "compacted"
            }
            17 => {
                storage.damage(&snapshots, rng);
                "damaged"
            }
            18 if storage.is_open().is_none() => {
                storage.forget_committed();
                "offsets forgotten"
            }
            _ => return,
        };
        met.note(what);
        self.tell(what, place);
    }
}
