//! The table `events`: each partition has the events of the log, dense, each once, each with its id.
//!
//! Count, range and an order-independent sum over positions and ids are compared; only where they differ are the rows
//! themselves read, in the order of their positions, beside the log.

use super::{PARKED, about, one};
use crate::{
    code::Code,
    error::{VerifyError, within},
    finding::{Finding, Findings, Place},
    pass::{Pass, Unread},
    report::TableReport,
};
use clickhouse::{Client, Row};
use log::Source;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::{collections::BTreeSet, sync::Arc};
use uuid::Uuid;

/// What the table should hold of a partition, counted while the log is read.
#[derive(Debug, Clone, Default)]
pub(crate) struct Watch {
    /// The last position that the table had come to.
    upto: u64,
    /// Positions that were set aside.
    parked: Arc<BTreeSet<u64>>,
    rows: u64,
    sum: u64,
}

/// A partition in the table.
pub(crate) struct EventTable {
    client: Client,
    source: Source,
    part: String,
    pub watch: Watch,
}

#[derive(Row, Deserialize)]
struct Stored {
    rows: u64,
    all: u64,
    first: u64,
    last: u64,
    sum: u64,
}

#[derive(Row, Deserialize)]
struct Placed {
    position: u64,
    #[serde(with = "clickhouse::serde::uuid")]
    event_id: Uuid,
}

impl Watch {
    /// Whether the table should have the event at a position.
    fn expects(&self, position: u64) -> bool {
        position <= self.upto && !self.parked.contains(&position)
    }

    /// Counts an event of the log.
    pub(crate) fn event(&mut self, position: u64, id: Uuid) {
        if self.expects(position) {
            self.rows += 1;
            self.sum = self.sum.wrapping_add(fingerprint(position, id));
        }
    }
}

/// As ClickHouse computes it in [`SUM`].
fn fingerprint(position: u64, id: Uuid) -> u64 {
    let hash = Sha256::digest(format!("{position} {id}"));
    hash.first_chunk().copied().map_or(0, u64::from_le_bytes)
}

const LAST: &str = "SELECT max(position) FROM events WHERE topic = ? AND partition = ?";
const SET_ASIDE: &str = "SELECT DISTINCT position FROM parked WHERE topic = ? AND partition = ? ORDER BY position LIMIT ?";
const SUM: &str = "SELECT count() AS rows, assumeNotNull((SELECT count() FROM events WHERE topic = ? AND partition = ? AND position <= ?)) AS all, \
    min(position) AS first, max(position) AS last, \
    sumWithOverflow(reinterpretAsUInt64(substring(SHA256(concat(toString(position), ' ', toString(event_id))), 1, 8))) AS sum \
    FROM events FINAL WHERE topic = ? AND partition = ? AND position <= ?";
const ROWS: &str =
    "SELECT position, event_id FROM events FINAL WHERE topic = ? AND partition = ? AND position <= ? ORDER BY position";

impl EventTable {
    /// Looks how far the table has come.
    pub(crate) async fn look(client: &Client, source: Source) -> Result<Self, VerifyError> {
        let last: u64 = one(about(client, LAST, &source)).await?;
        let parked = about(client, SET_ASIDE, &source).bind(PARKED).fetch_all::<u64>();
        let parked: BTreeSet<u64> = within("asking ClickHouse", parked).await?.into_iter().collect();
        let upto = last.max(parked.last().copied().unwrap_or(0));
        let part = format!("ClickHouse events {source}");
        Ok(Self { client: client.clone(), source, part, watch: Watch { upto, parked: Arc::new(parked), rows: 0, sum: 0 } })
    }

    /// Compares with what was counted; `last` is the last position of the log.
    pub(crate) async fn judge(self, log: &Pass<'_>, last: u64, findings: &mut Findings) -> Result<TableReport, VerifyError> {
        let Watch { upto, rows: expected, sum, ref parked } = self.watch;
        let query = about(&self.client, SUM, &self.source).bind(upto);
        let stored: Stored = one(query.bind(&*self.source.topic).bind(self.source.partition).bind(upto)).await?;
        let dense = stored.rows == 0 || stored.last - stored.first + 1 == stored.rows + self.parked_between(&stored);
        if stored.rows != expected || stored.sum != sum || !dense {
            self.locate(log, findings).await?;
            if findings.errors(Some(&self.part)) == 0 {
                let says = |rows, sum| format!("{rows} events up to position {upto}, sum {sum:016x}");
                let (should, is) = (says(expected, sum), says(stored.rows, stored.sum));
                findings.add(Finding::new(Code::ClickhouseDiffers, Place::part(&self.part), should, is));
            }
        } else if upto > last {
            let (should, is) = (format!("at most position {last}, where the log ends"), format!("position {upto}"));
            findings.add(Finding::new(Code::ClickhouseExtra, Place::part(&self.part).position(upto), should, is));
        }
        let doubled = stored.all.saturating_sub(stored.rows);
        if doubled > 0 {
            let (should, is) = ("every event once".to_owned(), format!("{doubled} rows more before FINAL"));
            findings.add(Finding::new(Code::ClickhouseDoubled, Place::part(&self.part), should, is));
        }
        let (topic, partition, parked) = (self.source.topic.to_string(), self.source.partition, parked.len() as u64);
        let (first, last, errors) = (stored.first, stored.last, findings.errors(Some(&self.part)));
        Ok(TableReport { table: "events", topic, partition, rows: stored.rows, expected, first, last, parked, doubled, errors })
    }

    fn parked_between(&self, stored: &Stored) -> u64 {
        self.watch.parked.range(stored.first..=stored.last).count() as u64
    }

    /// Finds the rows that differ, by position.
    async fn locate(&self, log: &Pass<'_>, findings: &mut Findings) -> Result<(), VerifyError> {
        let mut rows = about(&self.client, ROWS, &self.source).bind(self.watch.upto).fetch::<Placed>()?;
        let mut row = within("asking ClickHouse", rows.next()).await?;
        let extra = |row: &Placed| {
            let place = Place::part(&self.part).position(row.position);
            Finding::new(Code::ClickhouseExtra, place, "no such row", format!("event {}", row.event_id))
        };
        let mut from = 0;
        loop {
            let chunk = match log.read(from).await {
                Ok(Some(chunk)) => chunk,
                Ok(None) => break,
                // What cannot be read any more is told with the partition the next time.
                Err(Unread::Torn(..)) => return Ok(()),
                Err(Unread::Failed(error)) => return Err(error),
            };
            from = chunk.next;
            for entry in chunk.entries.iter().filter(|entry| self.watch.expects(entry.position)) {
                while let Some(before) = row.as_ref().filter(|row| row.position < entry.position) {
                    findings.add(extra(before));
                    row = within("asking ClickHouse", rows.next()).await?;
                }
                let (position, id) = (entry.position, entry.envelope.id);
                let place = || Place::part(&self.part).position(position);
                match row.as_ref().filter(|row| row.position == position) {
                    None => findings.add(Finding::new(Code::ClickhouseMissing, place(), format!("event {id}"), "no row")),
                    Some(stored) => {
                        if stored.event_id != id {
                            let is = format!("event {}", stored.event_id);
                            findings.add(Finding::new(Code::ClickhouseDiffers, place(), format!("event {id}"), is));
                        }
                        row = within("asking ClickHouse", rows.next()).await?;
                    }
                }
            }
        }
        while let Some(behind) = row {
            findings.add(extra(&behind));
            row = within("asking ClickHouse", rows.next()).await?;
        }
        Ok(())
    }
}
