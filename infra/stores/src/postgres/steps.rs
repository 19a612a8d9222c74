//! The sources that a write moves, and the SQL that moves them.
//!
//! A source's row is locked before anything is written, always in the same order: of two owners the second waits for the
//! first to end and then finds that the position is no longer its own.

use super::catalog::{number, unsigned};
use crate::{Advance, StoreError, Write};
use tokio_postgres::{Row, types::ToSql};

/// Makes the rows of sources that begin, at position 0.
pub(super) const START: &str = r#"INSERT INTO positions (generation, topic, "partition", position, next_offset)
SELECT $1, s.topic, s."partition", 0, 0 FROM UNNEST($2::text[], $3::bigint[]) WITH ORDINALITY AS s(topic, "partition", n)
ORDER BY s.n ON CONFLICT DO NOTHING"#;

/// Locks the rows and says where they stand.
pub(super) const STAND: &str = r#"SELECT p.topic, p."partition", p.position FROM positions p
WHERE p.generation = $1 AND (p.topic, p."partition") IN (SELECT * FROM UNNEST($2::text[], $3::bigint[]))
ORDER BY p.topic, p."partition" FOR UPDATE OF p"#;

/// Moves the rows that stand where they should.
pub(super) const MOVE: &str = r#"UPDATE positions p SET position = s.further, next_offset = s.next_offset
FROM UNNEST($2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[])
AS s(topic, "partition", stands, further, next_offset)
WHERE p.generation = $1 AND p.topic = s.topic AND p."partition" = s."partition" AND p.position = s.stands"#;

/// The steps of a write, column by column and in order.
#[derive(Debug)]
pub(super) struct Steps<'a> {
    generation: i64,
    topics: Vec<&'a str>,
    partitions: Vec<i64>,
    from: Vec<i64>,
    to: Vec<i64>,
    next_offsets: Vec<i64>,
    /// Those that begin.
    new_topics: Vec<&'a str>,
    new_partitions: Vec<i64>,
}

impl<'a> Steps<'a> {
    /// Of the whole write; `table` is for messages.
    pub(super) fn of(write: &'a Write, table: &str) -> Result<Self, StoreError> {
        let mut order: Vec<&Advance> = write.advance.iter().collect();
        order.sort_by_key(|step| (&step.topic, step.partition));
        if let Some(back) = order.iter().find(|step| step.to < step.from) {
            let Advance { topic, partition, from, to, .. } = back;
            return Err(StoreError::Fatal(format!("{table} cannot step back from {from} to {to} of {topic}/{partition}")));
        }
        if let Some(twice) = order.windows(2).find(|two| (&two[0].topic, two[0].partition) == (&two[1].topic, two[1].partition)) {
            let Advance { topic, partition, .. } = twice[0];
            return Err(StoreError::Fatal(format!("{table} cannot step twice in {topic}/{partition} in one write")));
        }
        let column = |value: fn(&Advance) -> u64| order.iter().map(|step| number(value(step))).collect::<Result<Vec<i64>, _>>();
        let new = || order.iter().filter(|step| step.from == 0);
        Ok(Self {
            generation: number(write.generation)?,
            topics: order.iter().map(|step| &*step.topic).collect(),
            partitions: column(|step| step.partition.into())?,
            from: column(|step| step.from)?,
            to: column(|step| step.to)?,
            next_offsets: column(|step| step.next_offset)?,
            new_topics: new().map(|step| &*step.topic).collect(),
            new_partitions: new().map(|step| step.partition.into()).collect(),
        })
    }

    pub(super) fn len(&self) -> usize {
        self.topics.len()
    }

    pub(super) fn begins(&self) -> bool {
        !self.new_topics.is_empty()
    }

    pub(super) fn to_start(&self) -> [&(dyn ToSql + Sync); 3] {
        [&self.generation, &self.new_topics, &self.new_partitions]
    }

    pub(super) fn to_stand(&self) -> [&(dyn ToSql + Sync); 3] {
        [&self.generation, &self.topics, &self.partitions]
    }

    pub(super) fn to_move(&self) -> [&(dyn ToSql + Sync); 6] {
        [&self.generation, &self.topics, &self.partitions, &self.from, &self.to, &self.next_offsets]
    }

    /// The first source that does not stand where the write says, from the answer to [`STAND`].
    pub(super) fn stale(&self, standing: &[Row]) -> Result<Option<StoreError>, tokio_postgres::Error> {
        let mut stored = standing.iter();
        let mut next = stored.next();
        for place in 0..self.len() {
            let (topic, partition) = (self.topics[place], self.partitions[place]);
            let mut stands = 0;
            if let Some(row) = next
                && row.try_get::<_, &str>(0)? == topic
                && row.try_get::<_, i64>(1)? == partition
            {
                stands = row.try_get(2)?;
                next = stored.next();
            }
            if stands != self.from[place] {
                return Ok(Some(StoreError::Stale {
                    generation: unsigned(self.generation),
                    source_name: format!("{topic}/{partition}"),
                    stored: unsigned(stands),
                    expected: unsigned(self.from[place]),
                }));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn step(topic: &str, partition: u32, from: u64, to: u64) -> Advance {
        Advance { topic: topic.into(), partition, from, to, next_offset: to }
    }

    #[test]
    fn sources_are_locked_in_one_order() {
        let advance = vec![step("b", 1, 3, 4), step("a", 7, 0, 4), step("b", 0, 0, 0)];
        let write = Write { advance, ..Write::default() };
        let steps = Steps::of(&write, "t").unwrap();
        assert_eq!((steps.topics, steps.partitions), (vec!["a", "b", "b"], vec![7, 0, 1]));
        assert_eq!((steps.new_topics, steps.new_partitions), (vec!["a", "b"], vec![7, 0]));
    }

    #[test]
    fn steps_that_make_no_sense_are_refused() {
        for advance in [vec![step("a", 0, 2, 1)], vec![step("a", 0, 1, 2), step("b", 0, 0, 1), step("a", 0, 2, 3)]] {
            let write = Write { advance, ..Write::default() };
            assert!(matches!(Steps::of(&write, "t"), Err(StoreError::Fatal(_))), "{write:?}");
        }
    }
}
